from latentlayers.v1 import latent_pb2 as _latent_pb2
from latentlayers.v1 import picture_pb2 as _picture_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PHASE_UNSPECIFIED: _ClassVar[Phase]
    PHASE_QUEUED: _ClassVar[Phase]
    PHASE_LOADING: _ClassVar[Phase]
    PHASE_EMBEDDING: _ClassVar[Phase]
    PHASE_RENDERING: _ClassVar[Phase]

class PasteMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PASTE_MODE_UNSPECIFIED: _ClassVar[PasteMode]
    PASTE_MODE_NONE: _ClassVar[PasteMode]
    PASTE_MODE_REPLACE: _ClassVar[PasteMode]
    PASTE_MODE_RESIDUAL: _ClassVar[PasteMode]

class NoiseMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOISE_MODE_UNSPECIFIED: _ClassVar[NoiseMode]
    NOISE_MODE_CONST: _ClassVar[NoiseMode]
    NOISE_MODE_NONE: _ClassVar[NoiseMode]
    NOISE_MODE_RANDOM: _ClassVar[NoiseMode]
PHASE_UNSPECIFIED: Phase
PHASE_QUEUED: Phase
PHASE_LOADING: Phase
PHASE_EMBEDDING: Phase
PHASE_RENDERING: Phase
PASTE_MODE_UNSPECIFIED: PasteMode
PASTE_MODE_NONE: PasteMode
PASTE_MODE_REPLACE: PasteMode
PASTE_MODE_RESIDUAL: PasteMode
NOISE_MODE_UNSPECIFIED: NoiseMode
NOISE_MODE_CONST: NoiseMode
NOISE_MODE_NONE: NoiseMode
NOISE_MODE_RANDOM: NoiseMode

class Progress(_message.Message):
    __slots__ = ("phase", "role", "step", "total", "eta_seconds", "objective", "psnr", "preview")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    ETA_SECONDS_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    PSNR_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    phase: Phase
    role: str
    step: int
    total: int
    eta_seconds: float
    objective: float
    psnr: float
    preview: _picture_pb2.Picture
    def __init__(self, phase: _Optional[_Union[Phase, str]] = ..., role: _Optional[str] = ..., step: _Optional[int] = ..., total: _Optional[int] = ..., eta_seconds: _Optional[float] = ..., objective: _Optional[float] = ..., psnr: _Optional[float] = ..., preview: _Optional[_Union[_picture_pb2.Picture, _Mapping]] = ...) -> None: ...

class Embedded(_message.Message):
    __slots__ = ("role", "embedding", "reused")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    REUSED_FIELD_NUMBER: _ClassVar[int]
    role: str
    embedding: _latent_pb2.Embedding
    reused: bool
    def __init__(self, role: _Optional[str] = ..., embedding: _Optional[_Union[_latent_pb2.Embedding, _Mapping]] = ..., reused: _Optional[bool] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("picture", "index", "count", "weight", "latent")
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    LATENT_FIELD_NUMBER: _ClassVar[int]
    picture: _picture_pb2.Picture
    index: int
    count: int
    weight: float
    latent: _latent_pb2.Latent
    def __init__(self, picture: _Optional[_Union[_picture_pb2.Picture, _Mapping]] = ..., index: _Optional[int] = ..., count: _Optional[int] = ..., weight: _Optional[float] = ..., latent: _Optional[_Union[_latent_pb2.Latent, _Mapping]] = ...) -> None: ...

class Notice(_message.Message):
    __slots__ = ("reason", "message", "remedy")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    remedy: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., remedy: _Optional[str] = ...) -> None: ...

class EditEvent(_message.Message):
    __slots__ = ("progress", "embedded", "image", "notice")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    EMBEDDED_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    progress: Progress
    embedded: Embedded
    image: Image
    notice: Notice
    def __init__(self, progress: _Optional[_Union[Progress, _Mapping]] = ..., embedded: _Optional[_Union[Embedded, _Mapping]] = ..., image: _Optional[_Union[Image, _Mapping]] = ..., notice: _Optional[_Union[Notice, _Mapping]] = ...) -> None: ...

