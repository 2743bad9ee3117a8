"""The contract of ClipReader, in WAV, which every reader decodes.

It requires the fields of the report that the voice library needs. A measurement that a reader adds must be right.
"""

from __future__ import annotations

import asyncio
import math
import struct
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager

import pytest
import pytest_asyncio

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.ports import ClipReader
from chatterbox_api_core.types import ClipLimits, Pcm
from chatterbox_api_testkit.contract import Contract
from chatterbox_api_testkit.sounds import frequency_hz, level, sine, wav

__all__ = ["ClipReaderContract"]

LIMITS = ClipLimits(max_duration_s=30.0)


class ClipReaderContract(Contract):
    """What a ClipReader must do. Inherit it, define `open`, and mark the class `pytest.mark.asyncio`.

        @pytest.mark.asyncio
        class TestMyReader(ClipReaderContract):
            @asynccontextmanager
            async def open(self) -> AsyncGenerator[ClipReader, None]:
                yield MyReader()

    For a reader that starts slowly, define a fixture `reader` with a wider scope instead, and mark the class with the
    same `loop_scope`.
    """

    def open(self) -> AbstractAsyncContextManager[ClipReader]:
        """Open a reader until the context ends."""
        raise NotImplementedError

    @pytest_asyncio.fixture
    async def reader(self) -> AsyncGenerator[ClipReader, None]:
        """The reader of one test."""
        async with self.open() as reader:
            yield reader

    @pytest.mark.parametrize("sample_rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000])
    @pytest.mark.parametrize("channels", [1, 2])
    async def test_reads_what_was_recorded(self, reader: ClipReader, sample_rate_hz: int, channels: int) -> None:
        tone = sine(440, 2.0, sample_rate_hz=sample_rate_hz)
        clip = await reader.read(wav(tone, channels=channels), limits=LIMITS)
        assert (clip.report.sample_rate_hz, clip.report.channels) == (sample_rate_hz, channels)
        assert clip.pcm.sample_rate_hz == sample_rate_hz
        assert clip.report.duration_s == pytest.approx(2.0, abs=0.001)
        assert len(clip.pcm) == len(tone)
        assert frequency_hz(clip.pcm) == pytest.approx(440, rel=0.001)
        assert level(clip.pcm.samples) == pytest.approx(level(tone.samples), rel=0.01)

    async def test_the_samples_are_read_only(self, reader: ClipReader) -> None:
        clip = await reader.read(wav(sine(440, 1.5)), limits=LIMITS)
        assert clip.pcm.samples.readonly

    async def test_what_the_report_says_is_right(self, reader: ClipReader) -> None:
        """A reader may leave every measurement out, but must not invent one."""
        tone = sine(440, 2.0, amplitude=0.5)
        report = (await reader.read(wav(tone), limits=LIMITS)).report
        assert report.media_type == "audio/wav"
        for value, expected in ((report.level_dbfs, -9.03), (report.noise_dbfs, -9.03), (report.peak_dbfs, -6.02)):
            assert value is None or value == pytest.approx(expected, abs=0.3)
        assert report.clipped in (None, 0)
        assert report.speech_share is None or 0 <= report.speech_share <= 1
        assert report.bandwidth_hz is None or 440 <= report.bandwidth_hz <= tone.sample_rate_hz // 2
        assert (report.missing_s, report.damaged, report.tracks) == (0, 0, 1)
        assert all(line.strip() for line in report.advice)

    async def test_clipping_is_counted_by_places(self, reader: ClipReader) -> None:
        tone = sine(100, 2.0)
        values = list(tone.samples)
        for begin, length in ((1000, 2), (5000, 3), (9000, 40), (20_000, 1), (30_000, 500)):
            values[begin : begin + length] = [1.0] * length
        report = (
            await reader.read(wav(Pcm.from_floats(values, sample_rate_hz=tone.sample_rate_hz)), limits=LIMITS)
        ).report
        assert report.clipped in (None, 3)
        assert report.peak_dbfs is None or report.peak_dbfs == pytest.approx(0, abs=0.01)

    async def test_a_file_that_ends_early_is_read_as_far_as_it_goes(self, reader: ClipReader) -> None:
        data = wav(sine(440, 4.0))
        report = (await reader.read(data[: len(data) // 2], limits=LIMITS)).report
        assert report.duration_s == pytest.approx(2.0, abs=0.01)
        assert report.missing_s in (0.0, pytest.approx(2.0, abs=0.01))

    async def test_silence_is_refused(self, reader: ClipReader) -> None:
        await self.refuses(reader, wav(Pcm.silence(2.0, sample_rate_hz=16_000)), "invalid_audio")

    async def test_the_faintest_sound_is_no_silence(self, reader: ClipReader) -> None:
        clip = await reader.read(wav(sine(440, 2.0, amplitude=2 / 32768)), limits=LIMITS)
        assert max(clip.pcm.samples) > 0

    async def test_a_clip_that_is_too_short_is_refused(self, reader: ClipReader) -> None:
        await self.refuses(reader, wav(sine(440, 0.9)), "audio_too_short")

    async def test_a_clip_that_is_too_long_is_refused(self, reader: ClipReader) -> None:
        await self.refuses(reader, wav(Pcm.silence(31.0, sample_rate_hz=8_000)), "audio_too_long")

    async def test_a_clip_with_too_many_bytes_is_refused(self, reader: ClipReader) -> None:
        with pytest.raises(InvalidAudio) as caught:
            await reader.read(wav(sine(440, 2.0)), limits=ClipLimits(max_bytes=1000))
        assert caught.value.code == "audio_too_long"

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\0" * 5000,
            b"This is no sound at all. " * 200,
            b"%PDF-1.7\n" + b"x" * 5000,
            b"PK\x03\x04" + b"x" * 5000,
            b"#EXTM3U\nhttp://127.0.0.1:9/a.wav\n",
            b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
            b"RIFF\xff\xff\xff\xffWAVE",
            wav(sine(440, 2.0))[:44],
            wav(sine(440, 2.0))[:30],
        ],
        ids=["empty", "zeros", "text", "pdf", "zip", "playlist", "sdp", "riff", "header", "half-header"],
    )
    async def test_what_is_no_clip_is_refused_quickly(self, reader: ClipReader, data: bytes) -> None:
        began = time.perf_counter()
        with pytest.raises(InvalidAudio):
            await reader.read(data, limits=LIMITS)
        assert time.perf_counter() - began < LIMITS.deadline_s

    async def test_a_declared_size_is_not_believed(self, reader: ClipReader) -> None:
        """A header that declares four gigabytes gives the sound that the file has."""
        data = bytearray(wav(sine(440, 2.0)))
        struct.pack_into("<I", data, 40, 0xFFFFFFF0)
        assert (await reader.read(bytes(data), limits=LIMITS)).report.duration_s == pytest.approx(2.0, abs=0.01)

    @pytest.mark.parametrize(
        ("sample_rate_hz", "channels"), [(1, 1), (3_000, 1), (400_000, 1), (16_000, 65), (16_000, 0)]
    )
    async def test_odd_rates_and_channels_are_refused(
        self, reader: ClipReader, sample_rate_hz: int, channels: int
    ) -> None:
        data = bytearray(wav(sine(440, 4.0, sample_rate_hz=16_000)))
        struct.pack_into("<HI", data, 22, channels, sample_rate_hz)
        struct.pack_into("<IH", data, 28, min(sample_rate_hz * channels * 2, 2**32 - 1), channels * 2)
        await self.refuses(reader, bytes(data), "invalid_audio")

    async def test_samples_that_are_no_numbers_are_refused(self, reader: ClipReader) -> None:
        values = [math.nan, math.inf] * 16_000
        body = struct.pack(f"<{len(values)}f", *values)
        head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(body), b"WAVE", b"fmt ", 16, 3, 1, 16000, 64000, 4, 32)
        await self.refuses(reader, head + struct.pack("<4sI", b"data", len(body)) + body, "invalid_audio")

    async def test_reading_does_not_block_the_event_loop(self, reader: ClipReader) -> None:
        reading = asyncio.create_task(reader.read(wav(sine(440, 20.0)), limits=LIMITS))
        turns = 0
        while not reading.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert (await reading).report.duration_s == pytest.approx(20.0, abs=0.01)
        assert turns > 1

    async def test_concurrent_reads_return_what_each_asked_for(self, reader: ClipReader) -> None:
        sample_rates_hz = [8_000, 16_000, 22_050, 44_100, 48_000]
        clips = await asyncio.gather(
            *(
                reader.read(wav(sine(440, 1.5, sample_rate_hz=sample_rate_hz)), limits=LIMITS)
                for sample_rate_hz in sample_rates_hz
            )
        )
        assert [clip.report.sample_rate_hz for clip in clips] == sample_rates_hz

    async def test_after_a_cancelled_read_the_next_one_works(self, reader: ClipReader) -> None:
        long, short = wav(sine(440, 20.0)), wav(sine(440, 1.5))
        for delay_s in (0, 0.001, 0.01, 0.05):
            reading = asyncio.create_task(reader.read(long, limits=LIMITS))
            await asyncio.sleep(delay_s)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            clip = await reader.read(short, limits=LIMITS)
            assert clip.report.duration_s == pytest.approx(1.5, abs=0.01)

    async def refuses(self, reader: ClipReader, data: bytes, code: str) -> None:
        """Assert that a clip is refused with this code and the field of the clip."""
        with pytest.raises(InvalidAudio) as caught:
            await reader.read(data, limits=LIMITS)
        assert caught.value.code == code
        assert caught.value.field == "clip"
