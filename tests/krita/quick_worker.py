"""The real worker, whose preset "fast" is content with a few steps: for tests to which a good likeness is no matter."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from latentlayers.engine.__main__ import main
from latentlayers.inversion import presets

STEPS = 12

if __name__ == "__main__":
    presets.PRESETS = MappingProxyType({**presets.PRESETS, "fast": replace(presets.FAST, max_steps=STEPS)})
    main()
