"""WAV without dependencies: an encoder of 16-bit PCM and a reader of what recorders write.

The layout is that of Microsoft's «Multimedia Programming Interface and Data Specifications 1.0», with
WAVE_FORMAT_EXTENSIBLE from its later revision.
"""

from __future__ import annotations

import math
import struct
import sys
import time
from array import array
from typing import Final

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.formats import WAV
from chatterbox_api_core.model import AudioFormat, Clip, ClipLimits, ClipReport, Effect, Pcm

__all__ = ["WavEncoder", "WavReader"]

_UNKNOWN_SIZE: Final = 0xFFFFFFFF
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE


class WavEncoder:
    """An Encoder of mono 16-bit WAV."""

    formats: tuple[AudioFormat, ...] = (WAV,)
    effects: frozenset[Effect] = frozenset()

    def open(
        self,
        audio_format: AudioFormat,
        *,
        rate_hz: int,
        complete: bool,
        tempo: float = 1.0,
        loudness_lufs: float | None = None,
        trim: bool = False,
        out_rate_hz: int | None = None,
    ) -> _WavEncoding:
        if (tempo, loudness_lufs, trim, out_rate_hz or rate_hz) != (1.0, None, False, rate_hz):
            raise ValueError("this encoder declares no effects")
        return _WavEncoding(rate_hz, complete=complete)


class _WavEncoding:
    def __init__(self, rate_hz: int, *, complete: bool) -> None:
        self._rate_hz, self._complete = rate_hz, complete
        self._held = bytearray()
        self._begun = False

    def feed(self, pcm: Pcm) -> bytes:
        data = _to_s16le(pcm)
        if self._complete:
            self._held += data
            return b""
        return self._head() + data

    def finish(self) -> bytes:
        if self._complete:
            return _header(self._rate_hz, len(self._held)) + self._held
        return self._head()

    def _head(self) -> bytes:
        """The header of a stream, whose length nobody knows yet, before its first bytes."""
        if self._begun:
            return b""
        self._begun = True
        return _header(self._rate_hz, None)


class WavReader:
    """A ClipReader of PCM (8 to 32 bits) and float WAV, any channels, mixed down."""

    def read(self, data: bytes, *, limits: ClipLimits) -> Clip:
        deadline = time.monotonic() + limits.deadline_s
        if len(data) > limits.max_bytes:
            raise InvalidAudio(f"The clip is larger than {limits.max_bytes:,} bytes.", field="voice_file")
        code, channels, rate_hz, bits, body = _chunks(data)
        if not limits.min_rate_hz <= rate_hz <= limits.max_rate_hz:
            raise _broken(f"its rate is {rate_hz} Hz")
        if not 1 <= channels <= limits.max_channels:
            raise _broken(f"it has {channels} channels")
        width = channels * bits // 8
        duration_s = len(body) // width / rate_hz
        if not duration_s:
            raise _broken("it has no sound in it")
        _check_duration(duration_s, limits)
        values = _decode(body[: len(body) // width * width], code, bits, deadline)
        mono = [sum(values[i : i + channels]) / channels for i in range(0, len(values), channels)]
        if not all(map(math.isfinite, mono)):
            raise _broken("it has samples that are not numbers")
        return Clip(Pcm.from_floats(mono, rate_hz=rate_hz), ClipReport(duration_s, rate_hz, channels))


def _check_duration(duration_s: float, limits: ClipLimits) -> None:
    if duration_s < limits.min_duration_s:
        raise InvalidAudio(
            f"The clip lasts {duration_s:.2f} s; at least {limits.min_duration_s:g} s are needed.",
            code="audio_too_short",
            field="voice_file",
            remedy="Record 5 to 15 seconds of one person speaking.",
        )
    if duration_s > limits.max_duration_s:
        raise InvalidAudio(
            f"The clip is longer than {limits.max_duration_s:g} s.",
            code="audio_too_long",
            field="voice_file",
            remedy="Cut out 5 to 15 seconds of one person speaking.",
        )


def _header(rate_hz: int, size_bytes: int | None) -> bytes:
    size = _UNKNOWN_SIZE if size_bytes is None else size_bytes
    riff = _UNKNOWN_SIZE if size_bytes is None else 36 + size_bytes
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", riff, b"WAVE", b"fmt ", 16, _PCM, 1, rate_hz, 2 * rate_hz, 2, 16, b"data", size
    )


def _to_s16le(pcm: Pcm) -> bytes:
    finite = (value if math.isfinite(value) else 0.0 for value in pcm.samples)
    integers = array("h", [max(-32768, min(32767, round(value * 32767))) for value in finite])
    if sys.byteorder == "big":
        integers.byteswap()
    return integers.tobytes()


def _chunks(data: bytes) -> tuple[int, int, int, int, bytes]:
    """(format code, channels, rate, bits, body). Sizes are claims: each is cut to what is there."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise _broken("it is no WAV file")
    described: tuple[int, int, int, int] | None = None
    at = 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + size]
        if kind == b"fmt " and len(body) >= 16:
            code, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
            if code == _EXTENSIBLE and len(body) >= 26:
                (code,) = struct.unpack_from("<H", body, 24)
            described = (code, channels, rate_hz, bits)
        if kind == b"data":
            if described is None:
                break
            if described[0] not in (_PCM, _FLOAT) or described[3] not in (8, 16, 24, 32, 64):
                raise _broken(f"its encoding ({described[0]}, {described[3]} bits) is not read here")
            return *described, body
        at += 8 + size + size % 2
    raise _broken("it has no sound in it")


def _decode(body: bytes, code: int, bits: int, deadline: float) -> list[float]:
    if code == _FLOAT:
        if bits not in (32, 64):
            raise _broken(f"its encoding (float, {bits} bits) is not read here")
        return list(struct.unpack(f"<{len(body) * 8 // bits}{'f' if bits == 32 else 'd'}", body))
    if bits == 8:
        return [(value - 128) / 128 for value in body]
    if bits == 24:
        body = b"".join(b"\0" + body[i : i + 3] for i in range(0, len(body), 3))
        bits = 32
    if bits not in (16, 32):
        raise _broken(f"its encoding ({bits} bits) is not read here")
    full = 2.0 ** (bits - 1)
    values: list[float] = []
    count = 1 << 18
    for begin in range(0, len(body), count * bits // 8):
        if time.monotonic() > deadline:
            raise _broken("it takes too long to decode")
        part = body[begin : begin + count * bits // 8]
        integers = struct.unpack(f"<{len(part) * 8 // bits}{'h' if bits == 16 else 'i'}", part)
        values.extend(value / full for value in integers)
    return values


def _broken(reason: str) -> InvalidAudio:
    return InvalidAudio(
        f"The clip cannot be read: {reason}.",
        field="voice_file",
        remedy="Send a recording as a WAV file.",
    )
