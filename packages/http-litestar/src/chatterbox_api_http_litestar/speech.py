"""`POST /audio/speech` and `POST /audio/speech/upload`: one mapping from the request to the use case."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler

from chatterbox_api_core.errors import InvalidInput
from chatterbox_api_core.speech import SpeechService
from chatterbox_api_http_litestar.answer import SpeechAnswer
from chatterbox_api_http_litestar.bodies import SpeechBody, VoiceRef, parse_speech, read_json
from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.forms import read_form
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.request_body import body_of

__all__ = ["speech_routes"]

_JSON_FORMAT: Final = "mp3"
_UPLOAD_FORMAT: Final = "wav"
_KNOWN_MODELS = re.compile(r"(tts-1|gpt-4o-mini-tts|chatterbox)([-.:].*)?")


def speech_routes(speech: SpeechService, *, limits: HttpLimits) -> list[HTTPRouteHandler]:
    @post("/audio/speech", status_code=200, request_max_body_size=limits.body_bytes)
    async def create_speech(request: Request[Any, Any, Any]) -> SpeechAnswer:
        """Speak a text: JSON in, audio out."""
        values = await read_json(request, limits=limits)
        body = parse_speech(values, from_form=False)
        return _answer(body, values, clip=None, default_format=_JSON_FORMAT)

    @post("/audio/speech/upload", status_code=200, request_max_body_size=limits.upload_bytes)
    async def create_speech_from_upload(request: Request[Any, Any, Any]) -> SpeechAnswer:
        """Speak a text in the voice of a clip that is sent along: a form in, audio out."""
        form = await read_form(request, files=("voice_file",), texts=SpeechBody.__struct_fields__, limits=limits)
        values, file = form.last_texts(), form.files.get("voice_file")
        body = parse_speech(values, from_form=True)
        clip = await file.take() if file else None
        answer = _answer(body, values, clip=clip, default_format=_UPLOAD_FORMAT)
        answer.stream.on_clip_done = body_of(request).close
        return answer

    def _answer(
        body: SpeechBody, values: Mapping[str, Any], *, clip: bytes | None, default_format: str
    ) -> SpeechAnswer:
        if body.input is None:
            raise InvalidInput(
                "'input' is missing.", code="empty_input", field="input", remedy="Put the text to be spoken there."
            )
        if isinstance(body.voice, VoiceRef) and not body.voice.id.strip():
            raise InvalidInput("'voice.id' is empty.", code="invalid_voice", field="voice")
        _check_model(body.model, engine=speech.engine)
        return SpeechAnswer(
            speech.stream(
                body.input,
                voice=body.voice.id if isinstance(body.voice, VoiceRef) else body.voice,
                clip=clip,
                audio_format=default_format if body.response_format is None else body.response_format,
                complete=_complete(body),
                language=body.language,
                text_format="auto" if body.text_format is None else body.text_format,
                speed=1.0 if body.speed is None else body.speed,
                seed=body.seed,
                params=_engine_params(values, speech),
                sample_rate_hz=body.sample_rate,
                loudness_lufs=body.loudness,
                trim=bool(body.trim),
                sentence_pause_s=_seconds(body.sentence_pause_ms),
                paragraph_pause_s=_seconds(body.paragraph_pause_ms),
            ),
            limits=limits,
        )

    return [create_speech, create_speech_from_upload]


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _complete(body: SpeechBody) -> bool | None:
    """What the request says about streaming; None leaves it to the format."""
    if body.stream_format not in (None, "audio"):
        raise InvalidInput(
            f"The stream format {body.stream_format!r} is not offered.",
            code="unsupported_stream_format",
            field="stream_format",
            remedy="Use 'audio', or leave it out.",
        )
    if body.stream is not None:
        return not body.stream
    return False if body.stream_format == "audio" else None


def _engine_params(values: Mapping[str, Any], speech: SpeechService) -> dict[str, float | int | str]:
    """The engine's own parameters. In a form they come as text, and a number is made of what looks like one."""
    params: dict[str, float | int | str] = {}
    for spec in speech.capabilities.parameters:
        value = values.get(spec.name)
        if value is None or value == "":
            continue
        if isinstance(value, str) and spec.kind != "str":
            try:
                value = float(value)
            except ValueError:
                raise InvalidInput(
                    f"'{spec.name}' must be a number.", code="invalid_parameter", field=spec.name
                ) from None
        if not isinstance(value, (str, int, float)):
            raise InvalidInput(f"'{spec.name}' has the wrong type.", code="invalid_parameter", field=spec.name)
        params[spec.name] = value
    return params


def _check_model(model: str | None, *, engine: str) -> None:
    if model and model != engine and not _KNOWN_MODELS.fullmatch(model):
        message = f"There is no model {model[:64]!r} here; GET /v1/models lists those there are."
        raise RequestError(404, "model_not_found", message, "model")
