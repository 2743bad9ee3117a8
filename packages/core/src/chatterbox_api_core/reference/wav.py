"""WAV without dependencies: an encoder of 16-bit PCM and a reader of what recorders write.

The layout is that of Microsoft's «Multimedia Programming Interface and Data Specifications 1.0», with
WAVE_FORMAT_EXTENSIBLE from its later revision.
"""

from __future__ import annotations

import asyncio
import math
import struct
import sys
import time
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.formats import WAV
from chatterbox_api_core.ports import ByteSink
from chatterbox_api_core.reference.listening import listen, offset_of
from chatterbox_api_core.types import AudioFormat, Clip, ClipLimits, ClipReport, Effect, EncodeOptions, Pcm
from chatterbox_api_core.voices import clip_refusals
from chatterbox_api_core.voices.clip_report import with_advice

__all__ = ["WavEncoder", "WavReader"]

_UNKNOWN_SIZE: Final = 0xFFFFFFFF
_UNKNOWN_FROM: Final = 0x7FFF_0000
"""Sizes that programs write before they know better: 0x7FFFFFFF, 0xFFFFFFFF, and a header less than these."""
_LONGEST_S: Final = 24 * 3600.0
"""Whoever promises more does not know the length."""
_LOUDEST: Final = 1e6
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_FULL: Final = {(_PCM, 8): 2.0**7, (_PCM, 16): 2.0**15, (_PCM, 24): 2.0**31, (_PCM, 32): 2.0**31}
_LETTERS: Final = {(_PCM, 16): "h", (_PCM, 32): "i", (_FLOAT, 32): "f", (_FLOAT, 64): "d"}
_READ: Final = frozenset((*_FULL, (_FLOAT, 32), (_FLOAT, 64)))


class WavEncoder:
    """An Encoder of mono 16-bit WAV."""

    formats: tuple[AudioFormat, ...] = (WAV,)
    effects: frozenset[Effect] = frozenset()

    def open(
        self,
        audio_format: AudioFormat,
        sink: ByteSink,
        *,
        input_rate_hz: int,
        streaming: bool,
        options: EncodeOptions,
    ) -> _WavStreamEncoder:
        if options.effects:
            raise ValueError("this encoder declares no effects")
        return _WavStreamEncoder(sink, input_rate_hz, streaming=streaming)


class _WavStreamEncoder:
    def __init__(self, sink: ByteSink, sample_rate_hz: int, *, streaming: bool) -> None:
        self._sink, self._rate_hz, self._streaming = sink, sample_rate_hz, streaming
        self._size_bytes = 0
        sink.write(_header(sample_rate_hz, None))

    def encode(self, pcm: Pcm) -> None:
        self._size_bytes += self._sink.write(_to_s16le(pcm))

    def flush(self) -> None:
        if not self._streaming:
            self._sink.seek(0)
            self._sink.write(_header(self._rate_hz, self._size_bytes))


class WavReader:
    """A ClipReader of PCM (8 to 32 bits) and float WAV, any channels, mixed down.

    Of the report it leaves out `bandwidth_hz`, which needs a Fourier transform; the rest costs it about as much time
    as decoding does. Clipping and peak are those of the mixed sound. A constant offset is taken off.
    """

    async def read(self, data: bytes, *, limits: ClipLimits) -> Clip:
        return await asyncio.to_thread(self.decode, data, limits=limits)

    def decode(self, data: bytes, *, limits: ClipLimits) -> Clip:
        """As `read`, in the caller's thread."""
        deadline = time.monotonic() + limits.deadline_s
        clip_refusals.check_size(data, limits)
        kind, promised, body = _chunks(data)
        clip_refusals.check_kind(kind.sample_rate_hz, kind.channels, limits)
        count = len(body) // kind.width
        if not count:
            raise clip_refusals.no_sound()
        _check_duration(count / kind.sample_rate_hz, limits)
        mono = _decode(body[: count * kind.width], kind, deadline)
        offset = offset_of(mono, sample_rate_hz=kind.sample_rate_hz)
        if not any(mono) or (offset and max(mono) == min(mono)):
            raise clip_refusals.silent()
        report = ClipReport(
            duration_s=count / kind.sample_rate_hz,
            sample_rate_hz=kind.sample_rate_hz,
            channels=kind.channels,
            missing_s=round(_missing_s(promised / kind.width / kind.sample_rate_hz, count / kind.sample_rate_hz), 3),
            **listen(mono, sample_rate_hz=kind.sample_rate_hz, offset=offset),
        )
        if offset:
            mono = array("f", [value - offset for value in mono])
        return Clip(Pcm(memoryview(mono), kind.sample_rate_hz), with_advice(report))


