"""What embedding measures on a model is measured once, not once for every worker."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from inversion_models import samples, tiny_features, tiny_generator
from latentlayers.checkpoints import ModelHeader
from latentlayers.checkpoints.native import save_generator
from latentlayers.engine.models import LoadedModel, ModelCache
from latentlayers.generators.stylegan2 import SynthesisLayer
from latentlayers.inversion import calibrate
from latentlayers.inversion.calibration_file import encode_calibration
from latentlayers.inversion.features import save_features
from latentlayers.library import ModelStore
from latentlayers.paths import Paths
from running_daemon import RunningDaemon
from test_engine_editing import embed, encoded, face


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A home with a model of one's own, "tiny"."""
    paths = Paths.under(tmp_path / "home")
    paths.ensure()
    add_model(paths, "tiny")
    return paths


def add_model(paths: Paths, name: str, seed: int = 0) -> None:
    folder = paths.models / name
    folder.mkdir()
    generator = tiny_generator(seed)
    header = ModelHeader(name=name, family="stylegan2", config=generator.config.to_json())
    save_generator(folder / "generator.safetensors", generator, header)
    save_features(folder / "features.safetensors", tiny_features())


def load(paths: Paths, name: str = "tiny") -> LoadedModel:
    """As a worker that has just started does."""
    return ModelCache(ModelStore(paths), torch.device("cpu")).get(name)


def measure(model: LoadedModel) -> tuple[calibrate.Scales, calibrate.Coordinates]:
    measured = calibrate.scales(model.generator, model.features), calibrate.coordinates(model.generator, model.features)
    model.calibration.update()
    return measured


def files(paths: Paths) -> list[Path]:
    return sorted(paths.calibrations.glob("*"))


def never() -> None:
    raise AssertionError("it was measured again")


def test_pictures_need_nothing_worked_out_that_was_known_when_the_model_was_loaded(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(paths)
    monkeypatch.setattr(SynthesisLayer, "derive", lambda layer: never())
    assert samples(model.generator, 1).isfinite().all()


def numbers(value: Any) -> list[Any]:
    """Everything in a dataclass of numbers, tensors and such dataclasses."""
    if isinstance(value, torch.Tensor):
        return value.flatten().tolist()
    return [n for field in vars(value).values() for n in numbers(field)] if hasattr(value, "__dict__") else [value]


def test_what_one_worker_measured_the_next_one_knows_exactly(paths: Paths) -> None:
    scales, coordinates = measure(load(paths))
    model = load(paths)
    assert numbers(calibrate.scales(model.generator, model.features, never)) == numbers(scales)
    assert numbers(calibrate.coordinates(model.generator, model.features, never)) == numbers(coordinates)


def test_what_was_measured_later_joins_what_was_known(paths: Paths) -> None:
    first = load(paths)
    scales = calibrate.scales(first.generator, first.features)
    first.calibration.update()
    second = load(paths)
    assert calibrate.known(second.generator, second.features).coordinates is None
    calibrate.coordinates(second.generator, second.features)
    second.calibration.update()
    third = load(paths)
    assert numbers(calibrate.scales(third.generator, third.features, never)) == numbers(scales)
    calibrate.coordinates(third.generator, third.features, never)


@pytest.mark.parametrize("damage", ["cut off", "one number changed", "empty", "of another kind"])
def test_a_damaged_file_is_measured_again_and_replaced(paths: Paths, damage: str) -> None:
    measured = measure(load(paths))
    (file,) = files(paths)
    good = file.read_bytes()
    bad = {
        "cut off": good[: len(good) // 2],
        "one number changed": good[:-1] + bytes([good[-1] ^ 1]),
        "empty": b"",
        "of another kind": (paths.models / "tiny" / "features.safetensors").read_bytes(),
    }
    file.write_bytes(bad[damage])
    model = load(paths)
    assert calibrate.known(model.generator, model.features) == calibrate.Calibration()
    measure(model)
    again = load(paths)
    kept = calibrate.known(again.generator, again.features)
    assert numbers(kept) == [n for part in measured for n in numbers(part)]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_the_file_is_private(paths: Paths) -> None:
    measure(load(paths))
    assert {file.stat().st_mode & 0o777 for file in files(paths)} == {0o600}


def test_a_file_that_cannot_be_written_is_done_without(paths: Paths) -> None:
    paths.calibrations.write_bytes(b"in the way")
    measure(load(paths))
    assert paths.calibrations.read_bytes() == b"in the way"


def test_of_models_that_are_gone_nothing_is_kept(paths: Paths) -> None:
    add_model(paths, "other", seed=1)
    measure(load(paths))
    measure(load(paths, "other"))
    store, other = ModelStore(paths), load(paths, "other").entry.digest
    assert len(files(paths)) == 2
    store.remove("tiny")
    load(paths, "other")
    assert [file.name.partition("-")[0] for file in files(paths)] == [other]


def test_nothing_is_measured_on_the_shipped_model(tmp_path: Path) -> None:
    with contextlib.closing(RunningDaemon(tmp_path / "home")) as daemon:
        embed(daemon, encoded(face()))
        assert not files(daemon.paths), "what there is to measure came with it"


def ship(paths: Paths, about: str, model: LoadedModel) -> None:
    """A calibration file beside "tiny", about `about`."""
    found = calibrate.known(model.generator, model.features)
    (paths.models / "tiny" / "calibration.safetensors").write_bytes(encode_calibration(found, about, half=True))


def test_what_came_with_a_model_need_not_be_measured(paths: Paths) -> None:
    model = load(paths)
    scales, coordinates = measure(model)
    ship(paths, f"{model.entry.digest}-{model.features.name}", model)
    files(paths)[0].unlink()
    again = load(paths)
    found = calibrate.scales(again.generator, again.features, never)
    assert found.spread == scales.spread
    assert found.domain is not None
    assert found.domain.mean.dtype == torch.float32
    rows = calibrate.coordinates(again.generator, again.features, never).rows
    torch.testing.assert_close(rows, coordinates.rows, rtol=1e-3, atol=1e-3)
    again.calibration.update()
    assert not files(paths), "it is known already, and need not be kept twice"


def test_what_came_with_a_model_but_is_about_another_is_not_used(paths: Paths) -> None:
    model = load(paths)
    measure(model)
    ship(paths, f"{'0' * 64}-{model.features.name}", model)
    files(paths)[0].unlink()
    again = load(paths)
    with pytest.raises(AssertionError):
        calibrate.scales(again.generator, again.features, never)
