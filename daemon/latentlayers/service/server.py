"""The gRPC server: limits, health, reflection, and the address it listens on."""

from __future__ import annotations

import os
from pathlib import Path

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from latentlayers.errors import InvalidInput, PreconditionFailed
from latentlayers.service.config import Endpoint, ServiceConfig
from latentlayers.service.guard import RECEIVE_HEADROOM, Guard
from latentlayers.v1 import daemon_service_pb2, editing_service_pb2, embedding_service_pb2, model_service_pb2

SERVICES = tuple(
    service.full_name
    for file in (daemon_service_pb2, editing_service_pb2, embedding_service_pb2, model_service_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
)
# What a painter can do, as health service names. All of it needs a usable model.
CAPABILITIES = tuple(
    f"latentlayers.{name}" for name in ("embed", "render", "morph", "crossover", "expression", "direction")
)
MOST_CALLS = 256
_SERVING, _NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def make_server(config: ServiceConfig, token: str) -> grpc.aio.Server:
    """A server without services that listens nowhere yet. `token`: see `Guard`."""
    options = [
        ("grpc.max_receive_message_length", RECEIVE_HEADROOM * config.max_message_bytes),
        ("grpc.max_send_message_length", config.max_message_bytes),
        # Two daemons must not share a port.
        ("grpc.so_reuseport", 0),
        # A caller whose machine went to sleep must not hold the device.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]
    guard = Guard(token=token, most_bytes=config.max_message_bytes)
    return grpc.aio.server(interceptors=[guard], options=options, maximum_concurrent_rpcs=MOST_CALLS)


def bind(server: grpc.aio.Server, endpoint: Endpoint, config: ServiceConfig) -> str:
    """Makes the server listen; returns the address as callers dial it.

    Raises:
        InvalidInput: TLS_UNREADABLE. PreconditionFailed: ADDRESS_IN_USE, or otherwise refused by the system.
    """
    # Only this user may connect to a unix socket; the mask is the process's, so only for a moment.
    umask = os.umask(0o177)
    try:
        if endpoint.tls:
            port = server.add_secure_port(endpoint.target, _credentials(config))
        else:
            port = server.add_insecure_port(endpoint.target)
    except RuntimeError as error:
        raise PreconditionFailed(
            "ADDRESS_IN_USE",
            f"The daemon cannot listen on {endpoint.target}.",
            "Another program may be using the port: choose another one, or 0 for any free one.",
        ) from error
    finally:
        os.umask(umask)
    if endpoint.target.startswith("unix:"):
        return endpoint.target
    return f"{endpoint.target.rpartition(':')[0]}:{port}"


def add_health_and_reflection(server: grpc.aio.Server) -> health.aio.HealthServicer:
    """Adds both; the capabilities are NOT_SERVING until `set_capabilities` says otherwise."""
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    return servicer


async def set_services(servicer: health.aio.HealthServicer) -> None:
    """Marks every service as SERVING."""
    for name in SERVICES:
        await servicer.set(name, _SERVING)


async def set_capabilities(servicer: health.aio.HealthServicer, usable: bool) -> None:
    """Says of every capability whether it can be used."""
    for name in CAPABILITIES:
        await servicer.set(name, _SERVING if usable else _NOT_SERVING)


def _credentials(config: ServiceConfig) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials([(_read(config.tls_key), _read(config.tls_certificate))])


def _read(path: Path | None) -> bytes:
    try:
        return path.read_bytes() if path else b""
    except OSError as error:
        raise InvalidInput(
            "TLS_UNREADABLE", f"{path} cannot be read: {error.strerror}.", "Name PEM files that you may read."
        ) from error
