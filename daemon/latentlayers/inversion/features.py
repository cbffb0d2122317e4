"""Perceptual networks: the feature maps F_1..F_4 whose differences Image2StyleGAN adds to the pixel difference.

The paper's are VGG16's conv1_1, conv1_2, conv3_2 and conv4_2. VGG16 may not be shipped, so a model of ours
brings the trunk of its own discriminator instead, with weights for its channels as in LPIPS (Zhang et al., CVPR 2018),
and a model that has neither is compared through a pyramid of pixels.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from latentlayers.atomic import write_atomic
from latentlayers.errors import CorruptCheckpoint, NotFound, UnsupportedCheckpoint
from latentlayers.generators.discriminator import DiscriminatorConfig, DiscriminatorTrunk

PLAIN_FORMAT, WEIGHED_FORMAT = "discriminator-trunk-1", "discriminator-trunk-2"
CHANNELS = "channels."
VGG_SIDE = 256
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PYRAMID_SCALES = (1, 2, 4, 8)
TRUNK_TAPS = 4
FLOOR = 0.3  # of a tap's mean square over the generator's samples, which is 1


class FeatureNetwork(nn.Module, ABC):
    """picture [N, 3, R, R] in [-1, 1] -> feature maps [N, C_j, H_j, W_j], finest first; four if it is deep enough.

    Attributes:
        name: identifies the network and its weights; part of the key under which embeddings are kept.
        balanced: True if its maps have no scale of their own, so that `calibrate` weighs each of them until
            it differs, between two random pictures of the model, as much as the pixels do. VGG16 is used as it is.
        judges: True if its maps tell what a picture shows, so that `Domain` can use them.
    """

    name: str
    balanced: bool = True
    judges: bool = True

    @abstractmethod
    def forward(self, picture: Tensor) -> list[Tensor]: ...

    def taps(self, picture: Tensor) -> list[Tensor]:
        """Maps for `Domain`, as the network has them: here the same, without weights where `forward` weighs."""
        maps: list[Tensor] = self(picture)
        return maps


class TrunkFeatures(FeatureNetwork):
    """The first four taps of a discriminator's trunk; pictures of another side are resized to the trunk's.

    Args:
        channels: [C_j] weights w of each tap's channels, at least 0. With them, a map is `sqrt(w_c)` times the tap,
            brought to equal length at every place (see `equal_length`), so that squared differences are LPIPS's. None
            leaves the taps as they are.
    """

    def __init__(
        self, trunk: DiscriminatorTrunk, name: str = "trunk", channels: Sequence[Tensor] | None = None
    ) -> None:
        super().__init__()
        self.trunk, self.name = trunk.requires_grad_(False).eval(), name
        self._weighed_taps = len(channels or ())
        for tap, weights in enumerate(channels or ()):
            self.register_buffer(f"channels{tap}", weights, persistent=False)

    @property
    def channels(self) -> list[Tensor] | None:
        return [self.get_buffer(f"channels{tap}") for tap in range(self._weighed_taps)] or None

    def taps(self, picture: Tensor) -> list[Tensor]:
        return self.trunk.features(_resized(picture, self.trunk.config.resolution))[:TRUNK_TAPS]

    def forward(self, picture: Tensor) -> list[Tensor]:
        taps = self.taps(picture)
        if (channels := self.channels) is None:
            return taps
        return [equal_length(tap) * w.sqrt()[:, None, None] for tap, w in zip(taps, channels, strict=True)]


def tap_widths(trunk: DiscriminatorTrunk) -> list[int]:
    """The numbers of channels of the taps that `TrunkFeatures` shows."""
    return [trunk.config.channels[side] for side in (*trunk.sides, 4)][:TRUNK_TAPS]


def equal_length(tap: Tensor) -> Tensor:
    """[N, C, H, W] / sqrt(its mean square over the channels, at each place, + FLOOR): what is there, not how strong.

    LPIPS divides by the length alone. The floor keeps what is hardly there (an even background) from counting as much
    as eyes.
    """
    return tap / (tap.square().mean(dim=1, keepdim=True) + FLOOR).sqrt()


class VGG16Features(FeatureNetwork):
    """conv1_1, conv1_2, conv3_2 and conv4_2 after their ReLU, of the picture reduced to at most 256 px.

    Args:
        convolutions: (weight [out, in, 3, 3], bias [out]) of conv1_1, conv1_2, conv2_1, ...; nine are needed. They
            get what torchvision's were trained on: RGB in [0, 1], normalised by ImageNet's mean and deviation.
    """

    name = "vgg16"
    balanced = False
    PER_STAGE = (2, 2, 3, 2)
    TAPS = (0, 1, 5, 8)

    mean: Tensor
    std: Tensor

    def __init__(self, convolutions: Sequence[tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        needed = sum(self.PER_STAGE)
        if len(convolutions) < needed:
            raise ValueError(f"VGG16Features needs {needed} convolutions, not {len(convolutions)}")
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)
        for i, (weight, bias) in enumerate(convolutions[:needed]):
            self.register_buffer(f"weight{i}", weight, persistent=False)
            self.register_buffer(f"bias{i}", bias, persistent=False)

    def forward(self, picture: Tensor) -> list[Tensor]:
        x = picture if picture.shape[-1] <= VGG_SIDE else _resized(picture, VGG_SIDE)
        x = (x * 0.5 + 0.5 - self.mean) / self.std
        taps: list[Tensor] = []
        index = 0
        for stage, count in enumerate(self.PER_STAGE):
            if stage:
                x = F.max_pool2d(x, 2)
            for _ in range(count):
                x = F.conv2d(x, self.get_buffer(f"weight{index}"), self.get_buffer(f"bias{index}"), padding=1).relu()
                if index in self.TAPS:
                    taps.append(x)
                index += 1
        return taps


class PixelPyramid(FeatureNetwork):
    """No weights: at scales 1, 1/2, 1/4 and 1/8, the mean colours and their horizontal and vertical differences."""

    name = "pixel-pyramid"
    judges = False

    def forward(self, picture: Tensor) -> list[Tensor]:
        maps = []
        for scale in PYRAMID_SCALES:
            if scale > picture.shape[-1]:
                break
            x = F.avg_pool2d(picture, scale)
            across = F.pad(x[..., :, 1:] - x[..., :, :-1], (0, 1))
            down = F.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))
            maps.append(torch.cat([x, across, down], dim=1))
        return maps


def load_features(path: str | Path) -> FeatureNetwork:
    """The perceptual network in a `features.safetensors` file, on the CPU in float32.

    Raises:
        NotFound: FEATURES_UNKNOWN. CorruptCheckpoint: CHECKPOINT_CORRUPT: damaged, or numbers that are not finite.
        UnsupportedCheckpoint: FORMAT_UNSUPPORTED: another kind of file, or a newer version.
    """
    path = Path(path)
    if not path.is_file():
        raise NotFound("FEATURES_UNKNOWN", f"There is no file {path}.", "Add the model again.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
        if metadata.get("format") not in (PLAIN_FORMAT, WEIGHED_FORMAT):
            raise UnsupportedCheckpoint(
                "FORMAT_UNSUPPORTED",
                f"{path.name} is of the format {metadata.get('format')!r:.80}, not {WEIGHED_FORMAT!r}.",
                "Update Latent Layers, or export the model again.",
            )
        trunk = DiscriminatorTrunk(DiscriminatorConfig.from_json(json.loads(metadata["config"])))
        if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            raise ValueError("it holds numbers that are not finite")
        channels = _channels(tensors, trunk) if metadata["format"] == WEIGHED_FORMAT else None
        trunk.load_trunk(tensors)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise CorruptCheckpoint(
            "CHECKPOINT_CORRUPT", f"{path.name} cannot be read: {str(error)[:200]}.", "Add the model again."
        ) from error
    return TrunkFeatures(trunk, f"trunk-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}", channels)


def _channels(tensors: Mapping[str, Tensor], trunk: DiscriminatorTrunk) -> list[Tensor]:
    widths = tap_widths(trunk)
    found = [tensors[f"{CHANNELS}{tap}"].float() for tap in range(len(widths))]
    for weights, width in zip(found, widths, strict=True):
        if weights.shape != (width,) or not bool((weights >= 0).all()):
            raise ValueError(f"the weights of channels are {list(weights.shape)}, not {width} of at least 0")
    return found


def save_features(path: str | Path, features: TrunkFeatures, meta: Mapping[str, str] | None = None) -> None:
    """Write what `load_features` reads: kernels in float16, metadata `format`, `config` and `meta`."""
    trunk, channels = features.trunk, features.channels
    tensors = {
        name: (value.half() if value.ndim > 1 else value).contiguous() for name, value in trunk.state_dict().items()
    }
    tensors |= {f"{CHANNELS}{tap}": weights.contiguous() for tap, weights in enumerate(channels or ())}
    config = json.dumps(trunk.config.to_json())
    form = PLAIN_FORMAT if channels is None else WEIGHED_FORMAT
    data = save(tensors, {**(meta or {}), "format": form, "config": config})
    write_atomic(Path(path), data, private=False)


def _resized(picture: Tensor, side: int) -> Tensor:
    now = picture.shape[-1]
    if now == side:
        return picture
    if now > side:
        return F.interpolate(picture, size=(side, side), mode="area")
    return F.interpolate(picture, size=(side, side), mode="bilinear", align_corners=False)
