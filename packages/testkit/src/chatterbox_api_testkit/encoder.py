"""The contract of Encoder. A ClipReader decodes what the encoder made."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.formats import rate_for
from chatterbox_api_core.ports import ClipReader, Encoder
from chatterbox_api_core.reference import WavReader
from chatterbox_api_core.types import AudioFormat, Clip, ClipLimits, ClipReport, EncodeOptions, Pcm
from chatterbox_api_testkit.contract import Contract
from chatterbox_api_testkit.sounds import frequency_hz, level, middle, noise, sine

__all__ = ["EncoderContract"]

RATE_HZ = 24_000
LOSSLESS = frozenset({"wav", "wav-24", "wav-float", "flac", "pcm"})
OPUS = frozenset({"opus", "webm"})
"""Decoders of these formats return 48 kHz, whatever the rate of the input was."""
SLACK_S = 0.12
"""The silence that a lossy codec may add at the ends: its delay, and the rest of its last frame."""


class EncoderContract(Contract):
    """What an Encoder must do, for each of its formats. Inherit it and set `encoder`.

        class TestMyEncoder(EncoderContract):
            encoder = MyEncoder()
            reader = MyClipReader()

    Attributes:
        encoder: the encoder.
        reader: decodes its formats; the default decodes WAV.
    """

    encoder: Encoder
    reader: ClipReader = WavReader()

    @pytest.fixture(params=["streaming", "complete"])
    def streaming(self, request: pytest.FixtureRequest) -> bool:
        """Whether the body is streamed or complete; each test that takes it runs with both."""
        return bool(request.param == "streaming")

    def test_offers_formats_once_each(self) -> None:
        names = [offered.name for offered in self.encoder.formats]
        assert names
        assert len(names) == len(set(names))

    def test_decoding_returns_what_was_encoded(self, streaming: bool) -> None:
        tone = sine(440, 2.0)
        for offered in self.encoder.formats:
            clip = self.read(offered, self.encode(offered, [tone], streaming=streaming))
            assert clip.report.sample_rate_hz == (48_000 if offered.name in OPUS else RATE_HZ), offered.name
            assert clip.report.channels == 1, offered.name
            self.check_length(offered, clip.pcm, tone.duration_s)
            assert frequency_hz(middle(clip.pcm)) == pytest.approx(440, rel=0.005), offered.name
            assert level(middle(clip.pcm).samples) == pytest.approx(level(tone.samples), rel=0.1), offered.name

    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(samples=st.integers(1, 30_000), cuts=st.lists(st.integers(1, 30_000), max_size=12))
    def test_the_result_does_not_depend_on_the_blocks_of_the_input(self, samples: int, cuts: list[int]) -> None:
        tone = Pcm(sine(300, 1.3).samples[20 : 20 + samples], RATE_HZ)
        places = sorted({min(cut, len(tone)) for cut in cuts} | {0, len(tone)})
        chunks = [Pcm(tone.samples[a:b], RATE_HZ) for a, b in pairwise(places)]
        for offered in self.encoder.formats:
            for streaming in (True, False):
                whole = self.read(offered, self.encode(offered, [tone], streaming=streaming)).pcm
                parts = self.read(offered, self.encode(offered, chunks, streaming=streaming)).pcm
                assert list(parts.samples) == pytest.approx(list(whole.samples), abs=1e-4), offered.name
                self.check_length(offered, whole, tone.duration_s)

    def test_what_is_encoded_inline_is_offered(self) -> None:
        assert self.encoder.inline_formats <= {offered.name for offered in self.encoder.formats}

    def test_the_sink_of_a_complete_body_stays_open(self) -> None:
        for offered in self.encoder.formats:
            sink = BytesIO()
            encoder = self.encoder.open(offered, sink, input_rate_hz=RATE_HZ, streaming=False, options=EncodeOptions())
            encoder.encode(sine(440, 1.0))
            encoder.flush()
            assert sink.getvalue(), offered.name

    def test_a_stream_leaves_with_its_sound(self) -> None:
        """After three seconds more than half of the bytes are written: no page or cluster holds back more."""
        for offered in self.encoder.formats:
            sink = _WriteOnly()
            encoder = self.encoder.open(offered, sink, input_rate_hz=RATE_HZ, streaming=True, options=EncodeOptions())
            for i in range(30):
                encoder.encode(noise(0.1, seed=i))
            early = sink.size_bytes
            encoder.flush()
            assert early > sink.size_bytes - early, offered.name

    def test_no_sound_is_an_empty_file(self, streaming: bool) -> None:
        """No block and an empty block give the same file, which has the format's header."""
        for offered in self.encoder.formats:
            nothing = self.encode(offered, [], streaming=streaming)
            empty = self.encode(offered, [Pcm.silence(0.0, sample_rate_hz=RATE_HZ)], streaming=streaming)
            assert len(empty) == len(nothing), f"{offered.name}: Ogg has a number of its own in each stream"
            if offered.name == "wav":
                assert nothing.startswith(b"RIFF")

    @pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 1.7, -9.0, float("nan"), float("inf"), float("-inf")])
    def test_samples_beyond_full_scale_and_no_numbers_are_limited(self, value: float, streaming: bool) -> None:
        strange = Pcm.from_floats([value] * RATE_HZ, sample_rate_hz=RATE_HZ)
        for offered in self.encoder.formats:
            clip = self.read(offered, self.encode(offered, [strange, sine(440, 0.5)], streaming=streaming))
            assert max(abs(sample) for sample in clip.pcm.samples) <= 2.0, f"{offered.name} swings, and stays in bounds"

    def test_tempo_keeps_the_pitch(self, streaming: bool) -> None:
        """Every tempo in the first format, and two in each of the others, since tempo comes before the format."""
        if "tempo" not in self.encoder.effects:
            pytest.skip("declares no tempo")
        tone = sine(440, 2.0)
        for offered in self.encoder.formats:
            first = offered is self.encoder.formats[0]
            for tempo in (0.25, 0.5, 0.8, 1.5, 2.0, 3.0, 4.0) if first else (0.5, 2.0):
                data = self.encode(offered, [tone], streaming=streaming, options=EncodeOptions(tempo=tempo))
                pcm = self.read(offered, data).pcm
                assert pcm.duration_s == pytest.approx(2.0 / tempo, abs=SLACK_S + 0.05), (offered.name, tempo)
                assert frequency_hz(middle(pcm)) == pytest.approx(440, rel=0.02), (offered.name, tempo)

    def test_rate_can_be_changed(self, streaming: bool) -> None:
        if "sample_rate" not in self.encoder.effects:
            pytest.skip("declares no sample rate")
        for offered in self.encoder.formats:
            for rate_hz in (16_000, 48_000):
                options = EncodeOptions(sample_rate_hz=rate_hz)
                data = self.encode(offered, [sine(440, 2.0)], streaming=streaming, options=options)
                clip = self.read(offered, data, sample_rate_hz=rate_hz)
                assert clip.report.sample_rate_hz == (48_000 if offered.name in OPUS else rate_hz), offered.name
                assert clip.pcm.duration_s == pytest.approx(2.0, abs=SLACK_S), offered.name
                assert frequency_hz(middle(clip.pcm)) == pytest.approx(440, rel=0.005), offered.name

    def test_a_rate_that_the_format_lacks_becomes_the_next(self, streaming: bool) -> None:
        for offered in self.encoder.formats:
            tone = sine(440, 2.0, sample_rate_hz=22_050)
            data = self.encode(offered, [tone], streaming=streaming, input_rate_hz=22_050)
            sample_rate_hz = rate_for(offered, input_rate_hz=22_050)
            clip = self.read(offered, data, sample_rate_hz=sample_rate_hz)
            assert clip.report.sample_rate_hz == (48_000 if offered.name in OPUS else sample_rate_hz), offered.name
            assert frequency_hz(middle(clip.pcm)) == pytest.approx(440, rel=0.005), offered.name

    def test_trim_cuts_the_ends_and_keeps_the_middle(self, streaming: bool) -> None:
        if "trim" not in self.encoder.effects:
            pytest.skip("declares no trim")
        gap = Pcm.silence(0.7, sample_rate_hz=RATE_HZ)
        for offered in self.encoder.formats:
            for sound in ([gap, sine(440, 1.0), gap, sine(440, 1.0), gap], [sine(440, 2.7)]):
                data = self.encode(offered, sound, streaming=streaming, options=EncodeOptions(trim=True))
                pcm = self.read(offered, data).pcm
                assert pcm.duration_s == pytest.approx(2.75, abs=SLACK_S), offered.name
            nothing = self.encode(offered, [gap], streaming=streaming, options=EncodeOptions(trim=True))
            assert len(nothing) == len(self.encode(offered, [], streaming=streaming)), offered.name

    @pytest.mark.parametrize("loudness_lufs", [-30.0, -16.0])
    def test_loudness_is_the_requested_one(self, loudness_lufs: float, streaming: bool) -> None:
        """A tone of 1 kHz has as many LUFS as its level in dB. Two formats suffice, since effects precede formats."""
        if "loudness" not in self.encoder.effects:
            pytest.skip("declares no loudness")
        for offered in self.encoder.formats[:2]:
            for amplitude in (0.02, 0.5):
                tone = sine(1000, 6.0, amplitude=amplitude)
                options = EncodeOptions(loudness_lufs=loudness_lufs)
                data = self.encode(offered, [tone], streaming=streaming, options=options)
                pcm = self.read(offered, data).pcm
                assert pcm.duration_s == pytest.approx(6.0, abs=SLACK_S), offered.name
                found = 20 * math.log10(level(middle(pcm).samples))
                assert found == pytest.approx(loudness_lufs, abs=1.5), (offered.name, amplitude)

    def test_streams_do_not_mix(self) -> None:
        """Concurrent streams in threads do not affect each other."""

        def run(hz: int) -> float:
            offered = self.encoder.formats[hz // 50 % len(self.encoder.formats)]
            data = self.encode(offered, [sine(hz, 0.2)] * 8, streaming=True)
            return frequency_hz(middle(self.read(offered, data).pcm))

        with ThreadPoolExecutor(8) as pool:
            for hz, found in zip(range(200, 1000, 50), pool.map(run, range(200, 1000, 50)), strict=True):
                assert found == pytest.approx(hz, rel=0.1)

    def encode(
        self,
        offered: AudioFormat,
        chunks: list[Pcm],
        *,
        streaming: bool,
        input_rate_hz: int = RATE_HZ,
        options: EncodeOptions | None = None,
    ) -> bytes:
        """Encode blocks of sound with the encoder."""
        sink = BytesIO()
        encoder = self.encoder.open(
            offered, sink, input_rate_hz=input_rate_hz, streaming=streaming, options=options or EncodeOptions()
        )
        for chunk in chunks:
            encoder.encode(chunk)
        encoder.flush()
        return sink.getvalue()

    def read(self, offered: AudioFormat, data: bytes, *, sample_rate_hz: int = RATE_HZ) -> Clip:
        """Decode a file with the reader; a lossy file that is too short to decode is an empty clip."""
        if offered.name == "pcm":
            pcm = Pcm.from_s16le(data, sample_rate_hz=sample_rate_hz)
            return Clip(pcm, ClipReport(pcm.duration_s, sample_rate_hz, channels=1))
        try:
            return asyncio.run(self.reader.read(data, limits=ClipLimits(min_duration_s=0.0)))
        except InvalidAudio:
            if offered.name in LOSSLESS:
                raise
            # A lossy format may encode a few samples as nothing; tests that expect more check the length.
            return Clip(Pcm.silence(0.0, sample_rate_hz=sample_rate_hz), ClipReport(0.0, sample_rate_hz, channels=1))

    def check_length(self, offered: AudioFormat, pcm: Pcm, duration_s: float) -> None:
        """Assert the duration: exactly for lossless formats, within SLACK_S for others."""
        slack_s = 0.0 if offered.name in LOSSLESS else SLACK_S
        assert abs(pcm.duration_s - duration_s) <= slack_s + 1e-9, offered.name


class _WriteOnly:
    """The sink of a streamed body, in which an encoder must not seek."""

    def __init__(self) -> None:
        self.size_bytes = 0

    def write(self, data: bytes, /) -> int:
        self.size_bytes += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        raise AssertionError("an encoder must not seek in a streamed body")

    def tell(self) -> int:
        return self.size_bytes
