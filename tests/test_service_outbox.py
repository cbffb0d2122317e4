"""What waits for a slow caller: pictures all, progress only the newest."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.errors import Cancelled
from latentlayers.service.outbox import Outbox
from latentlayers.v1 import editing_service_pb2 as pb
from latentlayers.v1 import picture_pb2

KINDS = ("progress", "preview", "image", "embedded", "notice")


def event(kind: str, number: int) -> pb.EditEvent:
    match kind:
        case "progress":
            return pb.EditEvent(progress=pb.Progress(step=number))
        case "preview":
            return pb.EditEvent(progress=pb.Progress(step=number, preview=picture_pb2.Picture(encoded=b"p")))
        case "image":
            return pb.EditEvent(image=pb.Image(index=number))
        case "embedded":
            return pb.EditEvent(embedded=pb.Embedded(role=str(number)))
        case _:
            return pb.EditEvent(notice=pb.Notice(reason=str(number)))


def is_progress(sent: object) -> bool:
    return isinstance(sent, pb.EditEvent) and sent.HasField("progress")


async def taken(outbox: Outbox) -> list[object]:
    return [sent async for sent in outbox]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(KINDS), max_size=20))
def test_nothing_but_older_progress_is_dropped_and_the_order_stays(kinds: list[str]) -> None:
    events = [event(kind, number) for number, kind in enumerate(kinds)]

    async def pass_through() -> list[object]:
        outbox = Outbox(limit=1000)
        for item in events:
            outbox.offer(item)
        outbox.close()
        return await taken(outbox)

    received = asyncio.run(pass_through())
    positions = [events.index(item) for item in received]  # type: ignore[arg-type]
    assert positions == sorted(positions)
    assert [item for item in received if not is_progress(item)] == [item for item in events if not is_progress(item)]
    # Of every run of progress the last one arrives, and the last one with a preview.
    for start in range(len(kinds)):
        if kinds[start] == "progress" and (start + 1 == len(kinds) or not is_progress(events[start + 1])):
            assert start in positions
        if kinds[start] == "preview" and "preview" not in _rest_of_run(kinds[start + 1 :]):
            assert start in positions
    assert all(len(run) <= 2 for run in _runs(received))


def _rest_of_run(kinds: list[str]) -> list[str]:
    length = next((n for n, kind in enumerate(kinds) if kind not in ("progress", "preview")), len(kinds))
    return kinds[:length]


def _runs(received: list[object]) -> list[list[object]]:
    runs: list[list[object]] = [[]]
    for item in received:
        if is_progress(item):
            runs[-1].append(item)
        else:
            runs.append([])
    return runs


def test_the_sender_waits_while_too_much_is_pending() -> None:
    async def scenario() -> None:
        outbox = Outbox(limit=100)
        outbox.offer(pb.EditEvent(image=pb.Image(picture=picture_pb2.Picture(encoded=bytes(200)))))
        assert outbox.full
        room = asyncio.ensure_future(outbox.room())
        await asyncio.sleep(0)
        assert not room.done()
        async for _ in outbox:
            break
        await room
        assert not outbox.full

    asyncio.run(scenario())


def test_an_abandoned_outbox_lets_the_sender_go_and_keeps_nothing() -> None:
    async def scenario() -> None:
        outbox = Outbox(limit=1)
        outbox.offer(event("image", 0))
        outbox.abandon(Cancelled("CANCELLED", "It was cancelled.", "Call again."))
        await outbox.room()
        outbox.offer(event("image", 1))
        outbox.close()
        with pytest.raises(Cancelled):
            await taken(outbox)

    asyncio.run(scenario())


def test_pending_events_are_taken_before_the_error() -> None:
    async def scenario() -> None:
        outbox = Outbox(limit=1)
        outbox.offer(event("image", 0))
        outbox.close(Cancelled("CANCELLED", "It was cancelled.", "Call again."))
        events = aiter(outbox)
        assert await anext(events) == event("image", 0)
        with pytest.raises(Cancelled):
            await anext(events)

    asyncio.run(scenario())
