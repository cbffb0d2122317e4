"""The models the worker holds: generator, perceptual network and directions, loaded on first use."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from latentlayers.checkpoints.manifest import verify_manifest
from latentlayers.checkpoints.native import load_generator_native
from latentlayers.checkpoints.vgg16 import find_vgg16, load_vgg16
from latentlayers.editing.directions import METHODS, parse_direction, scaled_pca, scaled_sefa
from latentlayers.engine.calibrations import CalibrationFile, forget_other_models
from latentlayers.engine.device import release_cached
from latentlayers.errors import CorruptCheckpoint, NotFound, Unavailable
from latentlayers.generators import Generator
from latentlayers.generators.prior import prior_samples
from latentlayers.generators.settled import settle
from latentlayers.inversion.features import FeatureNetwork, PixelPyramid, VGG16Features, load_features
from latentlayers.library.conversions import STILL_S
from latentlayers.library.model_entry import CALIBRATION
from latentlayers.library.models import GENERATOR, ModelEntry, ModelStore

log = logging.getLogger(__name__)

MOST_COMPUTED = 20


@dataclass(frozen=True)
class LoadedModel:
    """One model on the device.

    Attributes:
        features: the perceptual network its objective uses.
        calibration: keeps what embedding measures on the model.
        labelled: directions that came with the model, [num_ws, w_dim] each.
    """

    entry: ModelEntry
    generator: Generator
    features: FeatureNetwork
    calibration: CalibrationFile
    labelled: dict[str, Tensor] = field(hash=False)

    @property
    def device(self) -> torch.device:
        return self.generator.w_avg.device

    def direction(self, name: str) -> Tensor:
        """[num_ws, w_dim] or [w_dim]: a labelled direction, or "sefa-K" / "pca-K" computed from the generator.

        Computed ones are scaled so that strength 1 is one standard deviation of `w` along them.

        Raises:
            NotFound: DIRECTION_UNKNOWN, with the names that exist.
        """
        if name in self.labelled:
            return self.labelled[name]
        wanted = parse_direction(name)
        if wanted and wanted.index < self._most_computed:
            return (self._pca if wanted.method == "pca" else self._sefa)[wanted.index]
        computed = ", ".join(f"{method}-1 to {method}-{self._most_computed}" for method in METHODS)
        known = ", ".join([*sorted(self.labelled), computed])
        raise NotFound("DIRECTION_UNKNOWN", f"{self.entry.name} has no direction {name!r}.", f"Use one of: {known}.")

    @property
    def _most_computed(self) -> int:
        return min(MOST_COMPUTED, self.generator.w_dim)

    @cached_property
    def _samples(self) -> Tensor:
        return prior_samples(self.generator)

    @cached_property
    def _pca(self) -> Tensor:
        return scaled_pca(self._samples, self._most_computed)

    @cached_property
    def _sefa(self) -> Tensor:
        return scaled_sefa((weight for _, weight in self.generator.style_weights()), self._samples, self._most_computed)


class ModelCache:
    """Models in memory, least recently used first out.

    Args:
        most: how many are held at once.
    """

    def __init__(self, store: ModelStore, device: torch.device, *, most: int = 3) -> None:
        self._store, self._device, self._most = store, device, most
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()

    @property
    def names(self) -> list[str]:
        return list(self._loaded)

    def resolve(self, name: str) -> str:
        """The name itself; for "" that of the default model. Raises NotFound: MODEL_UNKNOWN."""
        return name or self._store.default().name

    def get(self, name: str = "") -> LoadedModel:
        """The model of that name (empty: the default one), loaded if need be, or again if its file changed.

        Raises:
            NotFound: MODEL_UNKNOWN. CorruptCheckpoint, UnsupportedCheckpoint: its file cannot be read.
        """
        entry = self._store.get(self.resolve(name))
        held = self._loaded.get(entry.name)
        if held is not None and held.entry.digest == entry.digest:
            self._loaded.move_to_end(entry.name)
            return held
        self.unload(entry.name)
        while len(self._loaded) >= self._most:
            self.unload(next(iter(self._loaded)))
        model = self._loaded[entry.name] = self._load(entry)
        return model

    def by_digest(self, digest: str) -> str | None:
        """The name of the model whose generator file has this sha256, if it is still there."""
        return next((entry.name for entry in self._store.list() if entry.digest == digest), None)

    def unload(self, name: str) -> None:
        """Gives a model's memory back; unknown and unloaded names are fine."""
        if self._loaded.pop(name, None) is not None:
            release_cached(self._device)

    def unload_all(self) -> None:
        """Gives every model's memory back."""
        for name in self.names:
            self.unload(name)

    def _load(self, entry: ModelEntry) -> LoadedModel:
        if entry.converting:
            raise Unavailable(
                "MODEL_CONVERTING",
                f"The model {entry.name} cannot be used yet: {entry.problem}",
                "Call again in a moment.",
                retry_after=STILL_S,
            )
        if entry.problem:
            raise CorruptCheckpoint(
                "MODEL_UNUSABLE",
                f"The model {entry.name} cannot be used: {entry.problem}",
                "Add it again with `latentlayers models add`, or remove it.",
            )
        if entry.path.name == GENERATOR:
            verify_manifest(entry.path.parent)
        generator = load_generator_native(entry.path)[0].to(self._device)
        features = self._features(entry).to(self._device)
        settle(generator, features)
        calibrations = self._store.calibrations_folder
        forget_other_models(calibrations, {known.digest for known in self._store.list()})
        labelled = _read_directions(entry.directions, generator) if entry.directions else {}
        log.info("loaded %s (%s) with %s features", entry.name, entry.family, features.name)
        return LoadedModel(
            entry,
            generator,
            features,
            CalibrationFile(calibrations, entry.digest, generator, features, entry.path.with_name(CALIBRATION)),
            {key: value.to(self._device) for key, value in labelled.items()},
        )

    def _features(self, entry: ModelEntry) -> FeatureNetwork:
        """VGG16 where its file is on this machine, else the model's own stand-in, else pixels at several scales."""
        vgg = find_vgg16([self._store.features_folder, self._store.folder])
        if vgg is not None:
            return VGG16Features(load_vgg16(vgg))
        return load_features(entry.features) if entry.features else PixelPyramid()


def _read_directions(path: Path, generator: Generator) -> dict[str, Tensor]:
    shape = (generator.num_ws, generator.w_dim)
    try:
        table = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CorruptCheckpoint(
            "CHECKPOINT_CORRUPT", f"{path.name} cannot be read: {error}.", "Add the model again."
        ) from error
    for name, value in table.items():
        if value.shape != shape or not bool(value.isfinite().all()):
            raise CorruptCheckpoint(
                "CHECKPOINT_CORRUPT",
                f"The direction {name!r} in {path.name} is {list(value.shape)}, not finite {list(shape)}.",
                "Add the model again.",
            )
    return {name: value.float() for name, value in table.items()}
