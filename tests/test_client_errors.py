"""Errors keep their reason, sentence and remedy over a real wire."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers import errors
from latentlayers.client.wire_errors import from_rpc_error, make
from latentlayers.service.status import DETAILS_KEY, status_of

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=60).map(str.strip)


class Thrower(grpc.GenericRpcHandler):
    """Ends every call with the error its request describes, the way the daemon does."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._throw)

    def _throw(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        fields = json.loads(request)
        if "code" in fields:
            context.abort(grpc.StatusCode[fields["code"]], fields["text"])
        kind = errors.Kind[fields.pop("kind")]
        status = status_of(make(kind, **fields))
        context.set_trailing_metadata([(DETAILS_KEY, status.SerializeToString())])
        context.abort(grpc.StatusCode[kind.value], status.message)
        raise AssertionError


@pytest.fixture(scope="module")
def call() -> Iterator[Any]:
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2), handlers=[Thrower()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        throw = channel.unary_unary("/test/Throw")

        def caught(**fields: Any) -> errors.LatentLayersError:
            with pytest.raises(grpc.RpcError) as raised:
                throw(json.dumps(fields).encode(), timeout=20)
            return from_rpc_error(raised.value)

        yield caught
    server.stop(None)


@given(
    kind=st.sampled_from(errors.Kind),
    message=WORDS.filter(bool),
    remedy=WORDS,
    retry_after=st.none() | st.integers(0, 10**6).map(lambda ms: ms / 1000),
)
@settings(deadline=None, max_examples=40)
def test_an_error_arrives_as_it_left(
    call: Any, kind: errors.Kind, message: str, remedy: str, retry_after: float | None
) -> None:
    error = call(kind=kind.name, reason="SOME_REASON", message=message, remedy=remedy, retry_after=retry_after)
    assert (error.kind, error.reason, error.message, error.remedy) == (kind, "SOME_REASON", message, remedy)
    assert error.retry_after == retry_after


@pytest.mark.parametrize(
    "kind",
    [
        errors.InvalidInput,
        errors.NotFound,
        errors.PreconditionFailed,
        errors.Exhausted,
        errors.Cancelled,
        errors.Superseded,
        errors.DeadlineExceeded,
        errors.Unavailable,
    ],
)
def test_each_kind_arrives_as_its_own_class(call: Any, kind: type[errors.LatentLayersError]) -> None:
    error = call(kind=kind.kind.name, reason="R", message="It failed.", remedy="Try again.")
    assert type(error) is kind


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("UNAVAILABLE", "DAEMON_UNREACHABLE"),
        ("CANCELLED", "CANCELLED"),
        ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
        ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE"),
        ("UNIMPLEMENTED", "METHOD_UNKNOWN"),
        ("UNAUTHENTICATED", "TOKEN_REFUSED"),
        ("INTERNAL", "INTERNAL"),
        ("PERMISSION_DENIED", "INTERNAL"),
    ],
)
def test_a_status_of_grpc_itself_becomes_an_error_with_a_remedy(call: Any, code: str, reason: str) -> None:
    error = call(code=code, text="some layer: something went wrong")
    assert error.reason == reason
    assert error.message.endswith(".")
    assert error.remedy
    assert code == "CANCELLED" or "something went wrong" in error.message
