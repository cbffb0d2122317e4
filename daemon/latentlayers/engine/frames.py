"""Frames between the front and its worker: over the worker's standard input and output.

A frame is a 9-byte header (kind u8, job u32, length u32, little-endian) and `length` bytes. Payloads are
public protobuf messages or small JSON objects; both sides run the same code, so no version is negotiated.

    front -> worker   START     JSON {"method", "interactive"} + newline + serialised request
                      CANCEL    (empty)
                      SHUTDOWN  (empty; job 0)
    worker -> front   HELLO     JSON {"pid", "device", "torch"} (job 0), once the worker can take jobs
                      EVENT     one serialised EditEvent, or the response of a model call (with the model's name only)
                      DONE      (empty): the job succeeded
                      ERROR     JSON: see `error_to_json`
                      STATE     JSON {"models", "device_memory"} (job 0), whenever it changed
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO

from latentlayers import errors

HEADER = struct.Struct("<BII")
MAX_PAYLOAD = 1 << 30


class FrameKind(IntEnum):
    START = 1
    CANCEL = 2
    SHUTDOWN = 3
    HELLO = 10
    EVENT = 11
    DONE = 12
    ERROR = 13
    STATE = 14


@dataclass(frozen=True)
class Frame:
    kind: FrameKind
    job: int
    payload: bytes = b""

    def encode(self) -> bytes:
        """Header and payload as they go over the pipe."""
        return HEADER.pack(self.kind, self.job, len(self.payload)) + self.payload


@dataclass(frozen=True)
class Start:
    """What a START frame says: which RPC, whether it may run between the steps of another job, and its request."""

    method: str
    request: bytes
    interactive: bool = False

    def encode(self) -> bytes:
        return json.dumps({"method": self.method, "interactive": self.interactive}).encode() + b"\n" + self.request

    @classmethod
    def decode(cls, payload: bytes) -> Start:
        head, _, request = payload.partition(b"\n")
        fields = json.loads(head)
        return cls(fields["method"], request, fields["interactive"])


def parse_header(header: bytes) -> tuple[FrameKind, int, int]:
    """(kind, job, payload length). Raises ValueError if the bytes cannot be a header."""
    kind, job, length = HEADER.unpack(header)
    if length > MAX_PAYLOAD:
        raise ValueError(f"frame of {length} bytes exceeds {MAX_PAYLOAD}")
    return FrameKind(kind), job, length


def read_frame(stream: BinaryIO) -> Frame | None:
    """The next frame of a blocking stream, or None at its end."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    kind, job, length = parse_header(header)
    payload = stream.read(length)
    return Frame(kind, job, payload) if len(payload) == length else None


def error_to_json(error: errors.LatentLayersError) -> bytes:
    """A typed error as the payload of an ERROR frame."""
    fields = {
        "kind": error.kind.name,
        "reason": error.reason,
        "message": error.message,
        "remedy": error.remedy,
        "retry_after": error.retry_after,
    }
    return json.dumps(fields).encode()


def error_from_json(payload: bytes) -> errors.LatentLayersError:
    """Inverse of `error_to_json`: same kind, reason, message and remedy."""
    fields = json.loads(payload)
    error = errors.LatentLayersError(
        fields["reason"], fields["message"], fields["remedy"], retry_after=fields["retry_after"]
    )
    error.kind = errors.Kind[fields["kind"]]
    return error
