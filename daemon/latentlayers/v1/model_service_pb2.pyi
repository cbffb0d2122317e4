from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CatalogueKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CATALOGUE_KIND_UNSPECIFIED: _ClassVar[CatalogueKind]
    CATALOGUE_KIND_GENERATOR: _ClassVar[CatalogueKind]
    CATALOGUE_KIND_FEATURES: _ClassVar[CatalogueKind]

class AddPhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ADD_PHASE_UNSPECIFIED: _ClassVar[AddPhase]
    ADD_PHASE_CONNECTING: _ClassVar[AddPhase]
    ADD_PHASE_DOWNLOADING: _ClassVar[AddPhase]
    ADD_PHASE_CHECKING: _ClassVar[AddPhase]
    ADD_PHASE_CONVERTING: _ClassVar[AddPhase]
CATALOGUE_KIND_UNSPECIFIED: CatalogueKind
CATALOGUE_KIND_GENERATOR: CatalogueKind
CATALOGUE_KIND_FEATURES: CatalogueKind
ADD_PHASE_UNSPECIFIED: AddPhase
ADD_PHASE_CONNECTING: AddPhase
ADD_PHASE_DOWNLOADING: AddPhase
ADD_PHASE_CHECKING: AddPhase
ADD_PHASE_CONVERTING: AddPhase

class Model(_message.Message):
    __slots__ = ("name", "family", "resolution", "num_ws", "w_dim", "z_dim", "c_dim", "licence", "provenance", "digest", "domain", "directions", "shipped", "loaded", "problem", "converting", "source_format", "source_sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    NUM_WS_FIELD_NUMBER: _ClassVar[int]
    W_DIM_FIELD_NUMBER: _ClassVar[int]
    Z_DIM_FIELD_NUMBER: _ClassVar[int]
    C_DIM_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    DIRECTIONS_FIELD_NUMBER: _ClassVar[int]
    SHIPPED_FIELD_NUMBER: _ClassVar[int]
    LOADED_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    CONVERTING_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    family: str
    resolution: int
    num_ws: int
    w_dim: int
    z_dim: int
    c_dim: int
    licence: str
    provenance: str
    digest: str
    domain: str
    directions: _containers.RepeatedScalarFieldContainer[str]
    shipped: bool
    loaded: bool
    problem: str
    converting: bool
    source_format: str
    source_sha256: str
    def __init__(self, name: _Optional[str] = ..., family: _Optional[str] = ..., resolution: _Optional[int] = ..., num_ws: _Optional[int] = ..., w_dim: _Optional[int] = ..., z_dim: _Optional[int] = ..., c_dim: _Optional[int] = ..., licence: _Optional[str] = ..., provenance: _Optional[str] = ..., digest: _Optional[str] = ..., domain: _Optional[str] = ..., directions: _Optional[_Iterable[str]] = ..., shipped: _Optional[bool] = ..., loaded: _Optional[bool] = ..., problem: _Optional[str] = ..., converting: _Optional[bool] = ..., source_format: _Optional[str] = ..., source_sha256: _Optional[str] = ...) -> None: ...

class Layer(_message.Message):
    __slots__ = ("name", "kind", "rows", "resolution", "channels_in", "channels_out", "kernel", "noise", "parameters")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_IN_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_OUT_FIELD_NUMBER: _ClassVar[int]
    KERNEL_FIELD_NUMBER: _ClassVar[int]
    NOISE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    rows: _containers.RepeatedScalarFieldContainer[int]
    resolution: int
    channels_in: int
    channels_out: int
    kernel: int
    noise: int
    parameters: int
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., rows: _Optional[_Iterable[int]] = ..., resolution: _Optional[int] = ..., channels_in: _Optional[int] = ..., channels_out: _Optional[int] = ..., kernel: _Optional[int] = ..., noise: _Optional[int] = ..., parameters: _Optional[int] = ...) -> None: ...

class DescribeModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DescribeModelResponse(_message.Message):
    __slots__ = ("model", "layers", "parameters", "file_size")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    FILE_SIZE_FIELD_NUMBER: _ClassVar[int]
    model: Model
    layers: _containers.RepeatedCompositeFieldContainer[Layer]
    parameters: int
    file_size: int
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., layers: _Optional[_Iterable[_Union[Layer, _Mapping]]] = ..., parameters: _Optional[int] = ..., file_size: _Optional[int] = ...) -> None: ...

class CatalogueEntry(_message.Message):
    __slots__ = ("name", "kind", "title", "family", "resolution", "url", "size", "sha256", "licence", "licence_url", "installed", "file")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    LICENCE_URL_FIELD_NUMBER: _ClassVar[int]
    INSTALLED_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: CatalogueKind
    title: str
    family: str
    resolution: int
    url: str
    size: int
    sha256: str
    licence: str
    licence_url: str
    installed: bool
    file: str
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[CatalogueKind, str]] = ..., title: _Optional[str] = ..., family: _Optional[str] = ..., resolution: _Optional[int] = ..., url: _Optional[str] = ..., size: _Optional[int] = ..., sha256: _Optional[str] = ..., licence: _Optional[str] = ..., licence_url: _Optional[str] = ..., installed: _Optional[bool] = ..., file: _Optional[str] = ...) -> None: ...

class ListCatalogueRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCatalogueResponse(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[CatalogueEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[CatalogueEntry, _Mapping]]] = ...) -> None: ...

class AddModelRequest(_message.Message):
    __slots__ = ("source", "name", "sha256", "licence_accepted", "mirror")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    LICENCE_ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    MIRROR_FIELD_NUMBER: _ClassVar[int]
    source: str
    name: str
    sha256: str
    licence_accepted: bool
    mirror: str
    def __init__(self, source: _Optional[str] = ..., name: _Optional[str] = ..., sha256: _Optional[str] = ..., licence_accepted: _Optional[bool] = ..., mirror: _Optional[str] = ...) -> None: ...

class AddProgress(_message.Message):
    __slots__ = ("phase", "bytes", "total", "eta_seconds", "attempt")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    ETA_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    phase: AddPhase
    bytes: int
    total: int
    eta_seconds: float
    attempt: int
    def __init__(self, phase: _Optional[_Union[AddPhase, str]] = ..., bytes: _Optional[int] = ..., total: _Optional[int] = ..., eta_seconds: _Optional[float] = ..., attempt: _Optional[int] = ...) -> None: ...

class AddModelResponse(_message.Message):
    __slots__ = ("progress", "notice", "model")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    progress: AddProgress
    notice: str
    model: Model
    def __init__(self, progress: _Optional[_Union[AddProgress, _Mapping]] = ..., notice: _Optional[str] = ..., model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "default_model")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_MODEL_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    default_model: str
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., default_model: _Optional[str] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class ImportModelRequest(_message.Message):
    __slots__ = ("path", "name", "licence", "provenance", "domain")
    PATH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    path: str
    name: str
    licence: str
    provenance: str
    domain: str
    def __init__(self, path: _Optional[str] = ..., name: _Optional[str] = ..., licence: _Optional[str] = ..., provenance: _Optional[str] = ..., domain: _Optional[str] = ...) -> None: ...

class ImportModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class LoadModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class LoadModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class UnloadModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class UnloadModelResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RemoveModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class RemoveModelResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchModelsResponse(_message.Message):
    __slots__ = ("models", "default_model")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_MODEL_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    default_model: str
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., default_model: _Optional[str] = ...) -> None: ...
