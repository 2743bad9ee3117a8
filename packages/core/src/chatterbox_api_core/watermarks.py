"""Whether a recording carries a watermark: the use case, over any clip reader and any detector."""

from __future__ import annotations

from typing import Final

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.ports import ClipReader, WatermarkDetector
from chatterbox_api_core.speech.request_queue import RequestQueue
from chatterbox_api_core.types import ClipLimits, WatermarkFinding

__all__ = ["Watermarks"]

_REMEDIES: Final = {
    "audio_too_short": "Too little can be told from less.",
    "audio_too_long": "Send a part of it.",
}
"""By code; a clip reader's own are for whoever clones a voice."""


class Watermarks:
    """The use case. Used on one event loop.

        watermarks = Watermarks(detector=detector, clip_reader=WavReader())
        finding = await watermarks.check(Path("speech.wav").read_bytes())

    Args:
        detector: judges the sound.
        clip_reader: decodes the recording.
        limits: what a recording may be; those of a clip when None.
        queue: how many recordings are judged at once, and how many may wait; one and 16 when None.
    """

    def __init__(
        self,
        *,
        detector: WatermarkDetector,
        clip_reader: ClipReader,
        limits: ClipLimits | None = None,
        queue: RequestQueue | None = None,
    ) -> None:
        self._detector, self._clip_reader = detector, clip_reader
        self._limits = limits or ClipLimits()
        self._queue = queue or RequestQueue(slots=1, max_waiting=16, wait_s=60.0)

    async def check(self, data: bytes) -> WatermarkFinding:
        """Judge a recording, a file of any format that the clip reader reads.

        Raises:
            InvalidAudio: it cannot be read, or is too short or too long; the field is `file`.
            Overloaded: the queue is full.
            DeadlineExceeded: it waited for too long.
            SynthesisFailed: the detector fails on this sound.
            Unavailable: detector or clip reader cannot serve now.
            ConfigurationError: something that the detector needs is not installed.
        """
        with self._queue.reserve() as reservation:
            await reservation.wait()
            try:
                clip = await self._clip_reader.read(data, limits=self._limits)
            except InvalidAudio as error:
                remedy = _REMEDIES.get(error.code, error.remedy)
                raise InvalidAudio(error.message, code=error.code, field="file", remedy=remedy) from error
            return await self._detector.detect(clip.pcm)
