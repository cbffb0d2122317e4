"""Between protobuf messages and the worker's own types."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentlayers.engine.models import LoadedModel
from latentlayers.errors import InvalidInput, PreconditionFailed
from latentlayers.imaging import Frame, Picture, PixelFormat, as_picture, decode, encode_png, from_raw, to_raw
from latentlayers.v1 import latent_pb2, picture_pb2

FORMATS: dict[int, PixelFormat] = {
    picture_pb2.PIXEL_FORMAT_RGBA8: PixelFormat.RGBA8,
    picture_pb2.PIXEL_FORMAT_BGRA8: PixelFormat.BGRA8,
    picture_pb2.PIXEL_FORMAT_RGB8: PixelFormat.RGB8,
    picture_pb2.PIXEL_FORMAT_GRAY8: PixelFormat.GRAY8,
    picture_pb2.PIXEL_FORMAT_GRAYA8: PixelFormat.GRAYA8,
    picture_pb2.PIXEL_FORMAT_RGBA16: PixelFormat.RGBA16,
    picture_pb2.PIXEL_FORMAT_BGRA16: PixelFormat.BGRA16,
    picture_pb2.PIXEL_FORMAT_RGBAF32: PixelFormat.RGBAF32,
}


def picture_from_proto(message: picture_pb2.Picture, role: str) -> Picture:
    """Decodes a picture.

    Raises:
        InvalidInput: IMAGE_MISSING, PIXEL_FORMAT_UNKNOWN, or what `imaging` finds wrong with it.
    """
    kind = message.WhichOneof("content")
    if kind == "encoded":
        return decode(message.encoded)
    if kind == "raw":
        raw = message.raw
        check_format(raw.format)
        if raw.format == picture_pb2.PIXEL_FORMAT_UNSPECIFIED:
            raise InvalidInput(
                "PIXEL_FORMAT_UNKNOWN", f"The {role}'s raw rows have no format.", "Set RawPixels.format."
            )
        return from_raw(raw.data, raw.width, raw.height, raw.stride, FORMATS[raw.format])
    raise InvalidInput("IMAGE_MISSING", f"The {role} has no pixels.", "Send raw rows or an encoded file.")


def mask_from_proto(message: picture_pb2.Picture, role: str) -> NDArray[np.float32]:
    """[H, W] float32 in 0..1, as `Picture.as_mask`."""
    return picture_from_proto(message, f"mask of the {role}").as_mask()


def mask_in_frame(message: picture_pb2.Picture, side: int) -> Tensor:
    """[side, side] float32 in 0..1: a mask of any square size, scaled to the model's square."""
    mask = mask_from_proto(message, "crossover")
    height, width = mask.shape
    if height != width:
        raise InvalidInput(
            "MASK_INVALID", f"The crossover mask is {width}x{height}, not square.", "Draw it in the frame's square."
        )
    scaled = torch.nn.functional.interpolate(
        torch.from_numpy(mask)[None, None], size=(side, side), mode="bilinear", antialias=True, align_corners=False
    )
    return scaled[0, 0].clamp(0, 1)


def frame_from_proto(spec: picture_pb2.FrameSpec, width: int, height: int) -> Frame:
    """The frame a caller asked for; without one, the largest centred square.

    Raises:
        InvalidInput: FRAME_INVALID.
    """
    kind = spec.WhichOneof("frame")
    if kind == "whole" and spec.whole:
        return Frame.whole(width, height)
    if kind == "rectangle":
        box = spec.rectangle
        return Frame.rectangle(box.x, box.y, box.width, box.height)
    if kind == "affine":
        a = spec.affine
        return Frame(a.xu, a.xv, a.x0, a.yu, a.yv, a.y0)
    return Frame.centred(width, height)


def ws_from_proto(latent: latent_pb2.Latent, model: LoadedModel) -> Tensor:
    """[1, num_ws, w_dim] float32 from a caller's latent.

    Raises:
        PreconditionFailed: LATENT_MODEL_MISMATCH. InvalidInput: LATENT_SHAPE, LATENT_NOT_FINITE.
    """
    generator = model.generator
    if latent.model_digest and latent.model_digest != model.entry.digest:
        raise PreconditionFailed(
            "LATENT_MODEL_MISMATCH",
            f"The latent belongs to another model than {model.entry.name}.",
            "Embed the picture again with this model, or name the model the latent was made with.",
        )
    if (latent.rows, latent.width) != (generator.num_ws, generator.w_dim) or len(
        latent.ws
    ) != latent.rows * latent.width * 4:
        raise InvalidInput(
            "LATENT_SHAPE",
            f"The latent says {latent.rows}x{latent.width} in {len(latent.ws)} bytes; {model.entry.name} needs "
            f"{generator.num_ws}x{generator.w_dim} float32 values.",
            "Send num_ws rows of w_dim little-endian float32 values of this model.",
        )
    ws = torch.from_numpy(np.frombuffer(latent.ws, dtype="<f4").astype(np.float32)).reshape(
        1, latent.rows, latent.width
    )
    if not bool(ws.isfinite().all()):
        raise InvalidInput(
            "LATENT_NOT_FINITE",
            "The latent contains NaN or infinity.",
            "Embed the picture again, or send an undamaged latent.",
        )
    return ws


def latent_to_proto(ws: Tensor, digest: str) -> latent_pb2.Latent:
    """ws [num_ws, w_dim] as a message."""
    values = ws.detach().cpu().numpy().astype("<f4").tobytes()
    return latent_pb2.Latent(ws=values, rows=ws.shape[0], width=ws.shape[1], model_digest=digest)


def check_format(pixel_format: int) -> None:
    """Refuses a pixel format that this version does not know; unspecified, which means PNG, is fine.

    Raises:
        InvalidInput: PIXEL_FORMAT_UNKNOWN.
    """
    if pixel_format != picture_pb2.PIXEL_FORMAT_UNSPECIFIED and pixel_format not in FORMATS:
        raise InvalidInput(
            "PIXEL_FORMAT_UNKNOWN",
            f"There is no pixel format number {pixel_format}.",
            "Use one of the PIXEL_FORMAT values of this version; for results, unset means PNG.",
        )


def picture_to_proto(picture: Picture | NDArray[np.float32], pixel_format: int) -> picture_pb2.Picture:
    """A picture, or a model's square [3, R, R] in [-1, 1], as PNG; as raw rows if a pixel format is given."""
    if pixel_format == picture_pb2.PIXEL_FORMAT_UNSPECIFIED:
        return picture_pb2.Picture(encoded=encode_png(picture))
    picture = as_picture(picture)
    raw = picture_pb2.RawPixels(width=picture.width, height=picture.height)
    raw.format = cast(picture_pb2.PixelFormat, pixel_format)
    raw.data = to_raw(picture, FORMATS[pixel_format])
    raw.stride = len(raw.data) // picture.height
    return picture_pb2.Picture(raw=raw)
