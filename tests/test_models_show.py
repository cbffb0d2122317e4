"""Looking at a model: its layers as the papers draw them, and a grid of what it draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from checkpoint_files import FOLDER, small_generator
from cli_process import Run, runner
from latentlayers.checkpoints import ModelHeader, load_generator, load_generator_native, save_generator
from latentlayers.checkpoints.layers import Layer, read_layers
from latentlayers.cli.models_show import SMALLEST_TILE
from latentlayers.client import Client, EmbedOptions, Render, Sample
from latentlayers.errors import LatentLayersError
from latentlayers.generators import Generator
from latentlayers.imaging.sheet import GAP, TITLE_SIZE
from latentlayers.library import ModelStore
from latentlayers.paths import Paths
from PIL import Image
from running_daemon import RunningDaemon
from shipped import CHANNELS, MODEL

CHECKPOINTS = sorted(path for path in FOLDER.iterdir() if path.suffix in (".pkl", ".pt"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], daemon: RunningDaemon) -> Callable[..., Run]:
    return runner(capsys, daemon.address)


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    return ModelStore(Paths.under(tmp_path)).get(MODEL).path


def layers_of(generator: Generator, folder: Path) -> tuple[Layer, ...]:
    header = ModelHeader("x", generator.family, generator.config.to_json())
    save_generator(folder / "x.safetensors", generator, header)
    return read_layers(folder / "x.safetensors")


def check(generator: Generator, layers: tuple[Layer, ...]) -> None:
    """What is described is what there is."""
    assert sum(layer.parameters for layer in layers) == sum(tensor.numel() for tensor in generator.parameters())
    convolutions = [layer for layer in layers if layer.rows and layer.kind != "to rgb"]
    modulated = [layer for layer in convolutions if layer.name != "synthesis.input"]  # StyleGAN3's is no convolution
    assert [layer.rows[0] for layer in modulated] == [row for row, _ in generator.style_weights()]
    by_side: dict[int, set[int]] = {}
    for layer in convolutions:
        by_side.setdefault(layer.resolution, set()).update(layer.rows)
    last = max(row for rows in by_side.values() for row in rows)
    for side, rows in generator.rows_by_resolution.items():
        assert {row for row in rows if row <= last} == by_side[side]
    noises = [tensor.shape[0] for name, tensor in generator.state_dict().items() if name.endswith("noise_const")]
    assert [layer.noise for layer in layers if layer.noise] == noises
    drawing = [layer for layer in layers if layer.kind == "to rgb"]
    assert all(layer.channels_out == 3 for layer in drawing)
    assert layers[-1] == drawing[-1]
    assert layers[0].name in ("mapping.fc0", "mapping.embed")
    assert max(max(layer.rows, default=0) for layer in layers) < generator.num_ws
    # Every layer takes what the one before it puts out.
    width = 0
    for layer in layers:
        if layer.kind in ("conv", "conv up"):
            assert layer.channels_in == width
        if layer.kind in ("input", "conv", "conv up"):
            width = layer.channels_out


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: path.stem)
def test_the_layers_of_every_family_are_those_of_the_network(path: Path, tmp_path: Path) -> None:
    generator = load_generator(path)
    check(generator, layers_of(generator, tmp_path))


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
@pytest.mark.parametrize("changes", [{}, {"c_dim": 3}, {"use_noise": False}], ids=str)
def test_the_layers_of_every_architecture_are_those_of_the_network(
    architecture: str, changes: dict[str, int], tmp_path: Path
) -> None:
    generator = small_generator(architecture=architecture, **changes)
    check(generator, layers_of(generator, tmp_path))


def test_the_shipped_model_is_drawn_as_in_the_paper(shipped: Path) -> None:
    layers = read_layers(shipped)
    check(load_generator_native(shipped)[0], layers)
    assert [layer.name for layer in layers[4:8]] == [
        "synthesis.b4.const",
        "synthesis.b4.conv1",
        "synthesis.b4.torgb",
        "synthesis.b8.conv0",
    ]
    eighth = next(layer for layer in layers if layer.name == "synthesis.b8.conv0")
    assert eighth == Layer("synthesis.b8.conv0", "conv up", (1,), 8, CHANNELS[4], CHANNELS[8], 3, 0, eighth.parameters)


def test_a_header_that_describes_nonsense_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    for name, shape, input_size in (
        ("synthesis.b8.conv0.weight", (1,), 0),
        ("synthesis.b99999999999.conv0.weight", (1, 1, 1, 1), 0),
        ("", (1,), 0),
        ("synthesis.b4.const", (), 0),
        ("synthesis.input.weight", (2,), 0),
        ("synthesis.input.weight", (2, 2), -1),
        ("synthesis.input.weight", (2, 2), 2.5),
        ("synthesis.input.weight", (2, 2), "x"),
    ):
        file = tmp_path / "x.safetensors"
        header = ModelHeader("x", "stylegan3", {"input_size": input_size}).to_json()
        save_file({name: np.zeros(shape, "f4")}, file, {"latentlayers": header})
        with pytest.raises(LatentLayersError) as caught:
            read_layers(file)
        assert caught.value.reason == "FILE_CORRUPT", name


def test_a_model_is_described_over_the_wire(daemon: RunningDaemon, shipped: Path) -> None:
    with Client(daemon.address) as client:
        found = client.models.describe(MODEL)
        assert client.models.describe() == found
        assert found.model == client.models.get(MODEL)
        assert [(layer.name, layer.rows, layer.parameters) for layer in found.layers] == [
            (layer.name, layer.rows, layer.parameters) for layer in read_layers(shipped)
        ]
        assert found.parameters == sum(layer.parameters for layer in found.layers)
        assert found.file_size == shipped.stat().st_size
        with pytest.raises(LatentLayersError) as caught:
            client.models.describe("nobody")
        assert caught.value.reason == "MODEL_UNKNOWN"


def test_show_prints_a_table_of_each_network(run: Callable[..., Run]) -> None:
    shown = run("models", "show", MODEL).out
    document = run("models", "show", MODEL, "--json").document
    assert "Mapping network" in shown
    assert "Synthesis network" in shown
    assert f"{document['parameters']:,} parameters" in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("b8.conv0 ")]
    assert line.split()[:8] == ["b8.conv0", "conv", "up", "1", "8", str(CHANNELS[4]), "→", str(CHANNELS[8])]
    assert document["layers"][0]["name"] == "mapping.fc0"
    assert document["samples"] is None


def test_a_model_with_a_problem_is_shown_with_it(run: Callable[..., Run], daemon: RunningDaemon) -> None:
    (daemon.paths.models / "shown-broken.safetensors").write_bytes(b"nonsense")
    shown = run("models", "show", "shown-broken")
    assert shown.code == 0
    assert "damaged" in shown.out
    assert run("models", "show", "shown-broken", "--json").document["layers"] == []
    run("models", "remove", "shown-broken")


def test_a_grid_shows_one_sample_per_seed(run: Callable[..., Run], daemon: RunningDaemon, tmp_path: Path) -> None:
    grid = tmp_path / "grid.png"
    arguments = ("models", "show", MODEL, "--sample", 5, "--seed", 3, "--truncation", 0.5)
    assert run(*arguments, "-o", grid, "--json").document["samples"] == str(grid)
    sheet = np.array(Image.open(grid).convert("RGB"))
    with Client(daemon.address) as client:
        pictures = [
            client.run(Render(Sample(seed, 0.5), options=EmbedOptions(model=MODEL))).images[0].picture.image()
            for seed in range(3, 8)
        ]
    side, top = SMALLEST_TILE, GAP + TITLE_SIZE + GAP
    for column, picture in enumerate(pictures[:3]):
        left = GAP + column * (side + GAP)
        wanted = np.array(picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS))
        assert np.abs(sheet[top : top + side, left : left + side].astype(float) - wanted).max() <= 1
    plain = run(*arguments, "-o", grid)
    assert plain.code == 0
    assert "Drawing samples, 0/5" in plain.err


def test_samples_go_to_a_file_that_is_named_or_called_after_the_model(
    run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("models", "show", MODEL, "--sample", 2, "--json").document["samples"] == f"{MODEL}-samples.png"
    assert Path(f"{MODEL}-samples.png").is_file()
    assert run("models", "show", MODEL, "-o", tmp_path / "x.png").code == 2
    assert run("models", "show", MODEL, "--label", 0).code == 2
    assert run("models", "show", MODEL, "--sample", 4, "-o", tmp_path / "x.txt", "--json").code == 3
    assert (
        run("models", "show", MODEL, "--sample", 1, "--label", 0, "-o", tmp_path / "x.png", "--json").error["reason"]
        == "LABEL_INVALID"
    )
