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
