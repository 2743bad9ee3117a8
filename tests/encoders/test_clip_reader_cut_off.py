"""Files that end before their sound does, and files that only look so."""

from __future__ import annotations

import math
import struct
from io import BytesIO
from typing import Any

import av
import numpy as np
import pytest
from encoders.clip_files import KINDS, encoded, id3

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.reference.wav import WavReader
from chatterbox_api_core.types import ClipLimits, ClipReport
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_encoders.endings import FileEnd
from chatterbox_api_testkit.sounds import sine, wav

RATE_HZ = 24_000
SHARES = (0.5, 0.63, 0.78, 0.9, 0.96)
TOLD_S = 0.2
"""More than this is told."""
TELLING = ("wav", "wav24", "wavfloat", "wav8", "mulaw", "adpcm", "mp3", "flac", "webm", "aiff")
"""Formats that say how long they are at their beginning; the others mark their end, or are made of whole frames."""


def noise(duration_s: float, *, seed: int = 1) -> np.ndarray[Any, Any]:
    samples = np.random.default_rng(seed).standard_normal((1, round(duration_s * RATE_HZ)))
    return (0.2 * samples).astype(np.float32)


def report(data: bytes) -> ClipReport:
    return InProcessClipReader().decode(data, limits=ClipLimits(deadline_s=60)).report


def told(found: ClipReport) -> bool:
    return any("ends early" in line or "no proper end" in line for line in found.advice)


def streamed(container: str, codec: str, **options: str) -> bytes:
    """What is written to something that cannot seek, so that nothing at its beginning says how long it will be."""
    parts: list[bytes] = []

    class Sink:
        def write(self, data: bytes) -> int:
            parts.append(bytes(data))
            return len(data)

    with av.open(Sink(), "w", format=container, options=options) as file:
        stream: Any = file.add_stream(codec, rate=48_000 if codec == "libopus" else RATE_HZ)
        stream.layout = "mono"
        stream.codec_context.open()
        context = stream.codec_context
        frame = av.AudioFrame.from_ndarray(noise(4.0), format="fltp", layout="mono")
        frame.sample_rate = RATE_HZ
        resampler = av.AudioResampler(context.format, "mono", stream.rate, frame_size=context.frame_size)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(stream.encode(part))
        file.mux([packet for packet in stream.encode(None) if packet.size])
    return b"".join(parts)


