"""Typed errors as gRPC statuses: `google.rpc.Status` with `ErrorInfo`, and `RetryInfo` where waiting helps."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped]

from latentlayers.errors import LatentLayersError

DOMAIN = "latentlayers"
DETAILS_KEY = "grpc-status-details-bin"


def status_of(error: LatentLayersError) -> status_pb2.Status:
    """The status callers get: message "<sentence> <remedy>", reason and remedy again in the details."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata={"remedy": error.remedy})
    details = [_packed(info)]
    if error.retry_after is not None:
        delay = Duration()
        delay.FromMilliseconds(round(1000 * error.retry_after))
        details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    return status_pb2.Status(
        code=code_pb2.Code.Value(error.kind.value), message=f"{error.message} {error.remedy}", details=details
    )


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: LatentLayersError) -> NoReturn:
    """Ends the call with the error's status."""
    status = status_of(error)
    metadata = ((DETAILS_KEY, status.SerializeToString()),)
    await context.abort(grpc.StatusCode[error.kind.value], status.message, metadata)


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
