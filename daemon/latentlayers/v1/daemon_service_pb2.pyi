from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WorkerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WORKER_STATE_UNSPECIFIED: _ClassVar[WorkerState]
    WORKER_STATE_UNLOADED: _ClassVar[WorkerState]
    WORKER_STATE_STARTING: _ClassVar[WorkerState]
    WORKER_STATE_READY: _ClassVar[WorkerState]
    WORKER_STATE_BUSY: _ClassVar[WorkerState]
    WORKER_STATE_CRASHED: _ClassVar[WorkerState]
WORKER_STATE_UNSPECIFIED: WorkerState
WORKER_STATE_UNLOADED: WorkerState
WORKER_STATE_STARTING: WorkerState
WORKER_STATE_READY: WorkerState
WORKER_STATE_BUSY: WorkerState
WORKER_STATE_CRASHED: WorkerState

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("version", "protocol", "front_pid", "worker_pid", "worker_state", "device", "front_memory_bytes", "worker_memory_bytes", "device_memory_bytes", "loaded_models", "queue_length", "queue_limit", "uptime_seconds", "idle_unload_in_seconds", "max_message_bytes", "torch_version", "data_folder", "worker_restarts", "address")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    FRONT_PID_FIELD_NUMBER: _ClassVar[int]
    WORKER_PID_FIELD_NUMBER: _ClassVar[int]
    WORKER_STATE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    FRONT_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    WORKER_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEVICE_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOADED_MODELS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    QUEUE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    IDLE_UNLOAD_IN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TORCH_VERSION_FIELD_NUMBER: _ClassVar[int]
    DATA_FOLDER_FIELD_NUMBER: _ClassVar[int]
    WORKER_RESTARTS_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    version: str
    protocol: int
    front_pid: int
    worker_pid: int
    worker_state: WorkerState
    device: str
    front_memory_bytes: int
    worker_memory_bytes: int
    device_memory_bytes: int
    loaded_models: _containers.RepeatedScalarFieldContainer[str]
    queue_length: int
    queue_limit: int
    uptime_seconds: float
    idle_unload_in_seconds: float
    max_message_bytes: int
    torch_version: str
    data_folder: str
    worker_restarts: int
    address: str
    def __init__(self, version: _Optional[str] = ..., protocol: _Optional[int] = ..., front_pid: _Optional[int] = ..., worker_pid: _Optional[int] = ..., worker_state: _Optional[_Union[WorkerState, str]] = ..., device: _Optional[str] = ..., front_memory_bytes: _Optional[int] = ..., worker_memory_bytes: _Optional[int] = ..., device_memory_bytes: _Optional[int] = ..., loaded_models: _Optional[_Iterable[str]] = ..., queue_length: _Optional[int] = ..., queue_limit: _Optional[int] = ..., uptime_seconds: _Optional[float] = ..., idle_unload_in_seconds: _Optional[float] = ..., max_message_bytes: _Optional[int] = ..., torch_version: _Optional[str] = ..., data_folder: _Optional[str] = ..., worker_restarts: _Optional[int] = ..., address: _Optional[str] = ...) -> None: ...

class StopRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StopResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