LIVE = {
    # kind: container, codec, options. As browsers, recorders and servers send while they record.
    "webm": ("webm", "libopus", {}),
    "webm, clusters of unknown size": ("webm", "libopus", {"live": "1"}),
    "webm, small clusters": ("webm", "libopus", {"cluster_time_limit": "100"}),
    "fragmented mp4": ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    "fragmented mp4, indexed": ("mp4", "aac", {"movflags": "dash+empty_moov+frag_every_frame"}),
    "flac": ("flac", "flac", {}),
    "mp3": ("mp3", "libmp3lame", {}),
    "aac": ("adts", "aac", {}),
    "opus": ("ogg", "libopus", {"page_duration": "100000"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_is_told_in_every_format_and_never_of_the_whole(kind: str) -> None:
    data = encoded(kind, noise(5.0), sample_rate_hz=RATE_HZ)
    whole = report(data)
    assert not told(whole)
    assert not whole.cut_off
    assert whole.missing_s <= 0.1
    for share in SHARES:
        try:
            cut = report(data[: int(len(data) * share)])
        except InvalidAudio as error:
            assert "it is cut off" in error.message
            assert kind in ("m4a", "alac", "vorbis"), "the index is at the end, and lost; a page is seconds long"
            continue
        assert told(cut), (share, cut)
        assert not cut.damaged or kind in ("vorbis", "aac")
        gone_s = whole.duration_s - cut.duration_s
        if kind in TELLING:
            assert cut.missing_s == pytest.approx(gone_s, abs=0.06), share


@pytest.mark.parametrize("kind", LIVE)
def test_a_live_recording_is_whole_unless_it_was_cut(kind: str) -> None:
    container, codec, options = LIVE[kind]
    data = streamed(container, codec, **options)
    whole = report(data)
    assert whole.duration_s == pytest.approx(4.0, abs=0.1)
    assert not told(whole), whole
    for share in SHARES:
        cut = report(data[: int(len(data) * share)])
        assert cut.cut_off, share
        assert told(cut)


@pytest.mark.parametrize("flags", ["faststart", "frag_keyframe", "frag_keyframe+empty_moov"])
def test_an_mp4_file_whose_index_comes_first(flags: str) -> None:
    data = with_flags(flags)
    assert not told(report(data))
    for share in (0.6, 0.75, 0.9):
        assert told(report(data[: int(len(data) * share)])), share


def with_flags(flags: str) -> bytes:
    sink = BytesIO()
    with av.open(sink, "w", format="mp4", options={"movflags": flags, "frag_duration": "300000"}) as file:
        stream: Any = file.add_stream("aac", rate=RATE_HZ)
        stream.layout = "mono"
        stream.codec_context.open()
        frame = av.AudioFrame.from_ndarray(noise(4.0), format="fltp", layout="mono")
        frame.sample_rate = RATE_HZ
        resampler = av.AudioResampler("fltp", "mono", RATE_HZ, frame_size=stream.codec_context.frame_size)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return sink.getvalue()


@pytest.mark.parametrize("promised", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFFFDB])
def test_sizes_that_nobody_knew_promise_nothing(promised: int) -> None:
    wav = encoded("wav", noise(2.0), sample_rate_hz=RATE_HZ)
    at = wav.index(b"data") + 4
    assert not told(report(wav[:at] + struct.pack("<I", promised) + wav[at + 4 :]))
    aiff = encoded("aiff", noise(2.0), sample_rate_hz=RATE_HZ)
    at = aiff.index(b"SSND") + 4
    unknown = aiff[:at] + struct.pack(">I", promised) + aiff[at + 4 :]
    assert not told(report(unknown))
    assert report(unknown[:-30_000]).missing_s == pytest.approx(30_000 / 48_000, abs=0.01), "by its number of frames"


@pytest.mark.parametrize("promised", [math.inf, math.nan, -1.0, 1e300, 86_401.0, 0.0, 1.0])
def test_no_length_that_no_recording_has_is_believed(promised: float) -> None:
    assert FileEnd(declared_s=promised).missing_s(2.0) == 0.0
    webm = encoded("webm", noise(2.0), sample_rate_hz=RATE_HZ)
    at = webm.index(b"\x44\x89\x88") + 3
    assert report(webm[:at] + struct.pack(">d", 1000 * promised) + webm[at + 8 :]).missing_s == 0.0


@pytest.mark.parametrize("share", [1e-9, 2.0 / 86_401, -1.0, 0.0, 1.0, 2.0, math.nan])
def test_no_share_that_no_recording_has_is_believed(share: float) -> None:
    assert FileEnd(share=share).missing_s(2.0) == 0.0


@pytest.mark.parametrize("frames", [0xFFFFFFFF, 0x7FFFFFFF, 3_700_000])
def test_no_number_of_frames_that_no_recording_has_is_believed(frames: int) -> None:
    data = encoded("mp3", noise(2.0), sample_rate_hz=RATE_HZ)
    at = data.index(b"Info") + 8
    assert report(data[:at] + struct.pack(">I", frames) + data[at + 4 :]).missing_s == 0.0


def test_the_reader_without_dependencies_believes_no_such_length_either() -> None:
    data = wav(sine(440, 2.0, sample_rate_hz=8000))
    at = data.index(b"data") + 4
    for promised, missing_s in ((0x7FFE_0000, 0.0), (32_000 + 16_000, 1.0)):
        changed = data[:at] + struct.pack("<I", promised) + data[at + 4 :]
        assert WavReader().decode(changed, limits=ClipLimits()).report.missing_s == missing_s


def long_wav(name: bytes, *, size_bytes: int, promised: int = 0xFFFFFFFF) -> bytes:
    """A WAV file as RF64, whose sizes are in a chunk of their own."""
    wav = encoded("wav", noise(2.0), sample_rate_hz=RATE_HZ)
    fmt, at = wav[wav.index(b"fmt ") :][:24], wav.index(b"data")
    sizes = b"ds64" + struct.pack("<IQQQI", 28, len(wav), size_bytes, 0, 0)
    return name + b"\xff\xff\xff\xffWAVE" + sizes + fmt + b"data" + struct.pack("<I", promised) + wav[at + 8 :]


@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
def test_wav_of_64_bits_is_read_and_its_cut_told(name: bytes) -> None:
    data = long_wav(name, size_bytes=96_000)
    assert report(data).duration_s == 2.0
    assert not told(report(data))
    assert report(data[:-24_000]).missing_s == pytest.approx(0.5, abs=0.01)
    assert report(long_wav(name, size_bytes=2**40)).duration_s == 2.0


def test_chunks_around_the_sound_are_passed_over() -> None:
    wav = encoded("wav", noise(2.0), sample_rate_hz=RATE_HZ)
    fmt, sound = wav[wav.index(b"fmt ") :][:24], wav[wav.index(b"data") :]
    before = b"".join(
        name + struct.pack("<I", len(body)) + body
        for name, body in (
            (b"JUNK", bytes(28)),
            (b"bext", bytes(602)),
            (b"LIST", b"INFOISFT\6\0\0\0Lavf\0\0"),
            (b"iXML", b"<x/>"),
        )
    )
    behind = b"LIST" + struct.pack("<I", 4) + b"INFO" + b"id3 " + struct.pack("<I", 10) + bytes(10)
    data = b"RIFF" + struct.pack("<I", 4 + len(before) + len(fmt) + len(sound) + len(behind)) + b"WAVE"
    found = report(data + before + fmt + sound + behind)
    assert (found.duration_s, found.missing_s, found.cut_off) == (2.0, 0.0, False)


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("tagged", [False, True])
def test_joined_mp3_files_are_neither_damaged_nor_cut(number: int, tagged: bool) -> None:
    files = [encoded("mp3", noise(2.0, seed=seed), sample_rate_hz=RATE_HZ) for seed in range(number)]
    if tagged:
        files = [id3(bytes(500)) + data + b"TAG" + b"x" * 125 for data in files]
    found = report(b"".join(files))
    assert found.duration_s == pytest.approx(2.0 * number, abs=0.1 * number)
    assert (found.damaged, found.missing_s, found.cut_off) == (0, 0.0, False)
    assert not told(found)


def test_an_mp3_by_another_encoder_tells_its_frames_too() -> None:
    """Fraunhofer's encoders write another tag, at another place."""
    data = encoded("mp3", noise(4.0), sample_rate_hz=RATE_HZ)
    at = data.index(b"\xff\xf3")
    tag = data.index(b"Info", at)
    (frames,) = struct.unpack_from(">I", data, tag + 8)
    size = len(data) - at
    vbri = b"VBRI" + struct.pack(">HHHII", 1, 0, 75, size, frames)
    frame = data[at : at + 36].replace(b"Info", b"\0\0\0\0") + vbri
    data = data[:at] + frame + data[at + len(frame) :]
    assert not told(report(data))
    cut = report(data[: len(data) // 2])
    assert cut.missing_s == pytest.approx(4.0 - cut.duration_s, abs=0.1)


def test_ogg_without_its_last_page_is_told() -> None:
    data = encoded("opus", noise(4.0), sample_rate_hz=RATE_HZ)
    last = data.rindex(b"OggS")
    assert not told(report(data))
    assert told(report(data[:last]))
    assert told(report(data[: last + 10]))
    never_ended = data[: last + 5] + b"\0" + data[last + 6 :]
    assert "no proper end" in report(never_ended + bytes(50)).advice[0]
