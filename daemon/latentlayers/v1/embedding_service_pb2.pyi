from latentlayers.v1 import latent_pb2 as _latent_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LatentFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LATENT_FORMAT_UNSPECIFIED: _ClassVar[LatentFormat]
    LATENT_FORMAT_SAFETENSORS: _ClassVar[LatentFormat]
    LATENT_FORMAT_NPZ: _ClassVar[LatentFormat]
    LATENT_FORMAT_NPY: _ClassVar[LatentFormat]
    LATENT_FORMAT_PT: _ClassVar[LatentFormat]
LATENT_FORMAT_UNSPECIFIED: LatentFormat
LATENT_FORMAT_SAFETENSORS: LatentFormat
LATENT_FORMAT_NPZ: LatentFormat
LATENT_FORMAT_NPY: LatentFormat
LATENT_FORMAT_PT: LatentFormat

class ListEmbeddingsRequest(_message.Message):
    __slots__ = ("model", "page_size", "page_token")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model: str
    page_size: int
    page_token: str
    def __init__(self, model: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListEmbeddingsResponse(_message.Message):
    __slots__ = ("embeddings", "next_page_token")
    EMBEDDINGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    embeddings: _containers.RepeatedCompositeFieldContainer[_latent_pb2.Embedding]
    next_page_token: str
    def __init__(self, embeddings: _Optional[_Iterable[_Union[_latent_pb2.Embedding, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetEmbeddingRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetEmbeddingResponse(_message.Message):
    __slots__ = ("embedding",)
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    embedding: _latent_pb2.Embedding
    def __init__(self, embedding: _Optional[_Union[_latent_pb2.Embedding, _Mapping]] = ...) -> None: ...

class DeleteEmbeddingRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DeleteEmbeddingResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExportEmbeddingRequest(_message.Message):
    __slots__ = ("id", "format")
    ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    id: str
    format: LatentFormat
    def __init__(self, id: _Optional[str] = ..., format: _Optional[_Union[LatentFormat, str]] = ...) -> None: ...

class ExportEmbeddingResponse(_message.Message):
    __slots__ = ("data", "file_name")
    DATA_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    file_name: str
    def __init__(self, data: _Optional[bytes] = ..., file_name: _Optional[str] = ...) -> None: ...

class ImportEmbeddingsRequest(_message.Message):
    __slots__ = ("data", "format", "model", "name")
    DATA_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    format: LatentFormat
    model: str
    name: str
    def __init__(self, data: _Optional[bytes] = ..., format: _Optional[_Union[LatentFormat, str]] = ..., model: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class ImportEmbeddingsResponse(_message.Message):
    __slots__ = ("embeddings",)
    EMBEDDINGS_FIELD_NUMBER: _ClassVar[int]
    embeddings: _containers.RepeatedCompositeFieldContainer[_latent_pb2.Embedding]
    def __init__(self, embeddings: _Optional[_Iterable[_Union[_latent_pb2.Embedding, _Mapping]]] = ...) -> None: ...
