"""What every call passes through: the token, the size limit, and errors turned into statuses."""

from __future__ import annotations

import hmac
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from latentlayers.errors import Exhausted, Kind, LatentLayersError
from latentlayers.service.logs import call_number
from latentlayers.service.status import abort

log = logging.getLogger(__name__)

# gRPC itself answers what is larger than this many times the limit, without reading it and without a remedy.
RECEIVE_HEADROOM = 2

Handler = Any
Context = grpc.aio.ServicerContext[Any, Any]


class Unauthenticated(LatentLayersError):
    """The caller did not bring the token."""

    kind = Kind.UNAUTHENTICATED


class Guard(grpc.aio.ServerInterceptor):
    """Refuses callers without the token and requests above the limit; gives every failure a typed status.

    Numbers the calls, too: see `logs.call_number`.

    Args:
        token: what `authorization: Bearer` must be followed by; "": nothing is asked for.
        most_bytes: the largest request.
    """

    def __init__(self, *, token: str, most_bytes: int) -> None:
        self._expected, self._most_bytes = f"Bearer {token}".encode() if token else b"", most_bytes
        self._numbers = itertools.count(1)

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]], details: grpc.HandlerCallDetails
    ) -> Handler:
        """Wraps the handler of our own services; health and reflection only need the token."""
        # Here and not in the handler, which waits for the request first: those of two calls may overtake each other.
        call_number.set(next(self._numbers))
        if self._expected and not self._authorised(details):
            return grpc.unary_unary_rpc_method_handler(_refuse)
        handler = await continuation(details)
        if handler is None or not details.method.startswith("/latentlayers."):
            return handler
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._streaming(handler.unary_stream, details.method),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(handler.unary_unary, details.method), handler.request_deserializer, handler.response_serializer
        )

    def _authorised(self, details: grpc.HandlerCallDetails) -> bool:
        given = [value for key, value in details.invocation_metadata if key == "authorization"]
        return len(given) == 1 and hmac.compare_digest(_bytes(given[0]), self._expected)

    def _unary(self, behaviour: Handler, method: str) -> Handler:
        async def guarded(request: Any, context: Context) -> Any:
            try:
                self._check_size(request)
                return await behaviour(request, context)
            except Exception as error:
                return await _fail(method, error, context)

        return guarded

    def _streaming(self, behaviour: Handler, method: str) -> Handler:
        async def guarded(request: Any, context: Context) -> AsyncIterator[Any]:
            try:
                self._check_size(request)
                async for response in behaviour(request, context):
                    yield response
            except Exception as error:
                await _fail(method, error, context)

        return guarded

    def _check_size(self, request: Any) -> None:
        size = request.ByteSize()
        if size > self._most_bytes:
            raise Exhausted(
                "MESSAGE_TOO_LARGE",
                f"The request has {size} bytes; the limit is {self._most_bytes}.",
                "Send a smaller picture, or an encoded one (PNG).",
            )


async def _refuse(_: bytes, context: Context) -> None:
    await abort(
        context,
        Unauthenticated(
            "TOKEN_REFUSED",
            "The call does not carry the daemon's token.",
            "Send the token file's content as `authorization: Bearer TOKEN`.",
        ),
    )


async def _fail(method: str, error: Exception, context: Context) -> None:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if not isinstance(error, LatentLayersError):
        log.error("%s failed unexpectedly", method, exc_info=error)
        error = LatentLayersError(
            "INTERNAL",
            f"Something unexpected went wrong (call {call_number.get()} in the log).",
            "This is a bug: please report it with the output of `latentlayers doctor`.",
        )
    else:
        log.info("%s: %s", method, error.reason)
    await abort(context, error)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
