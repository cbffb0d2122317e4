"""What the plugin's transport does, in a process with the plugin and a Qt binding and without Krita:

    wire_client.py BINDING SCENARIO ARGUMENTS

BINDING is PyQt5 or PyQt6; ARGUMENTS is JSON, its fields go to the function called SCENARIO. What that returns is
printed as JSON. Runs on the plugin's oldest Python.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time

QtCore = importlib.import_module(f"{sys.argv[1]}.QtCore")  # the plugin takes the binding that is loaded

from latentlayers.qt import QT_MAJOR  # noqa: E402
from latentlayers.wire import CallError, Daemon  # noqa: E402
from latentlayers.wire import messages as pb  # noqa: E402

PATIENCE_S = 200  # the first picture of a real worker can take a minute on a busy machine


def until(condition, seconds=PATIENCE_S):
    """Runs the event loop until `condition()`."""
    application, end = QtCore.QCoreApplication.instance(), time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        application.processEvents(QtCore.QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 50)


class Record:
    """Everything that a call signals."""

    def __init__(self, call):
        self.call, self.events, self.end, self.in_gui_thread = call, [], [], True
        call.event.connect(lambda event: self.note(self.events, event))
        call.done.connect(lambda: self.note(self.end, "done"))
        call.failed.connect(lambda error: self.note(self.end, error))

    def note(self, where, what):
        self.in_gui_thread &= QtCore.QThread.currentThread() is QtCore.QCoreApplication.instance().thread()
        self.in_gui_thread &= threading.current_thread() is threading.main_thread()
        where.append(what)

    def wait(self):
        until(lambda: self.end)
        QtCore.QCoreApplication.instance().processEvents()
        (end,) = self.end
        return describe(end) if isinstance(end, CallError) else end


def describe(error):
    return {name: getattr(error, name) for name in ("code", "reason", "message", "remedy", "retry_after")}


def new_daemon(states=None):
    daemon = Daemon()
    if states is not None:
        daemon.state_changed.connect(lambda state: states.append(state))
    return daemon


def get_status(daemon):
    return Record(daemon.call("DaemonService", "GetStatus", pb.GetStatusRequest()))


def render(daemon, words, timeout=None):
    """A call that makes the fake worker do `words`."""
    request = pb.RenderRequest(source=pb.Source(embedding_id=words))
    return Record(daemon.call("EditingService", "Render", request, timeout))


def said(states):
    return [[state.kind, state.code] for state in states]


# Scenarios


def unary():
    states = []
    daemon = new_daemon(states)
    record = get_status(daemon)
    before = [list(record.events), list(record.end)]
    end = record.wait()
    return {
        "qt": QT_MAJOR,
        "before": before,
        "end": end,
        "version": [event.version for event in record.events],
        "in_gui_thread": record.in_gui_thread,
        "states": said(states),
        "local": daemon.state.local,
        "status_version": daemon.state.status.version,
    }


def stream(words, busy=0):
    daemon = new_daemon()
    record = render(daemon, words)
    if busy:
        until(lambda: record.events)
        time.sleep(busy)  # the GUI thread has other things to do
    end = record.wait()
    images = [event.image.index for event in record.events if event.WhichOneof("event") == "image"]
    return {"end": end, "images": images}


def cancel(words):
    daemon = new_daemon()
    other, record = render(daemon, "steps:20:0.02"), render(daemon, words)
    until(lambda: any(event.progress.phase == pb.PHASE_EMBEDDING for event in record.events))
    record.call.cancel()
    finished, count = record.call.finished, len(record.events)
    record.call.cancel()
    end = record.wait()
    return {"finished": finished, "end": end, "more": len(record.events) - count, "other": other.wait()}


def failure(words="", timeout=None, then=None):
    daemon = new_daemon()
    record = render(daemon, words, timeout)
    return {"end": record.wait(), "then": then and render(daemon, then).wait()}


def queue_full():
    daemon = new_daemon()
    busy = render(daemon, "steps:100000:0.01")
    until(lambda: any(event.progress.phase == pb.PHASE_EMBEDDING for event in busy.events))
    waiting = render(daemon, "steps:1:0")
    until(lambda: waiting.events)
    end = render(daemon, "steps:1:0").wait()
    daemon.close()
    return end


def killed_daemon(words):
    states = []
    daemon = new_daemon(states)
    record = render(daemon, words)
    until(lambda: any(event.progress.phase == pb.PHASE_EMBEDDING for event in record.events))
    os.kill(daemon.state.status.front_pid, signal.SIGKILL)
    end = record.wait()
    until(lambda: daemon.state.kind == "failed")
    return {"end": end, "states": said(states), "idle_threads": threading.active_count()}


def start_and_replace():
    """The daemon is started by a call; it is killed while nothing goes on; the next call starts another one."""
    states, pids = [], []
    daemon = new_daemon(states)
    for _ in range(2):
        record = get_status(daemon)
        assert record.wait() == "done", record.end
        pids.append(record.events[0].front_pid)
        os.kill(pids[-1], signal.SIGKILL)
        until(lambda: daemon.state.kind == "failed")
    return {"pids": pids, "states": said(states)}


def not_running(tries):
    """Whether calls try again, and what a person's wish does."""
    states = []
    daemon = new_daemon(states)
    daemon.may_start = False
    ends = [get_status(daemon).wait() for _ in range(tries)]
    attempts = len(states)
    daemon.connect_()
    until(lambda: len(states) >= attempts + 2)
    return {"ends": ends, "attempts": said(states[:attempts]), "asked": said(states[attempts:])}


