"""Log files of the front and the worker: rotated, in the state folder, without pixels or latents."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from logging.handlers import RotatingFileHandler
from pathlib import Path

from latentlayers.paths import Paths

MOST_BYTES, MOST_FILES = 1 << 20, 3

# Calls in the order of their arrival, from 1: which one a line belongs to, and which of two is the newer.
call_number: ContextVar[int] = ContextVar("call_number", default=0)


def worker_log_file(paths: Paths) -> Path:
    """What the worker prints."""
    return paths.state / "worker.log"


def start_logging(paths: Paths) -> None:
    """Sends the front's log to `Paths.log_file` and the worker's output to `worker_log_file`."""
    logging.raiseExceptions = False  # a full disk must not make noise at every line
    front = _file(paths.log_file)
    front.addFilter(_add_call_number)
    front.setFormatter(logging.Formatter("%(asctime)s %(levelname)s [%(call)d] %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[front])
    worker = logging.getLogger("latentlayers.worker")
    worker.propagate = False
    worker.addHandler(_file(worker_log_file(paths)))


def _file(path: Path) -> logging.Handler:
    return RotatingFileHandler(path, maxBytes=MOST_BYTES, backupCount=MOST_FILES, encoding="utf-8", delay=True)


def _add_call_number(record: logging.LogRecord) -> bool:
    record.call = call_number.get()
    return True
