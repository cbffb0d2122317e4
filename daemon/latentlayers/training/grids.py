"""Contact sheets: many pictures in one PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from latentlayers.generators.base import Generator
from latentlayers.generators.prior import draw

GRID_SEED = 7


def to_signed(images: Tensor) -> Tensor:
    """uint8 pictures -> float32 in [-1, 1]."""
    return images.float() / 127.5 - 1


def tile(images: Tensor, columns: int, scale: int = 2) -> Image.Image:
    """Lay pictures [N, 3, R, R] in [-1, 1] row by row, each pixel repeated `scale` times each way."""
    n, _, h, w = images.shape
    rows = -(-n // columns)
    pixels = images.detach().float().cpu().clamp(-1, 1).add(1).mul(127.5).round().byte()
    sheet = torch.zeros(rows * columns, 3, h, w, dtype=torch.uint8)
    sheet[:n] = pixels
    sheet = sheet.reshape(rows, columns, 3, h, w).permute(0, 3, 1, 4, 2).reshape(rows * h, columns * w, 3)
    picture = Image.fromarray(np.ascontiguousarray(sheet.numpy()))
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def save_png(picture: Image.Image, path: Path) -> None:
    """Write atomically, so that a viewer never meets half a file."""
    partial = path.with_name(path.name + ".part")
    picture.save(partial, format="PNG")
    partial.replace(path)


@torch.no_grad()
def sample_grid(
    generator: Generator,
    truncation: float,
    *,
    columns: int = 8,
    count: int = 64,
    side: int | None = None,
    scale: int = 2,
) -> Image.Image:
    """The same `count` latents each time, so that sheets of one run can be compared."""
    ws = sample_ws(generator, count, GRID_SEED, truncation)
    return tile(
        torch.cat([generator.synthesize(part, resolution=side) for part in torch.split(ws, 16)]), columns, scale
    )


@torch.no_grad()
def draw_samples(generator: Generator, count: int, seed: int = 11) -> Tensor:
    """[count, 3, R, R] in [-1, 1], untruncated: the same ones every time for one `seed`."""
    return pictures(generator, sample_ws(generator, count, seed))


def sample_ws(generator: Generator, count: int, seed: int, truncation: float = 1.0) -> Tensor:
    """[count, num_ws, w_dim], the same ones every time for one `seed`."""
    z, _ = draw(generator, count, torch.Generator().manual_seed(seed))
    return generator.map(z, truncation=truncation)


def pictures(generator: Generator, ws: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """ws [N, num_ws, w_dim] -> [N, 3, R, R] of `dtype` in [-1, 1], batch by batch."""
    return torch.cat([generator.synthesize(part).clamp(-1, 1).to(dtype) for part in torch.split(ws, 32)])


@torch.no_grad()
def measure_w_avg(generator: Generator, count: int = 20_000) -> Tensor:
    """[w_dim]: the mean of w over the prior, from `count` fixed samples."""
    z, _ = draw(generator, count, torch.Generator().manual_seed(GRID_SEED))
    total = torch.zeros_like(generator.w_avg)
    for part in torch.split(z, 2048):
        total += generator.map(part)[:, 0].sum(dim=0)
    return total / count
