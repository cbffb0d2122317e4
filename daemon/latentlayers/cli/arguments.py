"""From what was typed to what the client takes; all that can be checked without the daemon is checked here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from latentlayers.cli.options import PasteName, Preset, SpaceName
    from latentlayers.client import EmbedOptions, OutputOptions, PictureSource
    from latentlayers.client.pictures import Frame

T = TypeVar("T")


def sources(
    arguments: Sequence[str], frames: Sequence[str] | None, masks: Sequence[Path] | None
) -> list[str | PictureSource]:
    """Each argument as a picture with its frame and mask, or as it is (an embedding's id, a sample); a file wins.

    Raises:
        InvalidInput: SOURCE_UNKNOWN. typer.BadParameter: the frames or masks do not go with the picture files.
    """
    from latentlayers.client.sources import is_picture_file

    files = [argument for argument in arguments if is_picture_file(argument)]
    found = iter(pictures(files, frames, masks))
    return [next(found) if argument in files else argument for argument in arguments]


def pictures(files: Sequence[str], frames: Sequence[str] | None, masks: Sequence[Path] | None) -> list[PictureSource]:
    """Each file as a picture with its frame and mask.

    Raises:
        typer.BadParameter: the frames or masks do not go with the files.
    """
    from latentlayers.client import PictureSource

    all_frames = _for_each([parse_frame(text) for text in frames or ["auto"]], files, "--frame")
    all_masks: list[Path | None] = _for_each(list(masks) if masks else [None], files, "--mask")
    return [
        PictureSource(Path(file), frame, mask) for file, frame, mask in zip(files, all_frames, all_masks, strict=True)
    ]


def parse_frame(text: str) -> Frame:
    """ "auto", "whole", or four numbers. Whether they make a frame is for the daemon to say.

    Raises:
        typer.BadParameter: anything else.
    """
    if text in ("auto", "whole"):
        return text
    numbers = numbers_of(text, "--frame")
    if len(numbers) != 4:
        raise typer.BadParameter(f"{text!r} is neither auto, whole nor X,Y,W,H.", param_hint="--frame")
    x, y, width, height = numbers
    return x, y, width, height


def numbers_of(text: str, option: str) -> list[float]:
    """The numbers of "0,0.5,1". Raises typer.BadParameter if there is something else."""
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of numbers such as 0,0.5,1.", param_hint=option) from None


def embed_options(
    model: str, preset: Preset | None, space: SpaceName | None, seed: int, steps: int, refresh: bool
) -> EmbedOptions:
    from latentlayers.client import EmbedOptions

    return EmbedOptions(
        model=model,
        preset=preset.value if preset else "",
        space=space.value if space else None,
        seed=seed,
        refresh=refresh,
        max_steps=steps,
    )


def output_options(paste: PasteName) -> OutputOptions:
    from latentlayers.client import OutputOptions

    return OutputOptions(paste=paste.value)


def label(source: str | PictureSource) -> str:
    """How a source is called in messages."""
    return source if isinstance(source, str) else str(source.picture)


def input_files(given: Iterable[str | PictureSource], *more: Path | None) -> list[Path]:
    """The files a command reads, which it must not write."""
    pictures = [source for source in given if not isinstance(source, str)]
    named = [file for source in pictures for file in (source.picture, source.mask)]
    return [file for file in (*named, *more) if isinstance(file, Path)]


def _for_each(values: list[T], files: Sequence[str], option: str) -> list[T]:
    """One value for each file: the one value for all, or as many as there are files."""
    if len(values) == 1:
        return values * len(files)
    if len(values) != len(files):
        raise typer.BadParameter(
            f"{len(values)} values for {len(files)} picture files; give one for all, or one for each.",
            param_hint=option,
        )
    return values
