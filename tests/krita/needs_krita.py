"""What tests in real Krita have in common."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from rig import TIMEOUT_S, missing

# The fixture `paint`: runs a scenario, and returns what that returned.
Paint = Callable[..., Any]

# The mark of these tests.
KRITA = [
    pytest.mark.krita,
    pytest.mark.timeout(3 * TIMEOUT_S),  # the rig's own comes first, and leaves a picture of what it waits for
    pytest.mark.skipif(
        bool(missing()) and not os.environ.get("LATENTLAYERS_REQUIRE_KRITA"),
        reason=f"not on this machine: {', '.join(missing())}",
    ),
]
