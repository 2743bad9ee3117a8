"""Every format by its content, and what is odd about files that people really have."""

from __future__ import annotations

import gc
from io import BytesIO
from typing import Any

import av
import numpy as np
import psutil
import pytest
from encoders.clip_files import KINDS, encoded, id3, with_cover

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.formats import CLIP_EXTENSIONS
from chatterbox_api_core.types import Clip, ClipLimits
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_testkit.sounds import frequency_hz, middle

RATE_HZ = 24_000


def tone(hz: float, duration_s: float, *, sample_rate_hz: int = RATE_HZ) -> np.ndarray[Any, Any]:
    seconds = np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz
    return (0.4 * np.sin(2 * np.pi * hz * seconds)).astype(np.float32)


def read(data: bytes, **limits: Any) -> Clip:
    return InProcessClipReader().decode(data, limits=ClipLimits(**limits))


def refusal(data: bytes, **limits: Any) -> str:
    with pytest.raises(InvalidAudio) as caught:
        read(data, **limits)
    assert caught.value.field == "clip"
    return f"{caught.value.code}: {caught.value.message}"


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_is_read_by_its_content(kind: str, channels: int) -> None:
    sound = np.stack([tone(300, 2.0)] * channels)
    clip = read(encoded(kind, sound, sample_rate_hz=RATE_HZ))
    media_type = KINDS[kind][3]
    assert clip.report.media_type == media_type
    assert media_type in CLIP_EXTENSIONS
    assert clip.report.channels == (2 if kind == "vorbis" else channels)
    assert clip.report.sample_rate_hz == clip.pcm.sample_rate_hz == (48_000 if KINDS[kind][1] == "libopus" else RATE_HZ)
    assert clip.report.duration_s == pytest.approx(2.0, abs=0.08)
    assert (clip.report.damaged, clip.report.tracks) == (0, 1)
    assert clip.report.missing_s < 0.1
    assert frequency_hz(middle(clip.pcm)) == pytest.approx(300, rel=0.01)
    assert clip.report.level_dbfs == pytest.approx(-11, abs=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_too_short_too_long_and_silent_in_every_format(kind: str) -> None:
    assert refusal(encoded(kind, tone(300, 0.8)[None], sample_rate_hz=RATE_HZ)).startswith("audio_too_short: ")
    long = encoded(kind, tone(300, 4.0)[None], sample_rate_hz=RATE_HZ)
    assert refusal(long, max_duration_s=3).startswith("audio_too_long: ")
    assert refusal(long, max_bytes=len(long) - 1).startswith("audio_too_long: ")
    silent = np.zeros((1, 2 * RATE_HZ), np.float32)
    if kind not in ("mulaw", "wav8"):  # whose zero the converter may miss by a step
        assert (
            refusal(encoded(kind, silent, sample_rate_hz=RATE_HZ))
            == "invalid_audio: The clip cannot be read: it is silent."
        )


def test_channels_that_cancel_each_other_are_no_silence() -> None:
    sound = tone(300, 2.0)
    said = refusal(encoded("wav", np.stack((sound, -sound)), sample_rate_hz=RATE_HZ))
    assert "cancel each other" in said


@pytest.mark.parametrize("kind", ["mp3", "flac", "aac", "wav", "aiff"])
def test_an_id3_tag_may_come_first(kind: str) -> None:
    plain = encoded(kind, tone(300, 2.0)[None], sample_rate_hz=RATE_HZ)
    tag = id3(b"TIT2" + bytes((0, 0, 0, 6, 0, 0)) + b"\0Anna!" + bytes(3000))
    tagged = read(tag + plain)
    assert list(tagged.pcm.samples) == pytest.approx(list(read(plain).pcm.samples), abs=0.02)
    assert tagged.report.media_type == KINDS[kind][3]
    if kind in ("flac", "wav"):
        assert read(tag + plain[: len(plain) * 3 // 4]).report.missing_s > 0.2


@pytest.mark.parametrize("kind", ["mp3", "flac", "m4a"])
def test_a_cover_picture_is_passed_over(kind: str) -> None:
    plain = encoded(kind, tone(300, 2.0)[None], sample_rate_hz=RATE_HZ)
    covered = with_cover(kind, plain, b"\x89PNG\r\n\x1a\n" + bytes(20_000))
    with av.open(BytesIO(covered)) as container:
        assert container.streams.video, "this file has a picture"
    assert read(covered).report.duration_s == pytest.approx(2.0, abs=0.06)


def tracks(*sounds: np.ndarray[Any, Any], codecs: tuple[str, ...]) -> bytes:
    """A Matroska file with several tracks of sound, at 48 kHz."""
    sink = BytesIO()
    with av.open(sink, "w", format="matroska") as file:
        streams: list[Any] = []
        for codec in codecs:
            streams.append(file.add_stream(codec, rate=48_000))
            streams[-1].layout = "mono"
            streams[-1].codec_context.open()
        for stream, sound in zip(streams, sounds, strict=True):
            frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
            frame.sample_rate = 48_000
            context = stream.codec_context
            resampler = av.AudioResampler(context.format, "mono", 48_000, frame_size=context.frame_size)
            for part in (*resampler.resample(frame), *resampler.resample(None)):
                file.mux(stream.encode(part))
            file.mux(stream.encode(None))
    return sink.getvalue()


def test_of_several_tracks_the_first_that_can_be_read_is_the_clip() -> None:
    low, high = tone(300, 2.0, sample_rate_hz=48_000), tone(500, 2.0, sample_rate_hz=48_000)
    clip = read(tracks(low, high, codecs=("aac", "pcm_s16le")))
    assert frequency_hz(middle(clip.pcm)) == pytest.approx(300, rel=0.01)
    assert clip.report.tracks == 2
    assert "The file has 2 tracks of sound; the first that can be read is the clip." in clip.report.advice
    clip = read(tracks(low, high, codecs=("ac3", "pcm_s16le")))
    assert frequency_hz(middle(clip.pcm)) == pytest.approx(500, rel=0.01), "ac3 is not on the list of decoders"
    assert "is not supported" in refusal(tracks(low, codecs=("ac3",)))


@pytest.mark.parametrize("then_hz", [16_000, 48_000])
@pytest.mark.parametrize("kind", ["aac", "mp3"])
def test_rate_and_channels_may_change_on_the_way(kind: str, then_hz: int) -> None:
    """Two recordings joined as bytes: the clip has the rate of the first, and both sound as high as they were."""
    first = encoded(kind, tone(300, 2.0)[None], sample_rate_hz=RATE_HZ)
    then = encoded(kind, np.stack([tone(500, 2.0, sample_rate_hz=then_hz)] * 2), sample_rate_hz=then_hz)
    clip = read(first + then)
    sample_rate_hz = clip.pcm.sample_rate_hz
    assert (sample_rate_hz, clip.report.sample_rate_hz, clip.report.channels) == (RATE_HZ, RATE_HZ, 1)
    samples = np.array(clip.pcm.samples)
    assert len(samples) / sample_rate_hz == pytest.approx(4.0, abs=0.25)
    for begin, hz in ((0.3, 300), (2.5, 500)):
        stretch = samples[round(begin * sample_rate_hz) : round((begin + 1) * sample_rate_hz)]
        assert pitch_hz(stretch, sample_rate_hz) == pytest.approx(hz, abs=2)


@pytest.mark.parametrize("kind", ["vorbis", "opus"])
def test_joined_ogg_files_are_read_on_while_they_stay_alike(kind: str) -> None:
    """FFmpeg reads chained streams of one kind; where the kind changes it stops, and the report says so."""
    first = encoded(kind, tone(300, 2.0)[None], sample_rate_hz=RATE_HZ)
    alike = read(first + encoded(kind, tone(500, 2.0)[None], sample_rate_hz=RATE_HZ)).report
    assert alike.duration_s == pytest.approx(4.0, abs=0.1)
    assert alike.damaged == 0
    other = encoded(kind, np.stack([tone(500, 2.0, sample_rate_hz=48_000)] * 2), sample_rate_hz=48_000)
    changed = read(first + other).report
    assert changed.duration_s == pytest.approx(2.0, abs=0.1)
    assert changed.damaged == 1
    assert "damaged in 1 place" in changed.advice[0]


def pitch_hz(samples: np.ndarray[Any, Any], sample_rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * sample_rate_hz / len(samples))


def test_a_change_beyond_the_limits_is_refused() -> None:
    first = encoded("aac", tone(300, 2.0)[None], sample_rate_hz=RATE_HZ)
    then = encoded("aac", np.stack([tone(500, 2.0, sample_rate_hz=48_000)] * 2), sample_rate_hz=48_000)
    assert "its rate is 48000 Hz" in refusal(first + then, max_sample_rate_hz=32_000)
    assert "it has 2 channels" in refusal(first + then, max_channels=1)


def test_parametric_aac_has_the_rate_that_is_decoded() -> None:
    """A header that announces spectral band replication doubles the rate; the sound stays as high and as long."""
    plain = encoded("m4a", tone(300, 2.0)[None], sample_rate_hz=RATE_HZ)
    at = plain.index(bytes.fromhex("56e500"))  # the sign of the extension, type 5, and: not in use
    parametric = plain[:at] + (0x56E5 << 8 | 0x80 | 3 << 3).to_bytes(3) + plain[at + 3 :]
    clip = read(parametric)
    assert clip.report.sample_rate_hz == clip.pcm.sample_rate_hz == 48_000
    assert clip.report.duration_s == pytest.approx(2.0, abs=0.1)
    assert frequency_hz(middle(clip.pcm)) == pytest.approx(300, rel=0.01)


def test_high_rates_are_lowered_to_48_kilohertz() -> None:
    clip = read(encoded("flac", tone(300, 2.0, sample_rate_hz=96_000)[None], sample_rate_hz=96_000))
    assert (clip.report.sample_rate_hz, clip.pcm.sample_rate_hz, len(clip.pcm)) == (96_000, 48_000, 96_000)
    assert frequency_hz(middle(clip.pcm)) == pytest.approx(300, rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_cut_file_what_is_there_counts(kind: str) -> None:
    data = encoded(kind, noise(6.0), sample_rate_hz=RATE_HZ)
    if kind in ("m4a", "alac"):  # the index is at the end, and lost
        assert refusal(data[: len(data) * 3 // 4]).startswith("invalid_audio")
        return
    report = read(data[: len(data) * 3 // 4]).report
    assert 2.5 < report.duration_s < 5
    assert report.damaged == 0, "it just ends"
    if kind in ("wav", "wav24", "wavfloat", "wav8", "mulaw", "flac"):
        assert report.missing_s == pytest.approx(6 - report.duration_s, abs=0.03)
        assert any("ends early" in line for line in report.advice)


@pytest.mark.parametrize("kind", ["mp3", "aac"])
def test_damage_in_the_midst_is_left_out_and_told(kind: str) -> None:
    data = bytearray(encoded(kind, noise(6.0), sample_rate_hz=RATE_HZ))
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    report = read(bytes(data)).report
    assert 5 < report.duration_s < 6
    assert report.damaged > 0
    assert "The file is damaged in " in report.advice[0]


def test_what_is_mostly_damaged_is_refused() -> None:
    data = bytearray(encoded("aac", noise(6.0), sample_rate_hz=RATE_HZ))
    at = 0
    while at < len(data) - 400:  # each frame keeps its head and loses its sound
        size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        if at > len(data) // 4:
            data[at + 7 : at + size] = b"\xff" * (size - 7)
        at += size
    assert refusal(bytes(data)) == "invalid_audio: The clip cannot be read: it is damaged."


def noise(duration_s: float) -> np.ndarray[Any, Any]:
    """Which every format needs its usual number of bytes for."""
    samples = np.random.default_rng(1).standard_normal((1, round(duration_s * RATE_HZ)))
    return (0.2 * samples).astype(np.float32)


def test_nothing_is_left_behind() -> None:
    """No thread, file or memory, whether a clip is read or refused."""
    good = encoded("flac", tone(300, 20.0, sample_rate_hz=48_000)[None], sample_rate_hz=48_000)
    bad = good[:1000] + good[30_000:]
    process = psutil.Process()

    def many() -> None:
        for data in (good, bad, b"RIFF", good[:500]):
            for _ in range(10):
                try:
                    read(data, max_duration_s=25)
                except InvalidAudio:
                    continue

    many()
    gc.collect()
    files, threads = process.num_fds(), process.num_threads()
    memory = process.memory_info().rss
    for _ in range(4):
        many()
    gc.collect()
    assert process.num_fds() <= files, "fewer where another test's have been closed meanwhile"
    assert process.num_threads() <= threads
    assert process.memory_info().rss - memory < 30 * 2**20, "a hundred and sixty readings of 4 MB each"
