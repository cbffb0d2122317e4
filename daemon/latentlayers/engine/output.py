"""From latent codes to the pictures a caller asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from latentlayers.engine.jobs import Job
from latentlayers.engine.messages import check_format, latent_to_proto, mask_from_proto, picture_to_proto
from latentlayers.engine.models import LoadedModel
from latentlayers.engine.sources import Resolved
from latentlayers.errors import InvalidInput
from latentlayers.generators import Noise
from latentlayers.imaging import PasteMode, Picture, paste_back
from latentlayers.imaging.paste import FEATHER
from latentlayers.v1 import editing_service_pb2 as pb
from latentlayers.v1 import latent_pb2

BATCH = 8
PASTE: dict[int, PasteMode] = {pb.PASTE_MODE_REPLACE: "replace", pb.PASTE_MODE_RESIDUAL: "residual"}


def check_output(model: LoadedModel, options: pb.OutputOptions, base: latent_pb2.Source) -> None:
    """Refuses what `send_images` could not do, before anything is embedded.

    Args:
        base: the call's first source; pasting goes into its picture.

    Raises:
        InvalidInput: PASTE_NEEDS_PICTURE, RESOLUTION_INVALID, PIXEL_FORMAT_UNKNOWN.
    """
    sides = model.generator.resolutions
    if options.resolution and options.resolution not in sides:
        raise InvalidInput(
            "RESOLUTION_INVALID",
            f"{model.entry.name} cannot stop at {options.resolution} px.",
            f"Use one of {', '.join(map(str, sides))}, or 0 for all.",
        )
    if options.paste in PASTE and not base.HasField("picture"):
        raise InvalidInput(
            "PASTE_NEEDS_PICTURE",
            "The result can only be pasted back into a picture, and the first source is a latent code.",
            "Send the first source as a picture, or leave `paste` unset.",
        )
    check_format(options.format)


def send_images(
    job: Job,
    model: LoadedModel,
    codes: Sequence[Tensor],
    weights: Sequence[float],
    base: Resolved,
    options: pb.OutputOptions,
    *,
    noise: Noise = "const",
    blend: Tensor | None = None,
) -> None:
    """Renders each code [1, num_ws, w_dim] and sends it as an `Image` event, in order. See `check_output`.

    Args:
        weights: lambda of each picture, as the caller gave it.
        base: the call's first source; pasting goes into its picture.
        blend: [R, R] in 0..1; where it is 0 the base's own reconstruction shows.

    Raises:
        InvalidInput: MASK_INVALID. Cancelled: as `Job.checkpoint`.
    """
    side = options.resolution or model.generator.resolution
    mode = PASTE.get(options.paste)
    selection = mask_from_proto(options.selection, "selection") if options.HasField("selection") else None
    feather = options.feather if options.HasField("feather") and options.feather >= 0 else FEATHER

    def render(ws: Tensor) -> np.ndarray:
        with torch.inference_mode():
            return model.generator.synthesize(ws, noise=noise, resolution=side).cpu().numpy()

    plain = render(base.ws)[0] if mode or blend is not None else None
    count = len(codes)
    for start in range(0, count, BATCH):
        job.checkpoint()
        chunk = codes[start : start + BATCH]
        for offset, square in enumerate(render(torch.cat(list(chunk)))):
            index = start + offset
            if blend is not None and plain is not None:
                area = blend.numpy()
                square = area * square + (1 - area) * plain
            if mode and base.picture is not None and base.frame is not None:
                result: Picture | np.ndarray = paste_back(
                    base.picture, base.frame, square, plain, mode, feather, selection, layer=options.layer
                )
            else:
                result = square
            image = pb.Image(
                picture=picture_to_proto(result, options.format), index=index, count=count, weight=weights[index]
            )
            if options.latents:
                image.latent.CopyFrom(latent_to_proto(codes[index][0], model.entry.digest))
            job.send(pb.EditEvent(image=image))
        job.send(pb.EditEvent(progress=pb.Progress(phase=pb.PHASE_RENDERING, step=index + 1, total=count)))
