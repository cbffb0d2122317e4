"""The official files that can be added by a short name: where they are, what they must hash to, whose they are.

The list is `catalogue.json` beside this file; nothing here uses the network. Names are DATASET-RESOLUTION for the
StyleGAN2 files most people want, and begin with sg1-, sg2- or sg3- for the others. A sha256 is given only where it is
published and confirmed (`note` says by whom); the others are recorded on their first download.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from latentlayers.errors import NotFound


@dataclass(frozen=True)
class CatalogueEntry:
    """One file.

    Attributes:
        kind: a generator, or the weights of a perceptual network.
        title: what it draws; by: who trained it, and in which project.
        family, resolution: as far as is known before the download; resolution in pixels.
        file: its name at the source, and on mirrors.
        size: in bytes; 0: not known before the download.
        sha256: hex; "" where nobody publishes one.
        licence: as its owner calls it.
        domain: see `header.ModelHeader`.
        note: where size and sha256 come from.
        seen: hashes of copies that others had: enough to know such a file by, not to refuse another.
    """

    name: str
    kind: Literal["generator", "features"]
    title: str
    by: str
    family: str
    resolution: int
    file: str
    url: str
    licence: str
    licence_url: str
    size: int = 0
    sha256: str = ""
    domain: str = ""
    note: str = ""
    seen: tuple[str, ...] = ()

    def address(self, mirror: str = "") -> str:
        """Where to get it: from its owner, or `file` in the folder `mirror`, an http(s) address."""
        return f"{mirror.rstrip('/')}/{self.file}" if mirror else self.url

    @property
    def provenance(self) -> str:
        """What to write into the converted model."""
        return f"{self.title}, by {self.by}; published at {self.url}"


@lru_cache(maxsize=1)
def entries() -> tuple[CatalogueEntry, ...]:
    """The whole catalogue, in the order in which people should see it."""
    groups = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return tuple(_entry(group, entry) for group in groups for entry in group["entries"])


def find(name: str) -> CatalogueEntry:
    """The entry of that name.

    Raises:
        NotFound: CATALOGUE_UNKNOWN, with names that are alike.
    """
    table = {entry.name: entry for entry in entries()}
    if name not in table:
        alike = get_close_matches(name, table)
        hint = f"Did you mean {' or '.join(alike)}? " if alike else ""
        raise NotFound(
            "CATALOGUE_UNKNOWN",
            f"The catalogue has no {name!r:.80}.",
            f"{hint}`latentlayers models catalogue` lists all names; an address or a file's path works too.",
        )
    return table[name]


def by_sha256(sha256: str) -> CatalogueEntry | None:
    """The entry whose file is known to have this hash (hex), if there is one."""
    return next((entry for entry in entries() if sha256 and sha256 in (entry.sha256, *entry.seen)), None)


def _entry(group: dict[str, Any], entry: dict[str, Any]) -> CatalogueEntry:
    common = {key: value for key, value in group.items() if key not in ("base", "entries")}
    fields = {"url": group["base"] + entry["file"], **common, **entry}
    return CatalogueEntry(**(fields | {"seen": tuple(fields.get("seen", ()))}))
