"""The files that `latentlayers bench load` measures are ones that the readers take."""

from __future__ import annotations

import pytest
from checkpoint_files import small_generator
from latentlayers.bench import checkpoints
from latentlayers.bench.load import FORMATS
from latentlayers.checkpoints import load_checkpoint

SOURCE_FORMATS = {
    "write_native": "native",
    "write_nvidia": "nvidia-torch",
    "write_tensorflow": "nvidia-tf",
}


@pytest.mark.parametrize("writer", FORMATS.values())
def test_what_the_benchmark_writes_is_a_checkpoint_of_that_format(writer, tmp_path):
    generator = small_generator(z_dim=12, lr_multiplier=0.01)
    getattr(checkpoints, writer)(tmp_path / "g", generator)
    again, header = load_checkpoint(tmp_path / "g")
    assert header.source_format == SOURCE_FORMATS.get(writer, "rosinality")
    assert (again.config.channels, again.num_ws) == (generator.config.channels, generator.num_ws)