def _missing_s(promised_s: float, decoded_s: float) -> float:
    return promised_s - decoded_s if decoded_s < promised_s <= _LONGEST_S else 0.0


def _check_duration(duration_s: float, limits: ClipLimits) -> None:
    if duration_s < limits.min_duration_s:
        raise clip_refusals.too_short(duration_s, limits)
    if duration_s > limits.max_duration_s:
        raise clip_refusals.too_long(limits)


def _header(sample_rate_hz: int, size_bytes: int | None) -> bytes:
    size = _UNKNOWN_SIZE if size_bytes is None else size_bytes
    riff = _UNKNOWN_SIZE if size_bytes is None else 36 + size_bytes
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        riff,
        b"WAVE",
        b"fmt ",
        16,
        _PCM,
        1,
        sample_rate_hz,
        2 * sample_rate_hz,
        2,
        16,
        b"data",
        size,
    )


def _to_s16le(pcm: Pcm) -> bytes:
    finite = (value if math.isfinite(value) else 0.0 for value in pcm.samples)
    integers = array("h", [max(-32768, min(32767, round(value * 32767))) for value in finite])
    if sys.byteorder == "big":
        integers.byteswap()
    return integers.tobytes()


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the chunk «fmt » says, once it is found to be something that is read here."""

    code: int
    channels: int
    sample_rate_hz: int
    bits: int

    @property
    def width(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.bits // 8


def _chunks(data: bytes) -> tuple[_Kind, int, bytes]:
    """(kind, bytes promised, body). Sizes are claims: each is cut to what is there."""
    if data[:4] == b"RIFX":
        raise _broken("this is a big-endian WAV (RIFX) file, which is not read here")
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise _broken("it is no WAV file")
    kind: _Kind | None = None
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + size]
        if name == b"fmt " and len(body) >= 16:
            code, channels, sample_rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
            if code == _EXTENSIBLE and len(body) >= 26:
                (code,) = struct.unpack_from("<H", body, 24)
            kind = _Kind(code, channels, sample_rate_hz, bits)
        if name == b"data":
            if kind is None:
                break
            if (kind.code, kind.bits) not in _READ:
                raise _broken(f"its encoding ({kind.code}, {kind.bits} bits) is not read here")
            return kind, size if size < _UNKNOWN_FROM else 0, body
        at += 8 + size + size % 2
    raise clip_refusals.no_sound()


def _decode(body: bytes, kind: _Kind, deadline: float) -> array[float]:
    """The mean of the channels, taken a stretch at a time, so that lists of Python's numbers stay short."""
    mono = array("f")
    step = kind.width * (1 << 16)
    for begin in range(0, len(body), step):
        if time.monotonic() > deadline:
            raise clip_refusals.too_slow()
        values = _values(body[begin : begin + step], kind)
        if kind.channels > 1:
            values = map(sum, zip(*[iter(values)] * kind.channels, strict=True))
        full = _FULL.get((kind.code, kind.bits), 1.0) * kind.channels
        part = array("f", [value / full for value in values])
        if not all(map(math.isfinite, part)):
            raise clip_refusals.no_numbers()
        if max(part) > _LOUDEST or min(part) < -_LOUDEST:
            raise clip_refusals.too_loud()
        mono.extend(part)
    return mono


def _values(part: bytes, kind: _Kind) -> Iterable[float]:
    """The samples as they are written; those of 8 bits have their zero at 128."""
    if kind.bits == 8:
        return [value - 128 for value in part]
    if kind.bits == 24:
        part = b"".join(b"\0" + part[i : i + 3] for i in range(0, len(part), 3))
    letter = _LETTERS[kind.code, 32 if kind.bits == 24 else kind.bits]
    return struct.unpack(f"<{len(part) // struct.calcsize(letter)}{letter}", part)


def _broken(reason: str) -> InvalidAudio:
    return clip_refusals.unreadable(reason, remedy="Send a recording as a WAV file.")
