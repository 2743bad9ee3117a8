"""Makes the Structs and headers of responses of core's voices."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from chatterbox_api_core.formats import CLIP_EXTENSIONS
from chatterbox_api_core.types import ClipReport, Voice
from chatterbox_api_http_litestar.schemas import CustomVoiceView, ReportView, VoiceView

__all__ = ["attachment", "custom_voice_view", "default_custom_voice_view", "report_view", "voice_view"]

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9 ._-]")


def voice_view(voice: Voice) -> VoiceView:
    """A voice, as the routes below `/voices` show it."""
    extension = _extension(voice)
    return VoiceView(
        id=voice.id,
        name=voice.name,
        aliases=voice.aliases,
        language=voice.language,
        duration_s=voice.duration_s,
        media_type=voice.media_type,
        filename=f"{voice.name}{extension}",
        original_filename=_original_filename(voice),
        file_extension=extension,
        file_size=voice.size_bytes,
        file_hash=voice.sha256,
        upload_date=voice.created_at.isoformat(),
        updated_at=voice.updated_at.isoformat(),
        revision=voice.revision,
        consent=voice.consent,
    )


def report_view(report: ClipReport) -> ReportView:
    """The report on a clip."""
    return ReportView(
        duration_s=report.duration_s,
        rate_hz=report.sample_rate_hz,
        channels=report.channels,
        media_type=report.media_type,
        level_dbfs=report.level_dbfs,
        peak_dbfs=report.peak_dbfs,
        clipped=report.clipped,
        noise_dbfs=report.noise_dbfs,
        speech_share=report.speech_share,
        bandwidth_hz=report.bandwidth_hz,
        missing_s=report.missing_s,
        cut_off=report.cut_off,
        damaged=report.damaged,
        tracks=report.tracks,
        advice=report.advice,
    )


def custom_voice_view(voice: Voice) -> CustomVoiceView:
    """A voice, as one of OpenAI's custom voices."""
    return CustomVoiceView(id=voice.id, created_at=int(voice.created_at.timestamp()), name=voice.name)


def default_custom_voice_view(default: Voice | None) -> CustomVoiceView:
    """The default voice, as one of OpenAI's custom voices: clients offer what is listed.

    Every route that takes a voice takes its id, `default`, also where the library has no default voice.
    """
    created_at = 0 if default is None else int(default.created_at.timestamp())
    return CustomVoiceView(id="default", created_at=created_at, name="Default")


def attachment(voice: Voice) -> str:
    """The Content-Disposition of a voice's clip, its original file name as RFC 6266 and RFC 5987 write it."""
    filename = _original_filename(voice)
    return f"attachment; filename=\"{_UNSAFE.sub('_', filename)}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _original_filename(voice: Voice) -> str:
    return voice.filename or f"{voice.name}{_extension(voice)}"


def _extension(voice: Voice) -> str:
    return CLIP_EXTENSIONS.get(voice.media_type, "")
