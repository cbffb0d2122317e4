"""What marks a test that starts real Krita."""

from __future__ import annotations

import os

import pytest
from rig import missing

KRITA = [
    pytest.mark.krita,
    pytest.mark.skipif(
        bool(missing()) and not os.environ.get("LATENTLAYERS_REQUIRE_KRITA"),
        reason=f"not on this machine: {', '.join(missing())}",
    ),
]
