"""The contract's messages, enums and methods under their own names: `messages.MorphRequest`, `messages.PHASE_QUEUED`.

They are built from the compiled contract in the zip (messages.bin, a FileDescriptorSet) by the vendored protobuf in a
pool of its own: no generated code, hence nothing that has to match the version of some other protobuf in Krita.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from .._vendor.google.protobuf.descriptor_pb2 import FileDescriptorSet
from .._vendor.google.protobuf.descriptor_pool import DescriptorPool
from .._vendor.google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from .._vendor.google.protobuf.message_factory import GetMessageClass

PACKAGE = "latentlayers.v1"
_FILE = Path(__file__).resolve().parents[1] / "_vendor" / "messages.bin"


class Method(NamedTuple):
    """An RPC.

    Attributes:
        path: as HTTP/2 wants it: "/package.Service/Method".
        request, response: message classes.
        streaming: there may be any number of responses.
        wraps_event: a response only wraps an `EditEvent`.
    """

    path: str
    request: Any
    response: Any
    streaming: bool
    wraps_event: bool


def method(service: str, name: str) -> Method:
    """The RPC of that name. Services of other packages than ours go by their full name.

    Raises:
        KeyError: there is none.
    """
    full_name = service if "." in service else f"{PACKAGE}.{service}"
    found = _pool.FindServiceByName(full_name).methods_by_name[name]
    event = found.output_type.fields_by_name.get("event")
    return Method(
        path=f"/{full_name}/{name}",
        request=GetMessageClass(found.input_type),
        response=GetMessageClass(found.output_type),
        streaming=found.server_streaming,
        wraps_event=event is not None and event.message_type is not None and event.message_type.name == "EditEvent",
    )


def message(full_name: str) -> Any:
    """The class of a message of any package, e.g. "google.rpc.ErrorInfo"."""
    return GetMessageClass(_pool.FindMessageTypeByName(full_name))


def _load() -> DescriptorPool:
    pool = DescriptorPool()
    names = []
    for file in FileDescriptorSet.FromString(_FILE.read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
        if file.package == PACKAGE:
            names.append(file.name)
    for name in names:
        file = pool.FindFileByName(name)
        for descriptor in file.message_types_by_name.values():
            globals()[descriptor.name] = GetMessageClass(descriptor)
        for descriptor in file.enum_types_by_name.values():
            globals()[descriptor.name] = EnumTypeWrapper(descriptor)
            globals().update((value.name, value.number) for value in descriptor.values)
    return pool


_pool = _load()


def __getattr__(name: str) -> Any:
    raise AttributeError(f"the contract has no {name}")
