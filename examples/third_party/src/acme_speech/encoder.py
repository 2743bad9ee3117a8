"""AU, Sun's audio format: a header that may leave the length open, then 16-bit samples, the high byte first."""

from __future__ import annotations

import math
import struct
from typing import Final

from chatterbox_api_core.ports import ByteSink
from chatterbox_api_core.types import AudioFormat, Effect, EncodeOptions, Pcm

__all__ = ["AU", "AuEncoder"]

AU: Final = AudioFormat("au", "audio/x-au", ".au", streams=True, help="16-bit PCM that can be streamed")

_LINEAR_16: Final = 3
_UNKNOWN_SIZE: Final = 0xFFFFFFFF


class AuEncoder:
    """An Encoder of mono AU."""

    formats: tuple[AudioFormat, ...] = (AU,)
    effects: frozenset[Effect] = frozenset()

    def open(
        self,
        audio_format: AudioFormat,
        sink: ByteSink,
        *,
        input_rate_hz: int,
        streaming: bool,
        options: EncodeOptions,
    ) -> _AuStreamEncoder:
        return _AuStreamEncoder(sink, input_rate_hz, streaming=streaming)


class _AuStreamEncoder:
    def __init__(self, sink: ByteSink, sample_rate_hz: int, *, streaming: bool) -> None:
        self._sink, self._rate_hz, self._streaming = sink, sample_rate_hz, streaming
        self._size_bytes = 0
        sink.write(_header(sample_rate_hz, _UNKNOWN_SIZE))

    def encode(self, pcm: Pcm) -> None:
        self._size_bytes += self._sink.write(_to_s16be(pcm))

    def flush(self) -> None:
        if not self._streaming:
            self._sink.seek(0)
            self._sink.write(_header(self._rate_hz, self._size_bytes))


def _header(sample_rate_hz: int, size_bytes: int) -> bytes:
    """Magic, where the sound begins, its size, its encoding, its rate, one channel, an empty annotation."""
    return struct.pack(">4s5I4x", b".snd", 28, size_bytes, _LINEAR_16, sample_rate_hz, 1)


def _to_s16be(pcm: Pcm) -> bytes:
    finite = (value if math.isfinite(value) else 0.0 for value in pcm.samples)
    return struct.pack(f">{len(pcm)}h", *(max(-32768, min(32767, round(value * 32767))) for value in finite))
