"""What embedding measured on a model, kept on disk: measuring takes seconds, at every start of the worker."""

from __future__ import annotations

import logging
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError

from latentlayers.atomic import write_atomic
from latentlayers.errors import LatentLayersError
from latentlayers.generators import Generator
from latentlayers.inversion import calibrate
from latentlayers.inversion.calibrate import Calibration
from latentlayers.inversion.calibration_file import encode_calibration, read_calibration, subject
from latentlayers.inversion.features import FeatureNetwork

log = logging.getLogger(__name__)


class CalibrationFile:
    """The file for one generator and one perceptual network; what it holds is known to `calibrate` from now on.

    A file that is damaged or of another format is as good as none, and one that cannot be written is done without.

    Args:
        digest: sha256 (hex) of the generator's file.
        shipped: a file that came with the model, for as long as nothing was measured here; it need not exist.
    """

    def __init__(
        self, folder: Path, digest: str, generator: Generator, features: FeatureNetwork, shipped: Path | None = None
    ) -> None:
        self._about = subject(digest, features)
        self._path = folder / f"{self._about}.safetensors"
        self._generator, self._features = generator, features
        self._kept = self._read(self._path) or (self._read(shipped) if shipped else None) or Calibration()
        calibrate.remember(generator, features, self._kept)

    def _read(self, path: Path) -> Calibration | None:
        try:
            return read_calibration(path, self._about, self._generator.w_avg.device)
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            log.warning("%s is measured again: %s", path.name, error)
            return None

    def update(self) -> None:
        """Writes the file if more has been measured since it was read or written."""
        known = calibrate.known(self._generator, self._features)
        if known is self._kept:
            return
        self._kept = known
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(self._path, encode_calibration(known, self._about))
        except (LatentLayersError, OSError) as error:
            log.warning("the calibration is not kept: %s", error)


def forget_other_models(folder: Path, digests: Collection[str]) -> None:
    """Deletes what was measured on models other than those with these digests, and what writing left unfinished."""
    for file in folder.glob("*"):
        if file.name.partition("-")[0] not in digests:
            with suppress(OSError):
                file.unlink()
