"""One run of the daemon, from lock to goodbye."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable

from latentlayers import __version__
from latentlayers.errors import PreconditionFailed
from latentlayers.paths import Paths
from latentlayers.service.config import Endpoint, ServiceConfig, endpoint
from latentlayers.service.front import Front
from latentlayers.service.instance import Announcement, InstanceLock, token, withdraw
from latentlayers.service.logs import start_logging
from latentlayers.service.memory import limit_arenas

log = logging.getLogger(__name__)

# A daemon that is stopping still holds the lock for a moment.
OTHER_DAEMON_S = 15.0
_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")


def say(announcement: Announcement, running_already: bool) -> None:
    """Tells people where the daemon listens."""
    if running_already:
        print(
            f"The daemon already runs (process {announcement.pid}) and listens on {announcement.address}.", flush=True
        )
    else:
        print(f"Listening on {announcement.address}", flush=True)


def serve(config: ServiceConfig | None = None, say: Callable[[Announcement, bool], None] = say) -> int:
    """Runs the daemon until it is told to stop; the exit status of the process.

    A second daemon of the same user says where the first listens and returns 0.

    Args:
        say: told where the daemon listens, once it does, and whether it ran already.

    Raises:
        InvalidInput: ADDRESS_INVALID, ADDRESS_UNSAFE, TLS_INCOMPLETE, TLS_UNREADABLE.
        PreconditionFailed: RUNTIME_UNSAFE, ADDRESS_IN_USE, DAEMON_LOCKED.
        Exhausted: DISK_FULL. LatentLayersError: LIBRARY_WRITE_FAILED.
    """
    config = config or ServiceConfig()
    paths = config.paths
    where = endpoint(config, paths)
    os.umask(0o077)  # whatever is written is this user's alone
    limit_arenas()
    paths.ensure()
    lock = InstanceLock(paths.lock_file)
    other = _acquire(lock, paths)
    if other is not None:
        say(other, True)
        return 0
    try:
        withdraw(paths)  # what a killed daemon left behind
        start_logging(paths)
        asyncio.run(_serve(config, paths, where, say))
    finally:
        withdraw(paths)
        lock.release()
    return 0


def _acquire(lock: InstanceLock, paths: Paths) -> Announcement | None:
    """Takes the lock, or returns the announcement of the daemon that holds it."""
    until = time.monotonic() + OTHER_DAEMON_S
    while not lock.acquire():
        announced = Announcement.read(paths)
        if announced is not None:
            return announced
        if time.monotonic() > until:
            raise PreconditionFailed(
                "DAEMON_LOCKED",
                "Another daemon holds the lock but does not say where it listens.",
                "End it, then start again.",
            )
        time.sleep(0.05)
    return None


async def _serve(
    config: ServiceConfig, paths: Paths, where: Endpoint, say: Callable[[Announcement, bool], None]
) -> None:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    front = Front(config, paths, where, token(paths) if where.token else "", stop)
    address = front.address
    announcement = Announcement(
        address=address,
        pid=os.getpid(),
        version=__version__,
        token_file=str(paths.token_file) if where.token else None,
        tls_certificate=str(config.tls_certificate.absolute()) if where.tls and config.tls_certificate else None,
    )
    try:
        await front.start()
        announcement.publish(paths)
        say(announcement, False)
        log.info("version %s, process %d, listening on %s", __version__, os.getpid(), address)
        await stop.wait()
    finally:
        log.info("stopping")
        # Callers who look for a daemon now shall start a new one, which waits for this one's end.
        paths.address_file.unlink(missing_ok=True)
        await front.stop()
        log.info("stopped")


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is None:
            continue
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
        else:
            loop.add_signal_handler(number, stop.set)
