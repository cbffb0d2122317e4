"""What the document remembers, through files, copies and damage."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from conftest import Painter
from edits import edit, embeds
from fake_daemon import DIGEST, FakeDaemon
from latentlayers import host
from latentlayers.state import memory as memory_module
from latentlayers.state.memory import KEY, Code, Deed, Memory
from latentlayers.state.operations import (
    Embed,
    Render,
)
from latentlayers.state.studio import Studio
from latentlayers.values import Bounds, Square, View
from latentlayers.wire import messages as pb


def test_a_file_opened_again_goes_on_without_embedding(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    document = painter.open()
    ada = painter.add_layer("Ada")
    painter.add_layer("Ben")
    painter.document.setActiveNode(painter.node(ada))
    edit(studio, daemon, Embed())
    document.close()
    painter.copy_of(document)
    elsewhere = Studio(host, daemon, pb)
    elsewhere.attach()
    daemon.tell_models()
    painter.document.setActiveNode(painter.node(ada))
    edit(elsewhere, daemon, Render())
    assert embeds(daemon.last) == []
    history = elsewhere.memories.of(host.active_document()).history
    assert [deed.title for deed in history] == ["Ada (drawn by the model)", "Ada (embedded)"]


def test_a_duplicated_document_has_a_memory_of_its_own(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    document = painter.open()
    ada = painter.add_layer("Ada")
    edit(studio, daemon, Embed())
    copy = painter.copy_of(document)
    painter.document.setActiveNode(painter.node(ada))
    painter.node(ada).setPixelData(bytes(4), 0, 0, 1, 1)
    edit(studio, daemon, Render())
    assert embeds(daemon.last) == ["source"]
    memories = [studio.memories.of(document) for document in host.open_documents()]
    assert [len(memory.history) for memory in memories] == [1, 2]
    painter.krita.show(document)
    edit(studio, daemon, Render())
    assert embeds(daemon.last) == []
    assert copy != document


def test_a_model_that_is_not_here_is_named(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    painter.add_layer("Ada")
    edit(studio, daemon, Embed())
    assert studio.missing_model() == ""
    daemon.tell_models(pb.Model(name="cats", digest="c" * 64))
    assert studio.missing_model() == "portraits-128"


def deed(name: str, starred: bool = False, thumbnail: bytes = b"") -> Deed:
    return Deed(name, "layer", "result", name, Embed(), "", 1.0, thumbnail, starred)


def code(key: str, numbers: int = 80) -> Code:
    square, view = Square.upright(0, 0, 64), View(Bounds(0, 0, 64, 64), 64, 64)
    return Code(key, "portraits-128", DIGEST, 1, numbers, bytes(4 * numbers), square, view.bounds, view, "fingerprint")


def test_history_keeps_the_newest_and_those_with_a_star() -> None:
    memory = Memory()
    memory.add(deed("old", starred=True))
    for number in range(memory_module.MOST_HISTORY + 5):
        memory.add(deed(str(number)))
    assert len(memory.history) == memory_module.MOST_HISTORY + 1
    assert memory.history[-1].id == "old"
    assert memory.history[-2].id == "5"
    memory.star("old", False)
    memory.add(deed("new"))
    assert "old" not in [old.id for old in memory.history]
    memory.forget("new")
    assert memory.history[0].id != "new"


def test_what_is_stored_is_bounded_and_the_least_important_goes_first() -> None:
    memory = Memory()
    big = memory_module.MOST_BYTES // 10
    for number in range(3):
        memory.remember(code(f"code {number}", big // 4))
    memory.add(deed("old"))
    memory.add(deed("starred", True, bytes(big)))
    for number in range(6):
        memory.add(deed(str(number), thumbnail=bytes(big)))
    data = memory.to_bytes()
    assert len(data) <= memory_module.MOST_BYTES
    kept = Memory.from_bytes(data)
    assert kept.history[0].id == "5"
    assert kept.history[-1].id == "starred"
    assert all(kept.code(f"code {number}") for number in range(3))
    for number in range(3, 12):
        memory.remember(code(f"code {number}", big // 4))
    kept = Memory.from_bytes(memory.to_bytes())
    assert kept.history == []
    assert kept.code("code 0") is None
    assert kept.code("code 11") is not None


def test_memory_survives_the_way_through_the_file() -> None:
    memory = Memory()
    memory.remember(code("a"))
    memory.add(deed("é → 顔", True, b"png"))
    again = Memory.from_bytes(memory.to_bytes())
    assert again.code("a") == code("a")
    assert again.history == memory.history


GOOD_CODE, GOOD_DEED = code("good").to_json(), deed("good").to_json()


@pytest.mark.parametrize(
    "damage",
    [
        {"rows": 2},
        {"rows": "1e9"},
        {"values": "not base64!"},
        {"square": [1, 2]},
        {"square": [float("nan")] * 6},
        {"square": [1e999] * 6},
        {"view": [0, 0, 0, 0, 0, 0]},
        {"view": [0, 0, float("inf"), 1, 1, 1]},
        {"psnr": "much"},
        {"rows": None},
    ],
)
def test_a_damaged_code_is_left_out(damage: dict[str, Any]) -> None:
    stored = json.dumps({"version": 1, "codes": [{**GOOD_CODE, **damage, "key": "bad"}, GOOD_CODE], "history": []})
    memory = Memory.from_bytes(stored.encode())
    assert memory.code("bad") is None
    assert memory.code("good") == code("good")


@pytest.mark.parametrize("damage", [{"operation": 3}, {"thumbnail": 5}, {"when": "then"}, {"operation": {"kind": "x"}}])
def test_a_damaged_deed_is_left_out(damage: dict[str, Any]) -> None:
    stored = json.dumps({"history": [{**GOOD_DEED, **damage}, GOOD_DEED, None, {}]})
    assert [old.id for old in Memory.from_bytes(stored.encode()).history] == ["good"]


def test_fields_of_a_newer_plugin_are_left_out() -> None:
    stored = json.dumps({"version": 2, "more": 1, "codes": [{**GOOD_CODE, "new": 1}], "history": []})
    assert Memory.from_bytes(stored.encode()).code("good") == code("good")


@pytest.mark.parametrize("data", [b"\xff\xfe", b"[]", b"null", b"3", b'{"codes": 3}', b"[" * 100000, b""])
def test_damaged_memory_is_empty(data: bytes, studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    painter.add_layer("Ada")
    host.active_document().set_annotation(KEY, data)
    assert studio.memories.of(host.active_document()).history == []
    edit(studio, daemon, Embed())


def test_a_code_with_an_absurd_view_is_not_used(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    ada = painter.add_layer("Ada")
    absurd = replace(code(ada), view=View(Bounds(0, 0, 10**9, 10**9), 10**9, 10**9))
    memory = Memory()
    memory.remember(absurd)
    host.active_document().set_annotation(KEY, memory.to_bytes())
    edit(studio, daemon, Render())
    assert embeds(daemon.last) == ["source"]
