"""Runs one scenario inside Krita and quits; `tests/krita/rig.py` installs it and reads what it leaves.

A scenario is a file with a generator function `run(rig)`. What it yields is waited for, with Krita's event loop
turning: a number of seconds, or a function until it returns something true (which the `yield` then evaluates to). What
it returns must be JSON, and is the outcome's `result`. It fails by raising, and when anything in Krita's Python raises
meanwhile.
"""

import json
import os
import runpy
import sys
import time
import traceback
from pathlib import Path

from krita import Extension, Krita

if hasattr(sys.modules["pykrita"], "qt_major_version") and sys.modules["pykrita"].qt_major_version() >= 6:
    from PyQt6 import QtCore, QtWidgets
else:
    from PyQt5 import QtCore, QtWidgets

POLL_MS = 5
PATIENCE_S = 180.0  # a machine that does much else loads a model in a minute
STATUS_BAR_HEIGHT = 40  # more than anything in it needs


class Rig(Extension):
    """What scenarios get.

    Attributes:
        arguments: what the test passed on.
        output: the folder for whatever a scenario leaves.
    """

    def __init__(self, parent):
        super().__init__(parent)
        self.output = Path(os.environ["LATENTLAYERS_RIG_OUTPUT"])
        self.arguments = json.loads(os.environ["LATENTLAYERS_RIG_ARGUMENTS"])
        self._scenario = None
        self._errors = []
        self._result = None
        sys.excepthook = self._uncaught  # Krita's own opens a modal dialog, which nobody would close
        self._notifier = parent.notifier()
        self._notifier.setActive(True)
        self._notifier.windowCreated.connect(self._window_created)

    def setup(self):
        pass

    def createActions(self, window):
        pass

    # For scenarios

    def log(self, **fields):
        """Adds a line to the outcome's `log`."""
        with (self.output / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(fields, default=str) + "\n")

    def screenshot(self, name):
        """Writes the whole screen to NAME.png in `output`."""
        screen = QtWidgets.QApplication.primaryScreen()
        assert screen.grabWindow(0).save(str(self.output / (name + ".png")))

    def open(self, path):
        """Opens a picture in the window, without any dialog; a generator: `document = yield from rig.open(path)`."""
        krita = Krita.instance()
        document = krita.openDocument(str(path))
        assert document is not None, path
        document.setBatchmode(True)
        krita.activeWindow().addView(document)
        krita.setActiveDocument(document)
        yield lambda: document.activeNode() is not None
        return document

    # Running

    def _window_created(self):
        if self._scenario is None:
            path = os.environ["LATENTLAYERS_RIG_SCENARIO"]
            QtCore.QTimer.singleShot(0, lambda: self._start(path))

    def _start(self, path):
        krita = Krita.instance()
        krita.setBatchmode(True)
        window = krita.activeWindow().qwindow()
        window.setGeometry(QtWidgets.QApplication.primaryScreen().geometry())
        # Krita 5.1.5 waits for itself for ever if the canvas is resized when its progress bar appears (a canvas that
        # fits its page is zoomed, and that asks for the progress, under one mutex). A first document makes the status
        # bar taller, and on a busy machine the progress bar appears before the window has been laid out again.
        window.statusBar().setFixedHeight(STATUS_BAR_HEIGHT)
        try:
            self._scenario = runpy.run_path(path)["run"](self)
        except Exception:
            self._fail()
        else:
            self._advance(self._scenario.send, None)

    def _advance(self, resume, value):
        """Lets the scenario go on to its next `yield`, or to its end."""
        try:
            wish = resume(value)
        except StopIteration as end:
            self._result = end.value
            self._finish()
        except Exception:
            self._fail()
        else:
            self._wait(wish, time.monotonic())

    def _wait(self, wish, since):
        if not callable(wish):
            QtCore.QTimer.singleShot(round(1000 * wish), lambda: self._advance(self._scenario.send, None))
            return
        try:
            value = wish()
            if not value and time.monotonic() - since > PATIENCE_S:
                raise TimeoutError("the scenario waits in vain")
        except Exception as error:
            self._advance(self._scenario.throw, error)  # so that the traceback shows the line that waits
            return
        if value:
            self._advance(self._scenario.send, value)
        else:
            QtCore.QTimer.singleShot(POLL_MS, lambda: self._wait(wish, since))

    def _fail(self):
        self._errors.append(traceback.format_exc())
        self.screenshot("failure")
        self._finish()

    def _uncaught(self, kind, error, trace):
        self._errors.append("".join(traceback.format_exception(kind, error, trace)))
        self._write()

    def _write(self):
        said = {"errors": self._errors, "result": self._result}
        (self.output / "outcome.json").write_text(json.dumps(said), encoding="utf-8")

    def _finish(self):
        self._write()
        krita = Krita.instance()
        for document in krita.documents():
            document.waitForDone()
            document.setModified(False)
        # Anything else (QApplication.quit, exit) makes Krita crash.
        krita.action("file_quit").trigger()


Krita.instance().addExtension(Rig(Krita.instance()))
