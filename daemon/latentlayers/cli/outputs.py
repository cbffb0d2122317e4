"""Where results go: checked before the long work starts, never over a file that is being read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from latentlayers.errors import InvalidInput

if TYPE_CHECKING:
    from latentlayers.client import Image

MOST_STRIP_WIDTH = 8192


@dataclass(frozen=True)
class Targets:
    """The files a call's pictures go to.

    Attributes:
        pictures: one for each.
        strip: gets all of them side by side.
    """

    pictures: Sequence[Path]
    strip: Path | None = None

    @classmethod
    def morph(cls, folder: Path, count: int) -> Targets:
        """folder/morph-00.png …, and folder/morph.png."""
        return cls([folder / f"morph-{index:02d}.png" for index in range(count)], folder / "morph.png")

    @classmethod
    def strengths(cls, output: Path, count: int) -> Targets:
        """OUT.png for one picture; OUT-00.png … and the strip OUT.png for several."""
        if count == 1:
            return cls([output])
        return cls([output.with_stem(f"{output.stem}-{index:02d}") for index in range(count)], output)

    def check(self, inputs: Sequence[Path]) -> None:
        """See `check_outputs`."""
        check_outputs([*self.pictures, *([self.strip] if self.strip else [])], inputs)

    def save(self, images: Sequence[Image]) -> None:
        """Writes everything. Raises as `Picture.save`."""
        for image, path in zip(images, self.pictures, strict=True):
            image.save(path)
        if self.strip is not None:
            _save_strip(images, self.strip)

    def __str__(self) -> str:
        if self.strip is None:
            return ", ".join(map(str, self.pictures))
        return f"{self.pictures[0]} to {self.pictures[-1].name}, and all side by side in {self.strip}"


def check_outputs(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Makes sure that all `outputs` can be written as pictures; makes the folders that are missing.

    Raises:
        InvalidInput: OUTPUT_IS_INPUT, a file that is read would be lost; FORMAT_UNSUPPORTED.
        PreconditionFailed: OUTPUT_NOT_WRITABLE.
    """
    from latentlayers.client.files import check_writable
    from latentlayers.client.pictures import output_format

    for output in outputs:
        output_format(output)
        check_not_input(output, inputs)
    for output in outputs:
        check_writable(output)


def check_not_input(output: Path, inputs: Sequence[Path]) -> None:
    """Raises InvalidInput OUTPUT_IS_INPUT if writing `output` would destroy one of the inputs."""
    if output.exists() and any(file.exists() and output.samefile(file) for file in inputs):
        raise InvalidInput(
            "OUTPUT_IS_INPUT", f"{output} is one of the files that are read.", "Choose another name with -o."
        )


def _save_strip(images: Sequence[Image], path: Path) -> None:
    """All images side by side, made smaller if they would be wider than `MOST_STRIP_WIDTH` pixels."""
    from PIL import Image as PillowImage

    from latentlayers.client.pictures import save_image

    pictures = [image.picture.image() for image in images]
    width, height = sum(picture.width for picture in pictures), max(picture.height for picture in pictures)
    strip = PillowImage.new(pictures[0].mode, (width, height))
    left = 0
    for picture in pictures:
        strip.paste(picture, (left, 0))
        left += picture.width
    strip.thumbnail((MOST_STRIP_WIDTH, height))
    save_image(strip, path)
