"""What is no recording that is read here is called by its name, and each reason has a remedy that fits."""

from __future__ import annotations

import random
import struct
import zlib
from io import BytesIO
from typing import Any

import av
import numpy as np
import pytest
from encoders.clip_files import atom, encoded, hum, id3

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.reference import WavReader
from chatterbox_api_core.types import ClipLimits
from chatterbox_api_encoders.clip_reader import InProcessClipReader

WRITTEN = {
    # container, codec: what it is called
    ("caf", "pcm_s16be"): "a CAF file",
    ("caf", "alac"): "a CAF file",
    ("asf", "wmav2"): "a Windows Media (WMA, ASF) file",
    ("w64", "pcm_s16le"): "a Wave64 (W64) file",
    ("au", "pcm_s16be"): "an AU file",
    ("ac3", "ac3"): "an AC-3 file",
    ("avi", "mp2"): "an AVI video",
    ("wv", "wavpack"): "a WavPack file",
    ("tta", "tta"): "a True Audio (TTA) file",
    ("voc", "pcm_u8"): "a Creative Voice (VOC) file",
    ("mpegts", "aac"): "an MPEG transport stream",
    ("flv", "libmp3lame"): "a Flash video (FLV)",
    ("rm", "ac3"): "a RealMedia file",
}
BY_HAND: dict[str, tuple[bytes, str]] = {
    "amr": (b"#!AMR\n" + b"\x3c" + bytes(31) * 50, "an AMR file"),
    "amr-wb": (b"#!AMR-WB\n" + bytes(3000), "an AMR file"),
    "silk": (b"\x02#!SILK_V3" + bytes(3000), "a SILK file"),
    "midi": (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk" + bytes(300), "a MIDI file"),
    "midi in riff": (b"RIFF\0\4\0\0RMIDdata" + bytes(900), "a MIDI file"),
    "webp": (b"RIFF\0\4\0\0WEBPVP8 " + bytes(900), "a WebP picture"),
    "riff of something": (b"RIFF\0\4\0\0ABCDdata" + bytes(900), "a RIFF file without sound"),
    "rifx": (b"RIFX" + encoded("wav", hum(1.3), sample_rate_hz=24_000)[4:], "a big-endian WAV (RIFX) file"),
    "ape": (b"MAC \x96\x0f" + bytes(900), "a Monkey's Audio (APE) file"),
    "dts": (b"\x7f\xfe\x80\x01" + bytes(900), "a DTS file"),
    "ac-3, other order": (b"\x77\x0b" + bytes(900), "an AC-3 file"),
    "dsf": (b"DSD " + bytes(900), "a DSF file"),
    "heic": (struct.pack(">I", 24) + b"ftypheic" + bytes(900), "a HEIC picture"),
    "avif": (struct.pack(">I", 24) + b"ftypavif" + bytes(900), "an AVIF picture"),
    "audible": (struct.pack(">I", 24) + b"ftypaax " + bytes(900), "a protected Audible (AAX) file"),
    "jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(900), "a JPEG picture"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(900), "a PNG picture"),
    "gif": (b"GIF89a" + bytes(900), "a GIF picture"),
    "bmp": (b"BM" + bytes(900), "a BMP picture"),
    "tiff": (b"II*\0" + bytes(900), "a TIFF picture"),
    "zip": (b"PK\3\4" + zlib.compress(bytes(9000)), "a zip archive (or a document made of one)"),
    "gzip": (b"\x1f\x8b\x08\0" + bytes(900), "a gzip archive"),
    "bzip2": (b"BZh91AY&SY" + bytes(900), "a bzip2 archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(900), "a 7-Zip archive"),
    "tar": (bytes(257) + b"ustar" + bytes(900), "a tar archive"),
    "pdf": (b"%PDF-1.7\n" + bytes(900), "a PDF document"),
    "doc": (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(900), "a Microsoft Office document"),
    "program": (b"\x7fELF\2\1\1" + bytes(900), "a program"),
    "script": (b"#!/bin/sh\necho\n", "a script"),
    "html": (b"\xef\xbb\xbf\r\n<!DOCTYPE html><html></html>", "a web page (HTML)"),
    "xml": (b"<?xml version='1.0'?><a/>", "XML text"),
    "svg": (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG picture"),
    "json": (b'{"error": "not found"}', "JSON text"),
    "playlist": (b"#EXTM3U\nhttp://127.0.0.1/a.wav\n", "a playlist"),
    "data url": (b"data:audio/wav;base64,UklGRiQAAABXQVZF", "text (a data URL)"),
    "text": ("Grüße und schöne Worte. ".encode() * 20, "text"),
    "old text": ("Grüße und schöne Worte. ".encode("latin-1") * 20, "text"),
    "utf-16": ("Grüße und schöne Worte. ".encode("utf-16") * 2, "text"),
}


def refused(data: bytes, **limits: Any) -> InvalidAudio:
    with pytest.raises(InvalidAudio) as caught:
        InProcessClipReader().decode(data, limits=ClipLimits(deadline_s=60, **limits))
    assert caught.value.field == "clip"
    assert caught.value.remedy
    return caught.value


def written(container: str, codec: str, *, pictures: bool = False) -> bytes:
    sink = BytesIO()
    with av.open(sink, "w", format=container) as file:
        stream: Any
        if pictures:
            stream = file.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            frames: list[Any] = [av.VideoFrame(64, 64, "yuv420p") for _ in range(30)]
        else:
            stream = file.add_stream(codec, rate=44_100)
            stream.layout, stream.bit_rate = "mono", 128_000
            stream.codec_context.open()
            sound = hum(1.3, sample_rate_hz=44_100)
            frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="mono")
            frame.sample_rate = 44_100
            context = stream.codec_context
            resampler = av.AudioResampler(context.format, "mono", 44_100, frame_size=context.frame_size)
            frames = [*resampler.resample(frame), *resampler.resample(None)]
        for part in frames:
            file.mux(stream.encode(part))
        file.mux([packet for packet in stream.encode(None) if packet.size])
    return sink.getvalue()


@pytest.mark.parametrize(("container", "codec"), WRITTEN)
def test_a_good_file_of_another_container_is_called_by_its_name(container: str, codec: str) -> None:
    error = refused(written(container, codec))
    assert error.message == f"The clip cannot be read: this is {WRITTEN[container, codec]}, which is not supported."
    assert "Send a recording as wav, mp3" in str(error)


@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("tagged", [False, True])
def test_what_is_something_else_is_called_by_its_name(name: str, tagged: bool) -> None:
    data, called = BY_HAND[name]
    assert f"this is {called}, which is not supported." in refused(id3(bytes(99)) + data if tagged else data).message


@pytest.mark.parametrize(("container", "codec"), [("mp4", "mpeg4"), ("webm", "libvpx"), ("matroska", "mpeg4")])
def test_a_video_without_sound(container: str, codec: str) -> None:
    assert "it has pictures and no sound" in refused(written(container, codec, pictures=True)).message


def test_an_encoding_that_is_not_read_is_named() -> None:
    assert "its encoding (ATSC A/52A (AC-3)) is not supported" in refused(written("matroska", "ac3")).message


def test_an_mp3_that_begins_with_other_bytes_is_still_an_mp3() -> None:
    """One that was cut at its beginning has any bytes there, also those of a shorter name."""
    data = encoded("mp3", hum(2.0), sample_rate_hz=24_000)
    sound = data[data.index(b"\xff\xf3") + 400 :]
    for begin in (b"", b"MZ", b"BM", b"\x0b\x77", b"\x1f\x8b", b"BZh", b"\xff\xd8\xff"):
        report = InProcessClipReader().decode(begin + sound, limits=ClipLimits(deadline_s=60)).report
        assert report.media_type == "audio/mpeg", begin


def test_bytes_that_are_nothing() -> None:
    assert "it is empty" in refused(b"").message
    assert "contains only zeros" in refused(bytes(50_000)).message
    for seed in range(5):
        assert "it is damaged or not an audio file" in refused(random.Random(seed).randbytes(20_000)).message


def test_protected_and_odd_mp4_files_say_what_they_are() -> None:
    movie = encoded("m4a", hum(1.3), sample_rate_hz=24_000)
    assert "it is protected (DRM)" in refused(movie + atom(b"moof", atom(b"traf", atom(b"senc", bytes(8))))).message
    compressed = atom(b"moov", atom(b"cmov", atom(b"dcom", b"zlib")))
    assert "its header is compressed" in refused(movie[: movie.index(b"mdat") - 4] + compressed).message
    assert "it is a picture" in refused(movie + atom(b"meta", bytes(4) + atom(b"iloc", bytes(8)))).message


TONE = hum(2.0)
REASONS: dict[str, tuple[bytes, dict[str, Any], str, str]] = {
    # name: (file, limits, a part of the message, the remedy begins with)
    "silent": (encoded("wav", 0 * TONE, sample_rate_hz=24_000), {}, "it is silent", "Record again"),
    "cancelled": (
        encoded("wav", np.concatenate((TONE, -TONE)), sample_rate_hz=24_000),
        {},
        "its channels cancel each other out",
        "Send one channel",
    ),
    "rate": (encoded("flac", TONE, sample_rate_hz=384_000), {}, "its rate is 384000 Hz", "Resample it"),
    "low rate": (encoded("wav", TONE, sample_rate_hz=2_000), {}, "its rate is 2000 Hz", "Resample it"),
    "channels": (encoded("wav", TONE, sample_rate_hz=24_000), {"max_channels": 0}, "it has 1 channels", "Mix it down"),
    "no numbers": (
        encoded("wavfloat", TONE * np.float32("nan"), sample_rate_hz=24_000),
        {},
        "samples that are not numbers",
        "Export it again as",
    ),
    "too loud": (
        encoded("wavfloat", TONE * np.float32(1e9), sample_rate_hz=24_000),
        {},
        "are no sound",
        "Export it again as",
    ),
    "too large": (
        encoded("wav", TONE, sample_rate_hz=24_000),
        {"max_bytes": 1000},
        "at most 1,000 are allowed",
        "Cut out",
    ),
    "too long": (encoded("wav", TONE, sample_rate_hz=24_000), {"max_duration_s": 1.5}, "longer than 1.5 s", "Cut out"),
    "too short": (encoded("wav", TONE[:, :9000], sample_rate_hz=24_000), {}, "at least 1 s", "Record 5 to 15"),
}


@pytest.mark.parametrize("name", REASONS)
def test_each_reason_has_a_remedy_that_fits(name: str) -> None:
    data, limits, message, remedy = REASONS[name]
    error = refused(data, **limits)
    assert message in error.message
    assert error.remedy is not None
    assert error.remedy.startswith(remedy)
    if data[:4] == b"RIFF" and name != "cancelled":  # which a mean of samples hears as silence
        with pytest.raises(InvalidAudio) as caught:
            WavReader().decode(data, limits=ClipLimits(deadline_s=60, **limits))
        assert (caught.value.message, caught.value.remedy) == (error.message, error.remedy)


def test_the_reader_without_dependencies_names_big_endian_files() -> None:
    with pytest.raises(InvalidAudio, match=r"RIFX") as caught:
        WavReader().decode(BY_HAND["rifx"][0], limits=ClipLimits())
    assert caught.value.remedy == "Send a recording as a WAV file."


@pytest.mark.parametrize(
    ("codec", "exact"),
    [
        *(("pcm_s16le", True), ("pcm_s16be", True), ("pcm_s24be", True), ("pcm_f32be", True), ("pcm_f64be", True)),
        *(("pcm_s8", False), ("pcm_alaw", False), ("pcm_mulaw", False), ("adpcm_ima_qt", False)),
    ],
)
def test_every_kind_of_aiff_is_read_as_it_is(codec: str, exact: bool) -> None:
    """The order of bytes is not that of the container: «sowt» is little-endian, floats have types of their own."""
    sound = hum(1.3, sample_rate_hz=44_100)
    samples = np.asarray(
        InProcessClipReader().decode(written("aiff", codec), limits=ClipLimits(deadline_s=60)).pcm.samples
    )
    near = 2 / 32768 if exact else 0.05
    assert np.abs(samples[: sound.shape[1]] - sound[0][: len(samples)]).max() < near
