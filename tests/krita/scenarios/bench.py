"""Measures the plugin in Krita, see bench_krita.py; times in milliseconds."""

import itertools
import os
import time
import types

from latentlayers.qt import QtCore
from latentlayers.state import edit, results
from latentlayers.state.operations import Direction
from latentlayers_rig.painter import Painter

SIDE = 1024
ROUNDS = 10
IDLE_S = 10


def run(rig):
    painter, said = Painter(rig), {}
    yield from painter.open(rig.arguments["large"])
    yield from painter.show_docker()
    painter.studio.set(preset="fast")
    yield from painter.edit(lambda: painter.act("embed"))  # the daemon loads its model

    said["round trip"] = yield from round_trips(painter)
    said["embedding"] = yield from stalls(painter)
    said["preview"] = yield from previews(painter)
    said["cancel"] = yield from cancels(painter)
    said["idle, docker visible"] = yield from idle()
    painter.docker.hide()
    said["idle, docker hidden"] = yield from idle()
    return said


def intervals(moments):
    """From each moment to the next."""
    return [1000 * (later - earlier) for earlier, later in itertools.pairwise(moments)]


def stalls(painter):
    """Gaps between the ticks of a 5 ms timer while the layer is embedded anew."""
    ticks = []
    timer = QtCore.QTimer()
    timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    timer.start(5)
    painter.select(100, 100, SIDE // 2, SIDE // 2)
    job = yield from painter.edit(lambda: painter.act("embed"))
    assert job.state == "done", job.error
    timer.stop()
    painter.deselect()
    return intervals(ticks)


def round_trips(painter):
    """One direction of an embedded layer: its stages, each as a list."""
    found = {"read": [], "request": [], "insert": [], "all": []}

    def timed(owner, name, stage):
        method = getattr(owner, name)

        def call(*args, **kwargs):
            begun = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                found[stage].append(1000 * (time.perf_counter() - begun))

        setattr(owner, name, call)
        return types.SimpleNamespace(undo=lambda: setattr(owner, name, method))

    timers = [
        timed(edit.Edit, "__init__", "read"),
        timed(edit.Edit, "request", "request"),
        timed(results.Result, "insert", "insert"),
    ]
    begun, ended = [], []
    painter.studio.jobs.ended.connect(lambda _job: ended.append(time.perf_counter()))
    for _ in range(ROUNDS):
        begun.append(time.perf_counter())
        job = yield from painter.edit(lambda: painter.studio.apply(Direction("smile", (1.0,))))
        assert job.state == "done", job.error
        yield 0.5
    found["all"] = [1000 * (end - begin) for begin, end in zip(begun, ended)]  # noqa: B905  (Krita's Python may be 3.8)
    for timer in timers:
        timer.undo()
    stages = zip(*found.values())  # noqa: B905
    found["daemon, both ways"] = [total - read - request - insert for read, request, insert, total in stages]
    return found


def previews(painter):
    """Time from one preview to the next while the slider moves all the time."""
    shown = []
    page = painter.page("Direction")
    page.name.setCurrentText("smile")
    painter.studio.live.picture.connect(lambda _raw: shown.append(time.perf_counter()))
    for step in range(-100, 100):
        page.strength.set_value(step / 50)
        yield 0.01
    return intervals(shown)


def cancels(painter):
    """From triggering the action to the message that the edit has ended."""
    painter.studio.set(preset="paper")
    found = []
    painter.select(0, 0, SIDE, SIDE - 1)
    for _ in range(3):
        job = yield from painter.start_embedding(lambda: painter.act("embed"))
        begun = time.perf_counter()
        painter.act("cancel")
        assert not job.active  # at once: what the daemon still does is no matter
        found.append(1000 * (time.perf_counter() - begun))
    painter.studio.set(preset="fast")
    painter.deselect()
    return found


def idle():
    """Share of one processor that Krita uses while nobody does anything."""
    yield 15  # until it has finished with what was done before
    cpu, begun = sum(os.times()[:2]), time.perf_counter()
    yield IDLE_S
    return [(sum(os.times()[:2]) - cpu) / (time.perf_counter() - begun)]
