"""The bodies of requests and responses, as Structs: one field for each field on the wire, in its order."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from chatterbox_api_core.types import ParameterSpec

__all__ = [
    "AliasChange",
    "AliasList",
    "AudioModelList",
    "CustomVoicePage",
    "CustomVoiceRemoval",
    "CustomVoiceView",
    "DefaultVoiceView",
    "ErrorBody",
    "ErrorDetails",
    "HealthView",
    "LanguageList",
    "LanguageView",
    "ModelList",
    "ModelView",
    "PingView",
    "ReadyView",
    "ReportView",
    "RequestCounts",
    "SpeechBody",
    "VoiceAddition",
    "VoiceBody",
    "VoiceChange",
    "VoiceDetails",
    "VoiceNames",
    "VoicePage",
    "VoiceRef",
    "VoiceRemoval",
    "VoiceView",
    "WatermarkView",
]


class VoiceRef(Struct):
    """A voice in a speech request of OpenAI's clients: `{"id": "voice_..."}`."""

    id: str


class SpeechBody(Struct):
    """A speech request: OpenAI's fields and, from `language` on, this service's own.

    null counts as left out. Unknown fields are ignored; an engine's own parameters are among them.
    """

    input: str | None = None
    model: str | None = None
    voice: str | VoiceRef | None = None
    response_format: str | None = None
    speed: float | None = None
    stream: bool | None = None
    stream_format: str | None = None
    language: str | None = None
    text_format: str | None = None
    seed: int | None = None
    sample_rate: int | None = None
    loudness: float | None = None
    trim: bool | None = None
    sentence_pause_ms: float | None = None
    paragraph_pause_ms: float | None = None


class VoiceBody(Struct):
    """A request about a voice; each route reads the fields that it has.

    Attributes:
        language, consent: UNSET leaves the value as it is; None and "" clear it.
    """

    voice_name: str | None = None
    name: str | None = None
    new_name: str | None = None
    alias: str | None = None
    aliases: list[str] | None = None
    language: str | UnsetType | None = UNSET
    consent: str | UnsetType | None = UNSET
    type: str | None = None


class VoiceView(Struct, kw_only=True):
    """A voice. `path` is always null: no path of the server is shown.

    Attributes:
        filename: the name and the extension of the clip's format.
        original_filename: the name of the file that was uploaded; `filename` where it had none.
        file_hash: SHA-256 of the clip, in lower-case hex.
        upload_date, updated_at: ISO 8601, with the offset from UTC.
    """

    id: str
    name: str
    aliases: tuple[str, ...]
    language: str | None
    duration_s: float
    media_type: str
    filename: str
    original_filename: str
    file_extension: str
    file_size: int
    file_hash: str
    path: None = None
    upload_date: str
    updated_at: str
    revision: int
    consent: str | None


class VoicePage(Struct):
    """Voices in order of creation; `count` is how many this page has."""

    voices: list[VoiceView]
    count: int


class VoiceDetails(Struct):
    """One voice."""

    voice: VoiceView


class ReportView(Struct, kw_only=True):
    """The report on a clip; a measurement that was not made is null. Core's `ClipReport` describes each.

    Attributes:
        rate_hz: samples a second of the sound in the file.
    """

    duration_s: float
    rate_hz: int
    channels: int
    media_type: str
    level_dbfs: float | None
    peak_dbfs: float | None
    clipped: int | None
    noise_dbfs: float | None
    speech_share: float | None
    bandwidth_hz: int | None
    missing_s: float
    cut_off: bool
    damaged: int
    tracks: int
    advice: tuple[str, ...]


class VoiceAddition(Struct):
    """A voice that has been added, and the report on its clip."""

    message: str
    voice: VoiceView
    report: ReportView


class VoiceChange(Struct):
    """A voice that has been changed. `report` is left out where its clip is the same as before."""

    message: str
    old_name: str
    new_name: str
    voice: VoiceView
    report: ReportView | UnsetType = UNSET


class VoiceRemoval(Struct):
    """A voice that has been removed."""

    message: str
    voice_name: str
    id: str


class VoiceNames(Struct):
    """Every name that a speech request takes: `default`, then each name and alias."""

    voice_names: list[str]
    count: int


class AliasList(Struct):
    """The aliases of a voice."""

    voice_name: str
    aliases: tuple[str, ...]
    count: int


class AliasChange(Struct):
    """An alias that has been added or removed, and those that the voice has now."""

    message: str
    voice_name: str
    alias: str
    aliases: tuple[str, ...]


class DefaultVoiceView(Struct, kw_only=True):
    """The library's default voice.

    Attributes:
        message: left out of the answer to GET.
        default_voice: its name; None where the library has none.
        source: `voice_library`, or `file_system` where the library has none.
        path: null where the library has none, else left out.
        voice_info: left out where the library has none.
    """

    message: str | UnsetType = UNSET
    default_voice: str | None = None
    source: Literal["voice_library", "file_system"] = "file_system"
    path: UnsetType | None = UNSET
    voice_info: VoiceView | UnsetType = UNSET


class CustomVoiceView(Struct):
    """A voice as one of OpenAI's custom voices. No consent: clients list these without a key.

    Attributes:
        created_at: seconds since the epoch.
    """

    id: str
    created_at: int
    name: str
    object: str = "audio.voice"
    type: str = "audio_sample"


class CustomVoicePage(Struct):
    """Custom voices: the default voice first, then the library's in order of creation."""

    voices: list[CustomVoiceView]


class CustomVoiceRemoval(Struct):
    """A custom voice that has been removed."""

    id: str
    deleted: bool = True
    object: str = "audio.voice.deleted"


class WatermarkView(Struct):
    """Whether a recording carries a watermark.

    Attributes:
        confidence: that it does, from 0 to 1.
        duration_s: how much of the recording was judged, from its beginning.
    """

    watermarked: bool
    confidence: float
    duration_s: float


class ModelView(Struct, kw_only=True):
    """A name by which clients may call the engine, and the engine's own parameters.

    Attributes:
        created: when the service was started, in seconds since the epoch.
    """

    id: str
    object: str = "model"
    created: int
    owned_by: str = "chatterbox-api"
    parameters: tuple[ParameterSpec, ...]


class ModelList(Struct, kw_only=True):
    """The models, as OpenAI's API lists them."""

    object: str = "list"
    data: list[ModelView]


class AudioModelList(Struct):
    """The models, as clients for speech list them."""

    models: list[ModelView]


class LanguageView(Struct):
    """A language that the engine speaks: its tag, such as `en` or `pt-br`, and its English name."""

    code: str
    name: str


class LanguageList(Struct):
    """The languages of the engine; empty where it has no choice."""

    languages: list[LanguageView]
    count: int
    model_type: str


class RequestCounts(Struct):
    """Speech requests that are running, and those that wait in the queue."""

    running: int
    waiting: int


class HealthView(Struct):
    """The service is alive, whether or not it can speak right now."""

    status: str
    version: str
    engine: str
    clones: bool
    formats: list[str]
    requests: RequestCounts


class PingView(Struct):
    """The service is alive."""

    status: str = "ok"
    message: str = "Chatterbox API is running"


class ReadyView(Struct):
    """The service can speak."""

    status: str = "ready"


class ErrorDetails(Struct):
    """What is wrong.

    Attributes:
        type: `invalid_request_error`, `rate_limit_error` or `server_error`.
        param: the field of the request that is wrong, or a setting; None where no field is.
        code: a stable word for programs.
    """

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(Struct):
    """An error, as OpenAI's clients read it."""

    error: ErrorDetails
