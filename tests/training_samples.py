"""Networks and pictures small enough to train within seconds."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import torch
from latentlayers.generators import StyleGAN2Config
from latentlayers.generators.discriminator import DiscriminatorConfig
from latentlayers.training.data import Portraits
from latentlayers.training.loop import train
from latentlayers.training.settings import TrainSettings
from latentlayers.training.shared import RunPlan
from latentlayers.training.state import TrainState, new_state
from PIL import Image
from torch import Tensor

CPU = torch.device("cpu")
SIDE = 16
GENERATOR = StyleGAN2Config(SIDE, 8, 8, {4: 8, 8: 8, 16: 8}, mapping_layers=2)
JUDGE = DiscriminatorConfig(SIDE, {4: 8, 8: 8}, head_features=8)
QUICK = TrainSettings(batch=4, warmup_steps=1)


def small_state(seed: int = 0) -> TrainState:
    return new_state(GENERATOR, JUDGE, seed, CPU)


def random_images(count: int, side: int = SIDE) -> Tensor:
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)


def labelled_portraits(count: int, seed: int = 0) -> Portraits:
    """Noise with every attribute planted: a mouth, hair, wrinkles, a shifted nose, colour, light; labels to match."""
    random = np.random.default_rng(seed)
    images, rows = np.zeros((count, 3, SIDE, SIDE)), []
    for i in range(count):
        happy, woman, colour = (bool(side) for side in random.random(3) < 0.5)
        age, yaw, light = random.normal(size=3).clip(-2, 2)
        grey = random.normal(128, 6, (SIDE, SIDE))
        grey[10:13, 4:12] -= 50 * happy
        grey[2:5, 3:13] += 40 * woman
        grey[5, 4:12] += 12 * age
        nose = round(8 + 2 * yaw)
        grey[7:10, max(nose - 1, 3) : nose + 1] += 40
        grey += 12 * light * np.where(np.arange(SIDE) < SIDE // 2, -1, 1)
        images[i] = grey + (30 * np.array([1.0, 0.0, -1.0])[:, None, None] if colour else 0)
        happiness = 0.95 * happy
        rows.append(
            {
                "kind": "colour" if colour else "mono",
                "male_prob": str(0.05 if woman else 0.95),
                "happy": str(happiness),
                "neutral": str(0.95 - happiness),
                "age_est": str(50 + 8 * age),
                "yaw_jaw": str(0.1 * yaw),
            }
        )
    return Portraits(torch.from_numpy(images.clip(0, 255).astype(np.uint8)), rows)


def run(state: TrainState, folder: Path, kimg: float, *, processes: int = 1, config: TrainSettings = QUICK) -> None:
    images = random_images(8)
    plan = RunPlan(folder, minutes=5, max_kimg=kimg, processes=processes, dtype=torch.float32)
    train(state, config, plan, images, np.full(8, 1 / 8), show=lambda line: None)


def png(value: int, side: int = 32) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (value, value // 2, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def write_data(folder: Path, rows: list[dict[str, str]], side: int = 32) -> tuple[Path, Path]:
    defaults = {
        "medium": "photo",
        "tonal_score": "",
        "yaw_jaw": "0.0",
        "outside_frac": "0.0",
        "quality": "0.9",
        "kind": "colour",
        "male_prob": "0.9",
        "happy": "0.0",
        "neutral": "0.0",
    }
    with zipfile.ZipFile(folder / "data.zip", "w") as archive, (folder / "data.csv").open("w", newline="") as table:
        writer = csv.DictWriter(table, ["file", *defaults])
        writer.writeheader()
        for i, row in enumerate(rows):
            archive.writestr(f"{i}.png", png(i * 7 % 256, side))
            writer.writerow({"file": f"{i}.png", **defaults, **row})
    return folder / "data.zip", folder / "data.csv"
