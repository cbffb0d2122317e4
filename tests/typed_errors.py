"""Errors that people read, expected."""

from __future__ import annotations

import pytest
from latentlayers.errors import LatentLayersError


def refused(call: object, *args: object, **options: object) -> LatentLayersError:
    with pytest.raises(LatentLayersError) as caught:
        call(*args, **options)  # type: ignore[operator]
    assert caught.value.remedy
    return caught.value
