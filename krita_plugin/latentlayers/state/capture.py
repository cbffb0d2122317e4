"""From a layer to what the daemon gets: its pixels, where the model's square lies, and the code it may have already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..values import Bounds, Refused, Square, View
from .memory import Code

# Pixels are pasted into at the document's own scale up to this side; beyond it the result is enlarged.
MOST_MAIN = 2048
# What is only looked at needs no more than a model can see.
MOST_OTHER = 1024
# So much around the square, as a share of its side, lets the daemon see that the picture goes on there.
MARGIN = 0.1
PIXEL_FORMATS = {"U8": "PIXEL_FORMAT_BGRA8", "U16": "PIXEL_FORMAT_BGRA16", "GREY8": "PIXEL_FORMAT_GRAY8"}


@dataclass(frozen=True)
class Capture:
    """A layer as it was when an edit began.

    Attributes:
        key: what its code is remembered by.
        pixels: what `view` shows of it.
        square: where the model's picture lies in the document; None leaves it to the daemon.
        extent: where the layer shows something.
        code: the layer's code, if it is still that of these pixels and this square.
    """

    key: str
    name: str
    view: View
    pixels: Any
    square: Square | None
    extent: Bounds
    code: Code | None

    def source(self, pb: Any, with_pixels: bool) -> Any:
        """As pb.Source; without pixels only if there is a code."""
        if self.code is not None and not with_pixels:
            return pb.Source(latent=latent(pb, self.code))
        source = pb.PictureSource(picture=picture(pb, self.pixels), name=self.name)
        if self.square is not None:
            names = ("xu", "xv", "x0", "yu", "yv", "y0")
            values = self.square.seen_from(self.view).to_floats()
            source.frame.affine.CopyFrom(pb.Affine(**dict(zip(names, values))))
        if self.code is not None:
            source.latent.CopyFrom(latent(pb, self.code))
        return pb.Source(picture=source)


def capture(
    document: Any,
    layer: str,
    key: str,
    code: Code | None,
    earlier: Code | None,
    main: bool,
    fills: bool = False,
) -> Capture:
    """Reads a layer of a host document.

    The selection says where the model's square lies in the layer that is edited; without one it stays where the layer
    was embedded before, or the daemon finds it.

    Args:
        code: what is remembered by `key`, if anything.
        earlier: any code that was found for the layer, also for another purpose or by another model.
        main: whether it is the layer that is edited.
        fills: the selection is what the model makes up, and says nothing about the square.

    Raises:
        Refused: the layer is gone or empty, or the selection does not meet it.
    """
    info = document.layer(layer)
    bounds = document.layer_bounds(layer)
    if bounds.is_empty:
        raise Refused(f"The layer {info.name} is empty.", "Paint or paste something into it, or choose another.")
    selected = document.selection_bounds() if main and not fills else None
    if code is not None and not _fits(document, layer, code):
        code = None
    if selected is not None:
        square = Square.around(selected)
        if selected.is_empty or square.bounds.intersected(bounds).is_empty:
            raise Refused(f"There is nothing of the layer {info.name} in the selection.", "Select a part of it.")
        if code is not None and square.near(code.square):
            square = code.square
        else:
            code = None
        region = square.bounds.grown(round(MARGIN * square.side)).intersected(bounds)
    elif code is not None:
        square, region = code.square, code.view.bounds
    elif earlier is not None and (_lies_within(bounds, earlier) or _fits(document, layer, earlier)):
        square, region = earlier.square, earlier.view.bounds
    else:
        square, region = None, bounds
    view = View.of(region, MOST_MAIN if main else MOST_OTHER)
    pixels = document.read(layer, region, max(view.width, view.height))
    return Capture(key, info.name, view, pixels, square, bounds, code)


def _lies_within(bounds: Bounds, code: Code) -> bool:
    """Whether the layer is where it was, however its pixels have changed, and the code's place is one within it."""
    return code.extent == bounds and code.view.bounds.intersected(bounds) == code.view.bounds


def _fits(document: Any, layer: str, code: Code) -> bool:
    """Whether the layer's pixels are still those that the code was found for."""
    if code.view.bounds.intersected(document.bounds) != code.view.bounds:
        return False  # the canvas was cropped, or the file was tampered with
    seen = document.read(layer, code.view.bounds, max(code.view.width, code.view.height))
    return bool(seen.fingerprint == code.fingerprint)


def latent(pb: Any, code: Code) -> Any:
    return pb.Latent(ws=code.values, rows=code.rows, width=code.width, model_digest=code.digest)


def picture(pb: Any, pixels: Any) -> Any:
    """Host pixels as pb.Picture."""
    form = getattr(pb, PIXEL_FORMATS[pixels.depth])
    raw = pb.RawPixels(width=pixels.width, height=pixels.height, format=form, data=pixels.data)
    return pb.Picture(raw=raw)


def code_from(embedding: Any, captured: Capture) -> Code:
    """What to remember of pb.Embedding, the code that the daemon found for a captured layer."""
    frame = embedding.frame
    square = Square(frame.xu, frame.xv, frame.x0, frame.yu, frame.yv, frame.y0).placed_in(captured.view)
    verdicts = {1: "good", 2: "fair", 3: "poor"}
    return Code(
        key=captured.key,
        model=embedding.model,
        digest=embedding.model_digest,
        rows=embedding.latent.rows,
        width=embedding.latent.width,
        values=embedding.latent.ws,
        square=square,
        extent=captured.extent,
        view=captured.view,
        fingerprint=captured.pixels.fingerprint,
        psnr=embedding.psnr,
        verdict=verdicts.get(embedding.likeness, ""),
        verdict_text=embedding.likeness_text,
    )
