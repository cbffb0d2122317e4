"""Preview strips: what directions do to a few generated people. Nobody real is on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from latentlayers.editing.directions import scaled_pca, scaled_sefa
from latentlayers.generators.base import Generator
from latentlayers.generators.prior import prior_samples
from latentlayers.training.directions import TRUNCATION
from latentlayers.training.grids import sample_ws, save_png, tile

STRENGTHS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
PEOPLE = 4
SEED = 3
UNLABELLED = 5  # of each method
CAPTION = 20
SHEET = "all.png"


def unlabelled(generator: Generator, count: int = UNLABELLED) -> dict[str, Tensor]:
    """[w_dim] each: "pca-1", …, then "sefa-1", …, as the daemon computes them."""
    with torch.no_grad():
        samples = prior_samples(generator)
        weights = [weight for _, weight in generator.style_weights()]
        found = {"pca": scaled_pca(samples, count), "sefa": scaled_sefa(weights, samples, count)}
    return {f"{method}-{i + 1}": row for method, rows in found.items() for i, row in enumerate(rows)}


@torch.no_grad()
def strip(generator: Generator, direction: Tensor, scale: int = 1) -> Image.Image:
    """A row per person, always the same `PEOPLE`, a column per strength of `STRENGTHS`."""
    ws = sample_ws(generator, PEOPLE, SEED, TRUNCATION)
    steps = torch.tensor(STRENGTHS)[:, None, None] * direction
    return tile(torch.cat([generator.synthesize(code + steps) for code in ws]), len(STRENGTHS), scale)


def captioned(picture: Image.Image, text: str) -> Image.Image:
    """The picture under one line of text."""
    page = Image.new("RGB", (picture.width, picture.height + CAPTION), "white")
    page.paste(picture, (0, CAPTION))
    ImageDraw.Draw(page).text((4, 4), text, fill="black", font=ImageFont.load_default())
    return page


def save_strips(generator: Generator, labelled: Mapping[str, Tensor], folder: Path) -> list[Path]:
    """A PNG per direction, labelled and unlabelled, and one with all of them, two to a line."""
    folder.mkdir(parents=True, exist_ok=True)
    pages, paths = [], []
    for name, direction in {**labelled, **unlabelled(generator)}.items():
        page = captioned(strip(generator, direction), f"{name}: strength {', '.join(f'{s:+g}' for s in STRENGTHS)}")
        paths.append(folder / f"{name}.png")
        save_png(page, paths[-1])
        pages.append(page)
    width, height = pages[0].size
    sheet = Image.new("RGB", (2 * width + 8, -(-len(pages) // 2) * height), "white")
    for i, page in enumerate(pages):
        sheet.paste(page, (i % 2 * (width + 8), i // 2 * height))
    save_png(sheet, folder / SHEET)
    return [*paths, folder / SHEET]
