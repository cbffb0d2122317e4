"""What files that are not generators are called. Standard library only."""

from __future__ import annotations

VGG16_OWN = "vgg16.safetensors"
# As written by ourselves, torchvision, NVIDIA's metrics, and NVIDIA's dnnlib when it caches downloads.
VGG16 = (VGG16_OWN, "vgg16-397923af.pth", "vgg16.pt", "*_vgg16.pt")
