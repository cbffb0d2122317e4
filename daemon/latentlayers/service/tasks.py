"""Background tasks."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine


def background(work: Coroutine[object, object, None]) -> asyncio.Task[None]:
    """Starts a task that outlives the call that caused it, and does not log under its id. Keep a reference to it."""
    return contextvars.Context().run(asyncio.create_task, work)
