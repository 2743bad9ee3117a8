"""Recordings as files of every format, made by PyAV."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any, Final

import av
import numpy as np

__all__ = ["KINDS", "atom", "encoded", "hum", "id3", "with_cover"]

KINDS: Final[dict[str, tuple[str, str, str, str]]] = {
    # name: container, codec, sample format, media type
    "wav": ("wav", "pcm_s16le", "s16", "audio/wav"),
    "wav24": ("wav", "pcm_s24le", "s32", "audio/wav"),
    "wavfloat": ("wav", "pcm_f32le", "flt", "audio/wav"),
    "wav8": ("wav", "pcm_u8", "u8", "audio/wav"),
    "mulaw": ("wav", "pcm_mulaw", "s16", "audio/wav"),
    "adpcm": ("wav", "adpcm_ima_wav", "s16p", "audio/wav"),
    "mp3": ("mp3", "libmp3lame", "fltp", "audio/mpeg"),
    "flac": ("flac", "flac", "s16", "audio/flac"),
    "vorbis": ("ogg", "vorbis", "fltp", "audio/ogg"),
    "opus": ("ogg", "libopus", "flt", "audio/ogg"),
    "m4a": ("ipod", "aac", "fltp", "audio/mp4"),
    "alac": ("ipod", "alac", "s16p", "audio/mp4"),
    "aac": ("adts", "aac", "fltp", "audio/aac"),
    "webm": ("webm", "libopus", "flt", "audio/webm"),
    "aiff": ("aiff", "pcm_s16be", "s16", "audio/aiff"),
}


def encoded(kind: str, sound: np.ndarray[Any, Any], *, sample_rate_hz: int) -> bytes:
    """`sound`, one row per channel, as a file. Vorbis is stereo whatever the sound is, opus 48 kHz."""
    container, codec, sample_format, _ = KINDS[kind]
    if codec == "vorbis":
        sound = np.broadcast_to(sound, (2, sound.shape[1]))
    layout = {1: "mono", 2: "stereo"}[len(sound)]
    sink = BytesIO()
    with av.open(sink, "w", format=container) as file:
        options = {"strict": "experimental"} if codec == "vorbis" else {}
        stream: Any = file.add_stream(codec, rate=48_000 if codec == "libopus" else sample_rate_hz, options=options)
        stream.layout, stream.format = layout, sample_format
        if codec not in ("flac", "alac") and not codec.startswith(("pcm", "adpcm")):
            stream.bit_rate = 64_000 * len(sound)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound, np.float32), format="fltp", layout=layout)
        frame.sample_rate = sample_rate_hz
        stream.codec_context.open()
        resampler = av.AudioResampler(sample_format, layout, stream.rate, frame_size=stream.codec_context.frame_size)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return sink.getvalue()


def hum(duration_s: float, *, sample_rate_hz: int = 24_000, channels: int = 1) -> np.ndarray[Any, Any]:
    """A tone that comes and goes, quieter in each further channel."""
    seconds = np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz
    tone = 0.5 * np.sin(2 * np.pi * 220 * seconds) * np.sin(2 * np.pi * 3 * seconds) ** 2
    return np.stack([tone / (1 + i) for i in range(channels)]).astype(np.float32)


def id3(frames: bytes, *, size: int | None = None) -> bytes:
    """An ID3v2.3 tag."""
    length = len(frames) if size is None else size
    return b"ID3\3\0\0" + bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0)) + frames


def with_cover(kind: str, clip: bytes, picture: bytes) -> bytes:
    """A clip of kind mp3, flac or m4a with a picture where its format has one."""
    if kind == "flac":
        block = struct.pack(">II", 3, 9) + b"image/png" + struct.pack(">IIIIII", 0, 30_000, 30_000, 24, 0, len(picture))
        block += picture
        return clip[:4] + bytes((clip[4] & 0x7F,)) + clip[5:42] + b"\x06" + len(block).to_bytes(3) + block + clip[42:]
    if kind == "m4a":
        cover = atom(b"covr", atom(b"data", struct.pack(">II", 14, 0) + picture))
        handler = atom(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
        tags = atom(b"udta", atom(b"meta", bytes(4) + handler + atom(b"ilst", cover)))
        at = clip.index(b"moov") - 4
        size = int.from_bytes(clip[at : at + 4])
        return clip[:at] + (size + len(tags)).to_bytes(4) + clip[at + 4 : at + size] + tags + clip[at + size :]
    body = b"\0image/png\0\3\0" + picture
    return id3(b"APIC" + struct.pack(">IH", len(body), 0) + body) + clip


def atom(kind: bytes, body: bytes) -> bytes:
    """A box of an MP4 file."""
    return struct.pack(">I", 8 + len(body)) + kind + body
