"""`latentlayers serve`, `status` and `stop`: the daemon itself."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentlayers.cli import options as opt
from latentlayers.cli.output import duration, memory, print_json, table
from latentlayers.cli.session import open_client

if TYPE_CHECKING:
    from latentlayers.client import Status
    from latentlayers.service.instance import Announcement


def register(app: typer.Typer) -> None:
    for command in (serve, status, stop):
        app.command()(command)


def serve(
    idle_unload: Annotated[
        float,
        typer.Option(
            "--idle-unload", metavar="SECONDS", help="Give the memory back after so long without work; negative: never."
        ),
    ] = 300.0,
    tls_certificate: Annotated[
        Path | None, typer.Option("--tls-certificate", metavar="PEM", help="Encrypt TCP with this certificate.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", metavar="PEM", help="The certificate's key.")] = None,
    json: opt.JsonFlag = False,
    address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Listen on TCP, with a token, instead of the private socket.")
    ] = "",
) -> None:
    """Run the daemon in the foreground until Ctrl-C."""
    from latentlayers.service.config import ServiceConfig
    from latentlayers.service.main import say
    from latentlayers.service.main import serve as run

    config = ServiceConfig(listen=address, tls_certificate=tls_certificate, tls_key=tls_key, idle_unload_s=idle_unload)
    raise typer.Exit(run(config, _say_json if json else say))


def _say_json(announcement: Announcement, running_already: bool) -> None:
    print_json({**asdict(announcement), "running_already": running_already})
    sys.stdout.flush()


def status(json: opt.JsonFlag = False, address: opt.Address = None) -> None:
    """Say what the daemon is doing.

    The exit code is 4 if there is none; it is not started for this.
    """
    with open_client(address, start=False) as client:
        state = client.status()
        token_file = client.endpoint.token_file
    if json:
        print_json({**asdict(state), "token_file": token_file})
    else:
        print(table(_rows(state)))


def stop(json: opt.JsonFlag = False, address: opt.Address = None) -> None:
    """Stop the daemon; running calls are ended."""
    from latentlayers.errors import Unavailable

    try:
        client = open_client(address, start=False)
    except Unavailable as error:
        if error.reason != "DAEMON_NOT_RUNNING":
            raise
        stopped = False
    else:
        with client:
            client.stop()
        stopped = True
    if json:
        print_json({"stopped": stopped})
    else:
        print("The daemon has stopped." if stopped else "No daemon is running.")


def _rows(state: Status) -> list[tuple[str, str]]:
    up = f"version {state.version}, up {duration(state.uptime_seconds)}, {memory(state.front_memory_bytes)}"
    rows = [("Daemon", up), ("Address", state.address), ("Worker", _worker(state))]
    rows.append(("Models", ", ".join(state.loaded_models) or "none loaded"))
    rows.append(("Queue", f"{state.queue_length} of {state.queue_limit}"))
    rows.append(("Data", state.data_folder))
    return rows


def _worker(state: Status) -> str:
    parts = [state.worker_state]
    if state.worker_pid:
        parts += [f"on {state.device}"] if state.device else []
        parts.append(memory(state.worker_memory_bytes))
        if state.device_memory_bytes:
            parts.append(f"{memory(state.device_memory_bytes)} on the device")
    if state.idle_unload_in_seconds is not None:
        parts.append(f"unloads in {duration(state.idle_unload_in_seconds)}")
    if state.worker_restarts:
        parts.append(f"restarted {state.worker_restarts} time{'s'[: state.worker_restarts > 1]}")
    return ", ".join(parts)
