"""What files are called: models after their files, and files that are not generators. Standard library only."""

from __future__ import annotations

import re
import unicodedata

LONGEST_NAME = 64
# As written by ourselves, torchvision, NVIDIA's metrics, and NVIDIA's dnnlib when it caches downloads.
VGG16_OWN = "vgg16.safetensors"
VGG16 = (VGG16_OWN, "vgg16-397923af.pth", "vgg16.pt", "*_vgg16.pt")


def plain_name(text: str) -> str:
    """A name that a model may have: "my model (1)" is "my-model-1"; what has no plain letter or digit is "model"."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")
    return words[:LONGEST_NAME].rstrip("-._") or "model"