def looked_for_before(times):
    """A call, right after somebody has looked for the daemon in vain."""
    states = []
    daemon = new_daemon(states)
    for count in range(1, times + 1):
        daemon.connect_()
        until(lambda: len(states) == 2 * count)  # noqa: B023  (it is waited for at once)
    remedy, record = daemon.state.remedy, get_status(daemon)
    end = record.wait()
    if record.events:
        os.kill(record.events[0].front_pid, signal.SIGTERM)
    return {"remedy": remedy, "end": end}


def start():
    states = []
    daemon = new_daemon(states)
    daemon.start()
    until(lambda: daemon.state.kind in ("connected", "failed"))
    if daemon.state.kind == "connected":
        os.kill(daemon.state.status.front_pid, signal.SIGTERM)
    last = daemon.state
    return {"states": said(states), "message": last.message, "remedy": last.remedy}


def connect():
    daemon = new_daemon()
    daemon.connect_()
    until(lambda: daemon.state.kind in ("connected", "failed"))
    state = daemon.state
    return {"kind": state.kind, "code": state.code, "message": state.message, "remedy": state.remedy}


def picture(side):
    """A picture there and back: what lies outside the frame has to come back as it was."""
    daemon = new_daemon()
    sent = bytes((x * 7 + x // 4099) % 251 for x in range(4 * side)) * side
    sent = sent[: 4 * side * side].replace(b"\x00", b"\x01")
    opaque = bytearray(sent)
    opaque[3::4] = b"\xff" * (side * side)
    raw = pb.RawPixels(width=side, height=side, format=pb.PIXEL_FORMAT_RGBA8, data=bytes(opaque))
    frame = pb.FrameSpec(rectangle=pb.Rectangle(x=side / 4, y=side / 4, width=side / 2, height=side / 2))
    source = pb.PictureSource(picture=pb.Picture(raw=raw), frame=frame)
    request = pb.RenderRequest(
        source=pb.Source(picture=source),
        embed=pb.EmbedOptions(max_steps=1),
        output=pb.OutputOptions(paste=pb.PASTE_MODE_REPLACE, format=pb.PIXEL_FORMAT_RGBA8),
    )
    record = Record(daemon.call("EditingService", "Render", request))
    end = record.wait()
    (image,) = [event.image for event in record.events if event.WhichOneof("event") == "image"]
    got = image.picture.raw
    row, quarter = 4 * side, side // 4
    outside = bytes(opaque[: row * (quarter - 1)]) == got.data[: row * (quarter - 1)]
    return {"end": end, "size": [got.width, got.height], "bytes": len(got.data), "outside_kept": outside}


def too_large(size):
    daemon = new_daemon()
    assert get_status(daemon).wait() == "done"
    source = pb.PictureSource(picture=pb.Picture(encoded=bytes(size)))
    record = Record(daemon.call("EditingService", "Embed", pb.EmbedRequest(source=source)))
    return record.wait()


def close(words):
    states = []
    daemon = new_daemon(states)
    record = render(daemon, words)
    until(lambda: any(event.progress.phase == pb.PHASE_EMBEDDING for event in record.events))
    (worker,) = [thread for thread in threading.enumerate() if thread.name == "latentlayers"]
    count, changes = len(record.events), len(states)
    before = time.monotonic()
    daemon.close()
    took = time.monotonic() - before
    worker.join(5)
    QtCore.QCoreApplication.instance().processEvents()
    late = get_status(daemon)
    daemon.connect_()
    daemon.close()
    QtCore.QCoreApplication.instance().processEvents()
    return {
        "at_once": took < 0.5,
        "thread_ended": not worker.is_alive(),
        "signals_after": [len(record.events) - count, record.end, len(states) - changes, late.end],
    }


def folders():
    from latentlayers.wire.address import Installation, default_state_folder, given_endpoint, state_folder

    state = state_folder(Installation.read())
    given = given_endpoint(state)
    return {
        "state": str(state),
        "default": str(default_state_folder()),
        "given": given and [given.target, given.token, given.local],
    }


def cleaned(inherited):
    from latentlayers.wire.launch import clean

    return clean(inherited)


def main():
    application = QtCore.QCoreApplication(sys.argv)
    result = globals()[sys.argv[2]](**json.loads(sys.argv[3]))
    print(json.dumps(result), flush=True)
    del application
    sys.stderr.flush()
    os._exit(0)  # Krita does not finalise its Python either, whatever thread still runs


if __name__ == "__main__":
    main()