class OutputOptions(_message.Message):
    __slots__ = ("paste", "feather", "format", "resolution", "latents", "selection", "layer")
    PASTE_FIELD_NUMBER: _ClassVar[int]
    FEATHER_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    LATENTS_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    paste: PasteMode
    feather: float
    format: _picture_pb2.PixelFormat
    resolution: int
    latents: bool
    selection: _picture_pb2.Picture
    layer: bool
    def __init__(self, paste: _Optional[_Union[PasteMode, str]] = ..., feather: _Optional[float] = ..., format: _Optional[_Union[_picture_pb2.PixelFormat, str]] = ..., resolution: _Optional[int] = ..., latents: _Optional[bool] = ..., selection: _Optional[_Union[_picture_pb2.Picture, _Mapping]] = ..., layer: _Optional[bool] = ...) -> None: ...

class EmbedRequest(_message.Message):
    __slots__ = ("source", "options", "output")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    source: _latent_pb2.PictureSource
    options: _latent_pb2.EmbedOptions
    output: OutputOptions
    def __init__(self, source: _Optional[_Union[_latent_pb2.PictureSource, _Mapping]] = ..., options: _Optional[_Union[_latent_pb2.EmbedOptions, _Mapping]] = ..., output: _Optional[_Union[OutputOptions, _Mapping]] = ...) -> None: ...

class EmbedResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: EditEvent
    def __init__(self, event: _Optional[_Union[EditEvent, _Mapping]] = ...) -> None: ...

