"""What a file holds that is no generator of ours, said by name, and what to do with it instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from latentlayers.checkpoints.pickles.inert import Lazy
from latentlayers.checkpoints.readers.network import tables_in
from latentlayers.checkpoints.refusals import unsupported
from latentlayers.errors import UnsupportedCheckpoint

MAX_KEYS = 10
DIRECTION = "Add the generator that it was made for; a direction moves that model's codes and draws nothing by itself."
RESTORER = "Use the StyleGAN2 generator that it was made from."

# Whether the names in a file's table are of this kind; what it is; what to do.
KINDS: tuple[tuple[Callable[[set[str]], bool], str, str], ...] = (
    (lambda names: {"comp", "mean", "std"} <= names, "it holds directions in latent space (GANSpace)", DIRECTION),
    (
        lambda names: any(name.startswith("stylegan_decoder.") for name in names),
        "it is a face restorer (GFPGAN), whose generator needs the damaged picture",
        RESTORER,
    ),
    (
        lambda names: "GAN" in names or any(name.startswith("G.blocks.") for name in names),
        "it is a network of lucidrains/stylegan2-pytorch, which is built differently from StyleGAN2",
        "Use a file of NVIDIA's or rosinality's StyleGAN2.",
    ),
    (
        lambda names: any(name.startswith("encoder.") for name in names),
        "it holds an encoder without its generator",
        "Use the file that holds both, or the generator alone.",
    ),
    (
        lambda names: bool({"d", "D", "discriminator"} & names) or "final_linear.0.weight" in names,
        "it holds a discriminator and no generator",
        "Use the file that holds the generator, often called G_ema or g_ema.",
    ),
)


def refusal(value: Any) -> UnsupportedCheckpoint:
    """The error for a file whose value no reader took."""
    if isinstance(value, Lazy):
        return unsupported(f"it holds a direction or a code in latent space, of shape {list(value.shape)}", DIRECTION)
    if not isinstance(value, dict):
        return unsupported("it holds no generator")
    names = {name for table in tables_in(value) for name in table if isinstance(name, str)}
    for matches, what, remedy in KINDS:
        if matches(names):
            return unsupported(what, remedy)
    keys = ", ".join(sorted(key[:40] for key in value if isinstance(key, str))[:MAX_KEYS])
    return unsupported(f"it holds a table of {keys or 'nothing we know'}, and no generator")
