"""What the demo works on: two public-domain photographs, and people the model invents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import torch

from latentlayers.checkpoints import load_generator
from latentlayers.client import Client, Latent, PictureSource

PHOTOS = Path(str(files("latentlayers.demo"))) / "photos"
PAIR_STRENGTHS = (-0.8, 0.8)


@dataclass(frozen=True)
class Photo:
    """A photograph as it is, and the selection rectangle (x, y, width, height) in its pixels around the face."""

    path: Path
    person: str
    credit: str
    frame: tuple[float, float, float, float]

    @property
    def source(self) -> PictureSource:
        """What an editing call takes."""
        return PictureSource(self.path, frame=self.frame)


def photos() -> list[Photo]:
    """The photographs of `photos/`; where they come from is in PROVENANCE.md beside them."""
    listed = json.loads((PHOTOS / "photos.json").read_text("utf-8"))["photos"]
    return [Photo(PHOTOS / item["file"], item["person"], item["credit"], tuple(item["frame"])) for item in listed]


def invented_people(generator_file: Path, digest: str, seeds: Sequence[int], truncation: float = 0.7) -> list[Latent]:
    """Samples of the model: one latent code for each seed."""
    generator = load_generator(generator_file)
    z = torch.cat([torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    ws = generator.map(z, truncation=truncation)
    return [Latent.of(code.numpy(), digest) for code in ws]


def expression_pair(client: Client, person: Latent, folder: Path) -> tuple[Path, Path]:
    """Two pictures of one invented person, without and with a smile, as files in `folder`.

    From here on they are pictures like any others: the demo embeds them again from their pixels.
    """
    drawn = client.apply_direction(person, "smile", PAIR_STRENGTHS)
    paths = folder / "neutral.png", folder / "expressive.png"
    for path, image in zip(paths, drawn.images, strict=True):
        image.picture.save(path)
    return paths
