"""Errors name fields as the wire does, whatever core calls them."""

from __future__ import annotations

import pytest

from chatterbox_api_http_litestar.errors import WIRE_FIELDS, wire_field
from chatterbox_api_http_litestar.routes.table import HANDLERS
from chatterbox_api_http_litestar.schemas import SpeechBody, VoiceBody

WIRE_NAMES = {*SpeechBody.__struct_fields__, *VoiceBody.__struct_fields__}
FILE_FIELDS = {"voice_file", "audio_sample", "file"}
ADDRESS_PARAMETERS = {"after", "limit"}


def test_the_table_names_handlers_and_fields_that_there_are() -> None:
    assert set(WIRE_FIELDS) <= {handler.fn.__name__ for handler in HANDLERS}
    for fields in WIRE_FIELDS.values():
        assert set(fields.values()) <= WIRE_NAMES | FILE_FIELDS | ADDRESS_PARAMETERS


@pytest.mark.parametrize(
    ("handler", "field", "wire"),
    [
        ("create_speech", "audio_format", "response_format"),
        ("create_speech", "options.sample_rate_hz", "sample_rate"),
        ("create_speech", "options.trim", "trim"),
        ("create_speech", "pauses.sentence_s", "sentence_pause_ms"),
        ("create_speech", "text", "input"),
        ("create_speech", "tempo", "speed"),
        ("create_speech", "voice", "voice"),
        ("create_speech", "R2_BUCKET_NAME", "R2_BUCKET_NAME"),
        ("create_speech_from_upload", "clip", "voice_file"),
        ("create_voice", "alias", "aliases"),
        ("create_voice", "clip", "voice_file"),
        ("create_custom_voice", "clip", "audio_sample"),
        ("check_watermark", "clip", "file"),
        ("set_default_voice", "voice", "voice_name"),
        ("get_voice", "voice", "voice"),
        ("", "voice", "voice"),
        ("get_voice", None, None),
    ],
)
def test_a_field_of_core_has_a_name_on_the_wire(handler: str, field: str | None, wire: str | None) -> None:
    assert wire_field(handler, field) == wire
