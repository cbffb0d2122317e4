from latentlayers.v1 import picture_pb2 as _picture_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LatentSpace(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LATENT_SPACE_UNSPECIFIED: _ClassVar[LatentSpace]
    LATENT_SPACE_W_PLUS: _ClassVar[LatentSpace]
    LATENT_SPACE_W: _ClassVar[LatentSpace]
    LATENT_SPACE_Z: _ClassVar[LatentSpace]

class Likeness(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LIKENESS_UNSPECIFIED: _ClassVar[Likeness]
    LIKENESS_GOOD: _ClassVar[Likeness]
    LIKENESS_FAIR: _ClassVar[Likeness]
    LIKENESS_POOR: _ClassVar[Likeness]
LATENT_SPACE_UNSPECIFIED: LatentSpace
LATENT_SPACE_W_PLUS: LatentSpace
LATENT_SPACE_W: LatentSpace
LATENT_SPACE_Z: LatentSpace
LIKENESS_UNSPECIFIED: Likeness
LIKENESS_GOOD: Likeness
LIKENESS_FAIR: Likeness
LIKENESS_POOR: Likeness

class Latent(_message.Message):
    __slots__ = ("ws", "rows", "width", "model_digest")
    WS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ws: bytes
    rows: int
    width: int
    model_digest: str
    def __init__(self, ws: _Optional[bytes] = ..., rows: _Optional[int] = ..., width: _Optional[int] = ..., model_digest: _Optional[str] = ...) -> None: ...

class Embedding(_message.Message):
    __slots__ = ("id", "name", "model", "model_digest", "space", "preset", "seed", "steps", "seconds", "objective", "psnr", "perceptual", "distance_from_mean", "likeness", "likeness_text", "frame", "source_width", "source_height", "created", "latent", "thumbnail")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    PRESET_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    PSNR_FIELD_NUMBER: _ClassVar[int]
    PERCEPTUAL_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FROM_MEAN_FIELD_NUMBER: _ClassVar[int]
    LIKENESS_FIELD_NUMBER: _ClassVar[int]
    LIKENESS_TEXT_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_WIDTH_FIELD_NUMBER: _ClassVar[int]
    SOURCE_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    LATENT_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    model: str
    model_digest: str
    space: LatentSpace
    preset: str
    seed: int
    steps: int
    seconds: float
    objective: float
    psnr: float
    perceptual: float
    distance_from_mean: float
    likeness: Likeness
    likeness_text: str
    frame: _picture_pb2.Affine
    source_width: int
    source_height: int
    created: float
    latent: Latent
    thumbnail: bytes
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., model: _Optional[str] = ..., model_digest: _Optional[str] = ..., space: _Optional[_Union[LatentSpace, str]] = ..., preset: _Optional[str] = ..., seed: _Optional[int] = ..., steps: _Optional[int] = ..., seconds: _Optional[float] = ..., objective: _Optional[float] = ..., psnr: _Optional[float] = ..., perceptual: _Optional[float] = ..., distance_from_mean: _Optional[float] = ..., likeness: _Optional[_Union[Likeness, str]] = ..., likeness_text: _Optional[str] = ..., frame: _Optional[_Union[_picture_pb2.Affine, _Mapping]] = ..., source_width: _Optional[int] = ..., source_height: _Optional[int] = ..., created: _Optional[float] = ..., latent: _Optional[_Union[Latent, _Mapping]] = ..., thumbnail: _Optional[bytes] = ...) -> None: ...

class PictureSource(_message.Message):
    __slots__ = ("picture", "frame", "mask", "name", "latent")
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LATENT_FIELD_NUMBER: _ClassVar[int]
    picture: _picture_pb2.Picture
    frame: _picture_pb2.FrameSpec
    mask: _picture_pb2.Picture
    name: str
    latent: Latent
    def __init__(self, picture: _Optional[_Union[_picture_pb2.Picture, _Mapping]] = ..., frame: _Optional[_Union[_picture_pb2.FrameSpec, _Mapping]] = ..., mask: _Optional[_Union[_picture_pb2.Picture, _Mapping]] = ..., name: _Optional[str] = ..., latent: _Optional[_Union[Latent, _Mapping]] = ...) -> None: ...

class SampleSource(_message.Message):
    __slots__ = ("seed", "truncation", "label")
    SEED_FIELD_NUMBER: _ClassVar[int]
    TRUNCATION_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    seed: int
    truncation: float
    label: int
    def __init__(self, seed: _Optional[int] = ..., truncation: _Optional[float] = ..., label: _Optional[int] = ...) -> None: ...

class Source(_message.Message):
    __slots__ = ("embedding_id", "latent", "picture", "sample")
    EMBEDDING_ID_FIELD_NUMBER: _ClassVar[int]
    LATENT_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    embedding_id: str
    latent: Latent
    picture: PictureSource
    sample: SampleSource
    def __init__(self, embedding_id: _Optional[str] = ..., latent: _Optional[_Union[Latent, _Mapping]] = ..., picture: _Optional[_Union[PictureSource, _Mapping]] = ..., sample: _Optional[_Union[SampleSource, _Mapping]] = ...) -> None: ...

class EmbedOptions(_message.Message):
    __slots__ = ("model", "preset", "space", "seed", "refresh", "max_steps", "preview_interval_ms")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PRESET_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    REFRESH_FIELD_NUMBER: _ClassVar[int]
    MAX_STEPS_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    model: str
    preset: str
    space: LatentSpace
    seed: int
    refresh: bool
    max_steps: int
    preview_interval_ms: int
    def __init__(self, model: _Optional[str] = ..., preset: _Optional[str] = ..., space: _Optional[_Union[LatentSpace, str]] = ..., seed: _Optional[int] = ..., refresh: _Optional[bool] = ..., max_steps: _Optional[int] = ..., preview_interval_ms: _Optional[int] = ...) -> None: ...
