"""EditingService: every call is a job of the worker, whose events are passed on as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc.aio
from google.protobuf.message import Message

from latentlayers.service.calls import Calls
from latentlayers.v1 import editing_service_pb2 as pb
from latentlayers.v1 import editing_service_pb2_grpc as rpc


def _passed_on(method: str, response_type: Callable[..., Message]) -> Any:
    async def handle(
        self: EditingServicer, request: Any, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Message]:
        # Embed has no key: an embedding is never a slider preview.
        key = getattr(request, "latest_wins_key", "")
        async for event in self.calls.stream(method, request, context, pb.EditEvent, key):
            yield response_type(event=event)

    return handle


class EditingServicer(rpc.EditingServiceServicer):
    """The six calls; see the .proto file."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    Embed = _passed_on("Embed", pb.EmbedResponse)
    Morph = _passed_on("Morph", pb.MorphResponse)
    Crossover = _passed_on("Crossover", pb.CrossoverResponse)
    TransferExpression = _passed_on("TransferExpression", pb.TransferExpressionResponse)
    ApplyDirection = _passed_on("ApplyDirection", pb.ApplyDirectionResponse)
    Render = _passed_on("Render", pb.RenderResponse)
