"""Embeddings, models, notices and pictures as commands show them, in JSON and for people."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from latentlayers.cli.output import duration

if TYPE_CHECKING:
    from latentlayers.cli.outputs import Targets
    from latentlayers.client import EditResult, EmbeddingInfo, ModelInfo, Notice


def embedding_document(info: EmbeddingInfo) -> dict[str, object]:
    """Everything but the numbers of the latent and the pixels of the thumbnail."""
    document: dict[str, object] = {
        field.name: getattr(info, field.name)
        for field in dataclasses.fields(info)
        if field.name not in ("latent", "thumbnail")
    }
    if info.latent is not None:
        document["latent_shape"] = (info.latent.rows, info.latent.width)
    return document


def embedding_lines(info: EmbeddingInfo, *, reused: bool = False) -> list[str]:
    """The verdict first, then the figures."""
    facts = []
    if info.likeness:
        facts = [f"PSNR {info.psnr:.1f} dB", f"{info.steps} steps", duration(info.seconds)]
    facts += [f"model {info.model}", f"preset {info.preset}" if info.preset else "imported", f"space {info.space}"]
    lines = [info.likeness_text, ", ".join(facts)]
    if reused:
        lines.append("It was in the library already; nothing had to be computed.")
    return [line for line in lines if line]


def model_summary(model: ModelInfo) -> str:
    """One line about what it is; a perceptual network has only a licence."""
    return ", ".join(
        part
        for part in (
            f"{model.family}, {model.resolution} px" if model.family else "",
            f"{model.c_dim} classes" if model.c_dim else "",
            model.domain,
            f"licence {model.licence}" if model.licence else "",
            "shipped" if model.shipped else "",
            "loaded" if model.loaded else "",
        )
        if part
    )


def edit_document(result: EditResult, targets: Targets, labels: Mapping[str, str], seconds: float) -> dict[str, object]:
    """What morph, crossover, expression, direction and render print as JSON."""
    return {
        "images": [
            {"path": path, "index": image.index, "weight": image.weight}
            for image, path in zip(result.images, targets.pictures, strict=True)
        ],
        "strip": targets.strip,
        "embeddings": [
            {"role": role, "source": labels.get(role, ""), "reused": role in result.reused, **embedding_document(info)}
            for role, info in result.embeddings.items()
        ],
        "notices": result.notices,
        "seconds": seconds,
    }


def print_embedded(result: EditResult, labels: Mapping[str, str]) -> None:
    """A line for each picture that had to be embedded on the way."""
    for role, info in result.embeddings.items():
        if role not in result.reused:
            kept = f"embedding {info.id}" if info.id else "embedded, but could not be kept"
            print(f"{labels.get(role, role)} is {kept}: likeness {info.likeness}, PSNR {info.psnr:.1f} dB")


def print_notices(notices: Iterable[Notice]) -> None:
    """On standard error, as they are not the result."""
    for notice in notices:
        print(f"Note: {notice.message} {notice.remedy}", file=sys.stderr)
