"""What the plugin keeps in Krita's own configuration."""

from __future__ import annotations

from krita import Krita

GROUP, NAME = "latentlayers", "settings"


def read_setting() -> str:
    """What `write_setting` wrote; empty if nothing was."""
    return str(Krita.instance().readSetting(GROUP, NAME, ""))


def write_setting(text: str) -> None:
    Krita.instance().writeSetting(GROUP, NAME, text)
