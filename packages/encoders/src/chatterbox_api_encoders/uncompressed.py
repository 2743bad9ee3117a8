"""Uncompressed formats by numpy: byte for byte what FFmpeg writes, in a fraction of the time.

FFmpeg makes a frame, converts it, makes a packet and muxes it, for a piece of sound that is only to be rounded. These
formats are what an event loop can encode by itself.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from chatterbox_api_core.formats import PCM, WAV, WAV_24, WAV_FLOAT
from chatterbox_api_core.ports import ByteSink
from chatterbox_api_core.types import Pcm
from chatterbox_api_encoders.effects import Effects, Samples
from chatterbox_api_encoders.samples import finite

__all__ = ["UNCOMPRESSED", "UncompressedStreamEncoder"]

_UNKNOWN_SIZE: Final = 0xFFFF_FFFF
_INTEGER, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_FRONT_CENTER: Final = 4
"""The one speaker of a mono sound, in the extensible format's mask."""
_GUID_TAIL: Final = bytes.fromhex("000000001000800000aa00389b71")
"""What follows the kind of samples in the extensible format's identifier."""


def _to_s16(samples: Samples) -> bytes:
    rounded: Samples = np.clip(np.rint(samples * np.float32(2**15)), -(2**15), 2**15 - 1)
    return rounded.astype("<i2").tobytes()


def _to_s24(samples: Samples) -> bytes:
    """The upper three bytes of 32-bit integers, as FFmpeg takes them."""
    wide = np.rint(samples * np.float32(2**31)) / np.float32(2**8)  # exact: floats of 24 bits, and powers of two
    upper = np.minimum(np.floor(wide), np.float32(2**23 - 1)).astype("<i4")
    data: bytes = upper.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    return data


def _to_float(samples: Samples) -> bytes:
    return samples.astype("<f4").tobytes()


@dataclass(frozen=True, slots=True)
class _Row:
    """How a format stores a sample, and whether a RIFF header comes before the samples."""

    convert: Callable[[Samples], bytes]
    kind: int
    sample_bytes: int
    has_header: bool = True


UNCOMPRESSED: Final[Mapping[str, _Row]] = {
    WAV.name: _Row(_to_s16, _INTEGER, 2),
    WAV_24.name: _Row(_to_s24, _INTEGER, 3),
    WAV_FLOAT.name: _Row(_to_float, _FLOAT, 4),
    PCM.name: _Row(_to_s16, _INTEGER, 2, has_header=False),
}
"""By the format's name."""


class UncompressedStreamEncoder:
    """A StreamEncoder: samples -> effects -> integers or floats -> bytes."""

    def __init__(
        self, audio_format: str, sink: ByteSink, effects: Effects, *, sample_rate_hz: int, streaming: bool
    ) -> None:
        self._row, self._sink, self._effects = UNCOMPRESSED[audio_format], sink, effects
        self._rate_hz, self._streaming = sample_rate_hz, streaming
        self._size_bytes = 0
        if self._row.has_header:
            sink.write(self._header(None))

    def encode(self, pcm: Pcm) -> None:
        if len(pcm):
            self._write(self._effects.push(finite(pcm)))

    def flush(self) -> None:
        self._write(self._effects.flush())
        if self._row.has_header and not self._streaming:
            if self._size_bytes % 2:
                self._sink.write(b"\0")  # a chunk of RIFF has an even size
            self._sink.seek(0)
            self._sink.write(self._header(self._size_bytes))

    def _write(self, samples: Samples) -> None:
        if len(samples):
            self._size_bytes += self._sink.write(self._row.convert(samples))

    def _header(self, size_bytes: int | None) -> bytes:
        """The chunks before the samples; a size that is not known yet is the largest.

        The format chunk is the shortest that describes the samples: more than 16 bits take the extensible one. Where
        the size is known, a count of samples comes with floats.
        """
        row, rate_hz = self._row, self._rate_hz
        layout = struct.pack("<HIIHH", 1, rate_hz, row.sample_bytes * rate_hz, row.sample_bytes, 8 * row.sample_bytes)
        chunks = b""
        if row.sample_bytes == 3:
            extension = struct.pack("<HHI", 22, 24, _FRONT_CENTER) + struct.pack("<H", row.kind) + _GUID_TAIL
            chunks += _chunk(b"fmt ", struct.pack("<H", _EXTENSIBLE) + layout + extension)
        elif row.kind == _FLOAT:
            chunks += _chunk(b"fmt ", struct.pack("<H", row.kind) + layout + struct.pack("<H", 0))
            if not self._streaming:
                chunks += _chunk(b"fact", struct.pack("<I", (size_bytes or 0) // row.sample_bytes))
        else:
            chunks += _chunk(b"fmt ", struct.pack("<H", row.kind) + layout)
        if size_bytes is None:
            riff_bytes = data_bytes = _UNKNOWN_SIZE
        else:
            data_bytes = size_bytes
            riff_bytes = len(b"WAVE") + len(chunks) + 8 + size_bytes + size_bytes % 2
        return struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE") + chunks + struct.pack("<4sI", b"data", data_bytes)


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data