class Weights(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class MorphRequest(_message.Message):
    __slots__ = ("a", "b", "weights", "frames", "embed", "output", "latest_wins_key")
    A_FIELD_NUMBER: _ClassVar[int]
    B_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    EMBED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    LATEST_WINS_KEY_FIELD_NUMBER: _ClassVar[int]
    a: _latent_pb2.Source
    b: _latent_pb2.Source
    weights: Weights
    frames: int
    embed: _latent_pb2.EmbedOptions
    output: OutputOptions
    latest_wins_key: str
    def __init__(self, a: _Optional[_Union[_latent_pb2.Source, _Mapping]] = ..., b: _Optional[_Union[_latent_pb2.Source, _Mapping]] = ..., weights: _Optional[_Union[Weights, _Mapping]] = ..., frames: _Optional[int] = ..., embed: _Optional[_Union[_latent_pb2.EmbedOptions, _Mapping]] = ..., output: _Optional[_Union[OutputOptions, _Mapping]] = ..., latest_wins_key: _Optional[str] = ...) -> None: ...

class MorphResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: EditEvent
    def __init__(self, event: _Optional[_Union[EditEvent, _Mapping]] = ...) -> None: ...

class CrossoverRequest(_message.Message):
    __slots__ = ("content", "style", "rows", "row_weights", "mask", "embed", "output", "latest_wins_key")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    STYLE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    ROW_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    EMBED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    LATEST_WINS_KEY_FIELD_NUMBER: _ClassVar[int]
    content: _latent_pb2.Source
    style: _latent_pb2.Source
    rows: str
    row_weights: _containers.RepeatedScalarFieldContainer[float]
    mask: _picture_pb2.Picture
    embed: _latent_pb2.EmbedOptions
    output: OutputOptions
    latest_wins_key: str
    def __init__(self, content: _Optional[_Union[_latent_pb2.Source, _Mapping]] = ..., style: _Optional[_Union[_latent_pb2.Source, _Mapping]] = ..., rows: _Optional[str] = ..., row_weights: _Optional[_Iterable[float]] = ..., mask: _Optional[_Union[_picture_pb2.Picture, _Mapping]] = ..., embed: _Optional[_Union[_latent_pb2.EmbedOptions, _Mapping]] = ..., output: _Optional[_Union[OutputOptions, _Mapping]] = ..., latest_wins_key: _Optional[str] = ...) -> None: ...

class CrossoverResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: EditEvent
    def __init__(self, event: _Optional[_Union[EditEvent, _Mapping]] = ...) -> None: ...

class TransferExpressionRequest(_message.Message):
    __slots__ = ("target", "neutral", "expressive", "strengths", "rows", "noise_threshold", "embed", "output", "latest_wins_key")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    NEUTRAL_FIELD_NUMBER: _ClassVar[int]
    EXPRESSIVE_FIELD_NUMBER: _ClassVar[int]
    STRENGTHS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    NOISE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    EMBED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    LATEST_WINS_KEY_FIELD_NUMBER: _ClassVar[int]
    target: _latent_pb2.Source
    neutral: _latent_pb2.Source
    expressive: _latent_pb2.Source
    strengths: _containers.RepeatedScalarFieldContainer[float]
    rows: str
    noise_threshold: float
    embed: _latent_pb2.EmbedOptions
    output: OutputOptions
    latest_wins_key: str
    def __init__(self, target: _Optional[_Union[_latent_pb2.Source, _Mapping]] = ..., neutral: _Optional[_Union[_latent_pb2.Source, _Mapping]] = ..., expressive: _Optional[_Union[_latent_pb2.Source, _Mapping]] = ..., strengths: _Optional[_Iterable[float]] = ..., rows: _Optional[str] = ..., noise_threshold: _Optional[float] = ..., embed: _Optional[_Union[_latent_pb2.EmbedOptions, _Mapping]] = ..., output: _Optional[_Union[OutputOptions, _Mapping]] = ..., latest_wins_key: _Optional[str] = ...) -> None: ...

class TransferExpressionResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: EditEvent
    def __init__(self, event: _Optional[_Union[EditEvent, _Mapping]] = ...) -> None: ...

class ApplyDirectionRequest(_message.Message):
    __slots__ = ("source", "direction", "strengths", "rows", "embed", "output", "latest_wins_key")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    STRENGTHS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    EMBED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    LATEST_WINS_KEY_FIELD_NUMBER: _ClassVar[int]
    source: _latent_pb2.Source
    direction: str
    strengths: _containers.RepeatedScalarFieldContainer[float]
    rows: str
    embed: _latent_pb2.EmbedOptions
    output: OutputOptions
    latest_wins_key: str
    def __init__(self, source: _Optional[_Union[_latent_pb2.Source, _Mapping]] = ..., direction: _Optional[str] = ..., strengths: _Optional[_Iterable[float]] = ..., rows: _Optional[str] = ..., embed: _Optional[_Union[_latent_pb2.EmbedOptions, _Mapping]] = ..., output: _Optional[_Union[OutputOptions, _Mapping]] = ..., latest_wins_key: _Optional[str] = ...) -> None: ...

class ApplyDirectionResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: EditEvent
    def __init__(self, event: _Optional[_Union[EditEvent, _Mapping]] = ...) -> None: ...

class RenderRequest(_message.Message):
    __slots__ = ("source", "truncation", "noise_mode", "embed", "output", "latest_wins_key")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TRUNCATION_FIELD_NUMBER: _ClassVar[int]
    NOISE_MODE_FIELD_NUMBER: _ClassVar[int]
    EMBED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    LATEST_WINS_KEY_FIELD_NUMBER: _ClassVar[int]
    source: _latent_pb2.Source
    truncation: float
    noise_mode: NoiseMode
    embed: _latent_pb2.EmbedOptions
    output: OutputOptions
    latest_wins_key: str
    def __init__(self, source: _Optional[_Union[_latent_pb2.Source, _Mapping]] = ..., truncation: _Optional[float] = ..., noise_mode: _Optional[_Union[NoiseMode, str]] = ..., embed: _Optional[_Union[_latent_pb2.EmbedOptions, _Mapping]] = ..., output: _Optional[_Union[OutputOptions, _Mapping]] = ..., latest_wins_key: _Optional[str] = ...) -> None: ...

class RenderResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: EditEvent
    def __init__(self, event: _Optional[_Union[EditEvent, _Mapping]] = ...) -> None: ...
