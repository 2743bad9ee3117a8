"""Every handler of the API: a new route is written in its module and listed here."""

from __future__ import annotations

from typing import Final

from chatterbox_api_http_litestar.routes import openai_voices, speech, status, voices, watermark

__all__ = ["HANDLERS"]

HANDLERS: Final = (
    speech.create_speech,
    speech.create_speech_from_upload,
    voices.list_voices,
    voices.create_voice,
    voices.list_voice_names,
    voices.get_voice,
    voices.change_voice,
    voices.remove_voice,
    voices.download_voice,
    voices.list_aliases,
    voices.add_alias,
    voices.remove_alias,
    voices.get_default_voice,
    voices.set_default_voice,
    voices.clear_default_voice,
    openai_voices.list_custom_voices,
    openai_voices.create_custom_voice,
    openai_voices.get_custom_voice,
    openai_voices.delete_custom_voice,
    watermark.check_watermark,
    status.list_models,
    status.list_audio_models,
    status.get_model,
    status.list_languages,
    status.health,
    status.ping,
    status.ready,
)
