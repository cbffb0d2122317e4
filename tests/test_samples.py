"""Samples as sources: the same seed gives the same picture, whoever asks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_process import Run, runner
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.checkpoints import load_generator
from latentlayers.client import Client, EmbedOptions, Morph, Render, Sample, TransferExpression
from latentlayers.client.sources import source_to_wire
from latentlayers.errors import InvalidInput
from latentlayers.library import ModelStore
from latentlayers.paths import Paths
from PIL import Image
from running_daemon import RunningDaemon, StartDaemon
from shipped import MODEL

CONDITIONAL = Path(__file__).parent / "data" / "checkpoints" / "sg2ada_16_cond3.pkl"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], daemon: RunningDaemon) -> Callable[..., Run]:
    return runner(capsys, daemon.address)


def drawn(path: Path, seed: int, truncation: float, label: int | None = None) -> np.ndarray:
    """[R, R, 3] in 0..255: the sample straight from the generator in a file."""
    generator = load_generator(path)
    z = torch.from_numpy(np.random.RandomState(seed).randn(1, generator.z_dim)).float()
    c = None if label is None else torch.eye(generator.c_dim)[label, None]
    picture = generator.synthesize(generator.map(z, c, truncation))[0]
    return ((picture.permute(1, 2, 0).numpy() + 1) * 127.5).clip(0, 255)


def apart(picture: np.ndarray, other: np.ndarray) -> float:
    """Largest difference of two pictures in 0..255."""
    return float(np.abs(picture[..., :3].astype(float) - other[..., :3].astype(float)).max())


def test_a_seed_gives_the_same_picture_through_command_client_and_generator(
    run: Callable[..., Run], daemon: RunningDaemon, tmp_path: Path
) -> None:
    file = ModelStore(Paths.under(tmp_path)).get(MODEL).path
    for text, sample, truncation in (
        ("seed:17", Sample(17), 0.7),
        ("seed:17@0.5", Sample(17, truncation=0.5), 0.5),
        (f"seed:{2**32 - 1}@1", Sample(2**32 - 1, truncation=1.0), 1.0),
    ):
        target = tmp_path / "sample.png"
        assert run("render", text, "-o", target).code == 0
        with Client(daemon.address) as client:
            ours = client.run(Render(sample)).images[0].picture.array()
            assert apart(client.run(Render(text)).images[0].picture.array(), ours) == 0
        assert apart(np.array(Image.open(target)), ours) == 0
        assert apart(ours, drawn(file, sample.seed, truncation)) <= 1


def test_every_editing_call_takes_samples(run: Callable[..., Run], daemon: RunningDaemon, tmp_path: Path) -> None:
    for number, arguments in enumerate(
        (
            ("morph", "seed:1", "seed:2", "--frames", 3, "-o", tmp_path / "morph"),
            ("crossover", "seed:1", "seed:2", "-o", tmp_path / "crossover.png"),
            ("expression", "seed:1", "seed:2", "seed:3", "-o", tmp_path / "expression.png"),
            ("direction", "seed:1", "pca-1", "-o", tmp_path / "direction.png"),
        )
    ):
        done = run(*arguments, "--json")
        assert done.code == 0, (number, done.out)
        assert done.document["embeddings"] == []
    with Client(daemon.address) as client:
        morph = client.run(Morph(Sample(1), Sample(2), weights=[1.0, 0.0]))
        ends = [client.run(Render(Sample(seed))) for seed in (1, 2)]
        for image, end in zip(morph.images, ends, strict=True):
            assert apart(image.picture.array(), end.images[0].picture.array()) <= 1


def test_a_picture_can_be_sought_near_a_sample(daemon: RunningDaemon) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    with Client(daemon.address) as client:
        options = EmbedOptions(max_steps=2)
        result = client.run(TransferExpression(Sample(1), Sample(2), picture, options=options))
        assert list(result.embeddings) == ["expressive"]


def test_what_is_no_sample_is_refused_before_anything_starts(run: Callable[..., Run], tmp_path: Path) -> None:
    for text in ("seed:", "seed:x", "seed:-1", "seed:1@", "seed:1@x", "seed:1#", "seed:1 ", "seed:1.5"):
        refused = run("render", text, "-o", tmp_path / "x.png", "--json")
        assert (refused.code, refused.error["reason"]) == (3, "SOURCE_UNKNOWN"), text
    refused = run("render", f"seed:{2**32}", "-o", tmp_path / "x.png", "--json")
    assert (refused.code, refused.error["reason"]) == (3, "OPTION_INVALID")
    assert run("render", "seed:1#0", "-o", tmp_path / "x.png", "--json").error["reason"] == "LABEL_INVALID"
    pasted = run("morph", "seed:1", "seed:2", "--paste", "replace", "-o", tmp_path / "m", "--json")
    assert pasted.error["reason"] == "PASTE_NEEDS_PICTURE"


def test_a_truncation_that_is_not_finite_is_refused(daemon: RunningDaemon) -> None:
    with Client(daemon.address) as client, pytest.raises(InvalidInput, match="truncation") as caught:
        client.run(Render(Sample(1, truncation=float("nan"))))
    assert caught.value.reason == "OPTION_INVALID"


def test_conditional_models_need_a_class_they_have(start_daemon: StartDaemon) -> None:
    with Client(start_daemon().address) as client:
        name = client.models.import_(CONDITIONAL, "three").name
        options = EmbedOptions(model=name)
        pictures = [client.run(Render(Sample(5, label=n), options=options)).images[0].picture.array() for n in range(3)]
        assert apart(pictures[0], pictures[1]) > 1
        for label, picture in enumerate(pictures):
            assert apart(picture, drawn(CONDITIONAL, 5, 0.7, label)) <= 1
        for label, what in ((None, "one of 3 classes"), (3, "no class 3")):
            with pytest.raises(InvalidInput, match=what) as caught:
                client.run(Render(Sample(5, label=label), options=options))
            assert caught.value.reason == "LABEL_INVALID"
            assert "0 to 2" in caught.value.remedy


def test_an_existing_file_wins_over_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert source_to_wire("seed:1", 1 << 20).WhichOneof("source") == "sample"
    Image.new("RGB", (8, 8)).save("seed.png")
    Path("seed.png").rename("seed:1")
    assert source_to_wire("seed:1", 1 << 20).WhichOneof("source") == "picture"


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.decimals(-2, 2, places=3), st.none() | st.integers(0, 2**32 - 1))
def test_what_is_written_is_what_is_read(seed: int, truncation: object, label: int | None) -> None:
    text = f"seed:{seed}@{truncation}" + ("" if label is None else f"#{label}")
    assert Sample.parse(text) == Sample(seed, float(str(truncation)), label)
    wire = source_to_wire(text, 0).sample
    assert (wire.seed, wire.truncation, wire.label if wire.HasField("label") else None) == (
        seed,
        float(str(truncation)),
        label,
    )
