"""`POST /audio/speech` and `POST /audio/speech/upload`: one mapping from the request to the use case."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from litestar import post
from litestar.di import NamedDependency

from chatterbox_api_core.speech import SpeechRequest, SpeechService, SpeechStream
from chatterbox_api_core.types import EncodeOptions
from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.forms import read_form
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.litestar_types import AnyRequest
from chatterbox_api_http_litestar.request_body import body_of
from chatterbox_api_http_litestar.request_parsing import parse_speech, read_json
from chatterbox_api_http_litestar.schemas import SpeechBody, VoiceRef
from chatterbox_api_http_litestar.streaming_response import SpeechResponse

__all__ = ["create_speech", "create_speech_from_upload"]

_JSON_FORMAT: Final = "mp3"
_UPLOAD_FORMAT: Final = "wav"
_KNOWN_MODELS: Final = re.compile(r"(tts-1|gpt-4o-mini-tts|chatterbox)([-.:].*)?")


@post("/audio/speech", status_code=200)
async def create_speech(
    request: AnyRequest, speech: NamedDependency[SpeechService], limits: NamedDependency[HttpLimits]
) -> SpeechResponse:
    """Speak a text: JSON in, audio out."""
    values = await read_json(request, limits=limits)
    body = parse_speech(values, from_form=False)
    return SpeechResponse(_stream(speech, body, values, clip=None, default_format=_JSON_FORMAT), limits=limits)


@post("/audio/speech/upload", status_code=200)
async def create_speech_from_upload(
    request: AnyRequest, speech: NamedDependency[SpeechService], limits: NamedDependency[HttpLimits]
) -> SpeechResponse:
    """Speak a text in the voice of a clip that is sent along: a form in, audio out."""
    form = await read_form(request, files=("voice_file",), texts=SpeechBody.__struct_fields__, limits=limits)
    values, file = form.last_texts(), form.files.get("voice_file")
    body = parse_speech(values, from_form=True)
    clip = await file.take() if file else None
    stream = _stream(speech, body, values, clip=clip, default_format=_UPLOAD_FORMAT)
    stream.on_clip_done = body_of(request).close
    return SpeechResponse(stream, limits=limits)


def _stream(
    speech: SpeechService, body: SpeechBody, values: Mapping[str, Any], *, clip: bytes | None, default_format: str
) -> SpeechStream:
    """The use case's stream for a request.

    Args:
        values: the whole request, with the engine's own parameters.
        clip: what was sent along.
        default_format: the audio format where the request names none.
    """
    if body.input is None:
        raise _invalid("'input' is missing. Put the text to be spoken there.", code="empty_input", field="input")
    voice = _voice(body)
    _check_model(body.model, engine=speech.engine)
    return speech.stream(
        SpeechRequest(
            body.input,
            voice=voice,
            clip=clip,
            audio_format=default_format if body.response_format is None else body.response_format,
            streaming=_streaming(body),
            language=body.language,
            text_format="auto" if body.text_format is None else body.text_format,
            speed=1.0 if body.speed is None else body.speed,
            seed=body.seed,
            parameters=_engine_parameters(values, speech),
            options=EncodeOptions(sample_rate_hz=body.sample_rate, loudness_lufs=body.loudness, trim=bool(body.trim)),
            sentence_pause_s=_seconds(body.sentence_pause_ms),
            paragraph_pause_s=_seconds(body.paragraph_pause_ms),
        )
    )


def _voice(body: SpeechBody) -> str | None:
    if not isinstance(body.voice, VoiceRef):
        return body.voice
    if not body.voice.id.strip():
        raise _invalid("'voice.id' is empty.", code="invalid_voice", field="voice")
    return body.voice.id


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _streaming(body: SpeechBody) -> bool | None:
    """Whether the audio is sent as it is made; None leaves it to the format."""
    if body.stream_format not in (None, "audio"):
        message = f"The stream format {body.stream_format!r} is not offered. Use 'audio', or leave it out."
        raise _invalid(message, code="unsupported_stream_format", field="stream_format")
    if body.stream is not None:
        return body.stream
    return True if body.stream_format == "audio" else None


def _engine_parameters(values: Mapping[str, Any], speech: SpeechService) -> dict[str, float | int | str]:
    """The engine's own parameters. A form has them as text, of which numbers are made."""
    parameters: dict[str, float | int | str] = {}
    for spec in speech.capabilities.parameters:
        value = values.get(spec.name)
        if value is None or value == "":
            continue
        if isinstance(value, str) and spec.kind != "str":
            try:
                value = float(value)
            except ValueError:
                message = f"'{spec.name}' must be a number."
                raise _invalid(message, code="invalid_parameter", field=spec.name) from None
        if not isinstance(value, (str, int, float)):
            raise _invalid(f"'{spec.name}' has the wrong type.", code="invalid_parameter", field=spec.name)
        parameters[spec.name] = value
    return parameters


def _check_model(model: str | None, *, engine: str) -> None:
    if model and model != engine and not _KNOWN_MODELS.fullmatch(model):
        message = f"There is no model {model[:64]!r} here; GET /v1/models lists those there are."
        raise RequestError(404, "model_not_found", message, "model")


def _invalid(message: str, *, code: str, field: str) -> RequestError:
    return RequestError(400, code, message, field)
