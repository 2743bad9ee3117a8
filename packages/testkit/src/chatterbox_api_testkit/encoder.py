"""The contract of Encoder. What was encoded is read back by a ClipReader that the heir names."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatterbox_api_core.model import AudioFormat, Clip, ClipLimits, Pcm
from chatterbox_api_core.ports import ClipReader, Encoder
from chatterbox_api_core.reference import WavReader
from chatterbox_api_testkit.contract import Contract
from chatterbox_api_testkit.sounds import frequency_hz, level, middle, sine

__all__ = ["EncoderContract"]

RATE_HZ = 24_000
LOSSLESS = frozenset({"wav", "flac", "pcm"})
SLACK_S = 0.12
"""What a lossy codec may add at the ends of a stream: its delay and its last frame."""


class EncoderContract(Contract):
    """Inherit and give `encoder`, and a `reader` where WAV is not all."""

    encoder: Encoder
    reader: ClipReader = WavReader()

    @pytest.fixture(params=["complete", "streamed"])
    def complete(self, request: pytest.FixtureRequest) -> bool:
        return bool(request.param == "complete")

    def test_offers_formats_once_each(self) -> None:
        names = [offered.name for offered in self.encoder.formats]
        assert names
        assert len(names) == len(set(names))

    def test_what_goes_in_comes_out(self, complete: bool) -> None:
        tone = sine(440, 2.0)
        for offered in self.encoder.formats:
            clip = self.read(self.encode(offered, [tone], complete=complete))
            assert clip.report.rate_hz == RATE_HZ, offered.name
            assert clip.report.channels == 1, offered.name
            self.check_length(offered, clip.pcm, len(tone), complete=complete)
            assert frequency_hz(middle(clip.pcm)) == pytest.approx(440, rel=0.005), offered.name
            assert level(middle(clip.pcm).samples) == pytest.approx(level(tone.samples), rel=0.1), offered.name

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(cuts=st.lists(st.integers(1, 30_000), max_size=12))
    def test_chunking_does_not_matter(self, cuts: list[int]) -> None:
        tone = sine(300, 1.2)
        places = sorted({min(cut, len(tone)) for cut in cuts} | {0, len(tone)})
        chunks = [Pcm(tone.samples[a:b], RATE_HZ) for a, b in pairwise(places)]
        for offered in self.encoder.formats:
            for complete in (True, False):
                whole = self.read(self.encode(offered, [tone], complete=complete)).pcm
                parts = self.read(self.encode(offered, chunks, complete=complete)).pcm
                assert list(parts.samples) == pytest.approx(list(whole.samples), abs=1e-4), offered.name

    def test_a_complete_body_comes_at_the_end(self) -> None:
        for offered in self.encoder.formats:
            encoding = self.encoder.open(offered, rate_hz=RATE_HZ, complete=True)
            assert encoding.feed(sine(440, 1.0)) == b"", offered.name
            assert encoding.finish(), offered.name

    def test_a_stream_leaves_with_its_sound(self) -> None:
        """After one second of sound at least half of its bytes are out; what is fed later changes none of them."""
        for offered in self.encoder.formats:
            encoding = self.encoder.open(offered, rate_hz=RATE_HZ, complete=False)
            early = b"".join(encoding.feed(sine(440, 0.1)) for _ in range(10))
            rest = encoding.finish()
            assert len(early) > len(rest), offered.name

    def test_no_sound_is_an_empty_file(self, complete: bool) -> None:
        """Nothing fed and nothing in what is fed are the same; where the format has a header, it is there."""
        for offered in self.encoder.formats:
            nothing = self.encode(offered, [], complete=complete)
            assert self.encode(offered, [Pcm.silence(0.0, rate_hz=RATE_HZ)], complete=complete) == nothing
            if offered.name == "wav":
                assert nothing.startswith(b"RIFF")

    @pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 1.7, -9.0, float("nan"), float("inf"), float("-inf")])
    def test_no_sample_is_too_strange(self, value: float, complete: bool) -> None:
        strange = Pcm.from_floats([value] * RATE_HZ, rate_hz=RATE_HZ)
        for offered in self.encoder.formats:
            clip = self.read(self.encode(offered, [strange, sine(440, 0.5)], complete=complete))
            assert max(abs(sample) for sample in clip.pcm.samples) <= 1.3, offered.name

    def test_tempo_keeps_the_pitch(self, complete: bool) -> None:
        if "tempo" not in self.encoder.effects:
            pytest.skip("declares no tempo")
        tone = sine(440, 4.0)
        for offered in self.encoder.formats:
            for tempo in (0.25, 0.5, 0.8, 1.5, 2.0, 3.0, 4.0):
                data = self.encode(offered, [tone], complete=complete, tempo=tempo)
                pcm = self.read(data).pcm
                assert pcm.duration_s == pytest.approx(4.0 / tempo, abs=SLACK_S + 0.05), (offered.name, tempo)
                assert frequency_hz(middle(pcm)) == pytest.approx(440, rel=0.02), (offered.name, tempo)

    def test_rate_can_be_changed(self, complete: bool) -> None:
        if "out_rate" not in self.encoder.effects:
            pytest.skip("declares no out_rate")
        for offered in self.encoder.formats:
            for out_rate_hz in (16_000, 48_000):
                encoding = self.encoder.open(offered, rate_hz=RATE_HZ, complete=complete, out_rate_hz=out_rate_hz)
                clip = self.read(encoding.feed(sine(440, 2.0)) + encoding.finish())
                assert clip.report.rate_hz == out_rate_hz, offered.name
                assert frequency_hz(middle(clip.pcm)) == pytest.approx(440, rel=0.005), offered.name

    def test_streams_do_not_mix(self) -> None:
        """Many at once, in threads, each its own."""

        def run(hz: int) -> float:
            data = self.encode(self.encoder.formats[0], [sine(hz, 0.2)] * 8, complete=False)
            return frequency_hz(middle(self.read(data).pcm))

        with ThreadPoolExecutor(8) as pool:
            for hz, found in zip(range(200, 1000, 50), pool.map(run, range(200, 1000, 50)), strict=True):
                assert found == pytest.approx(hz, rel=0.1)

    def encode(self, offered: AudioFormat, chunks: list[Pcm], *, complete: bool, tempo: float | None = None) -> bytes:
        encoding = (
            self.encoder.open(offered, rate_hz=RATE_HZ, complete=complete)
            if tempo is None
            else self.encoder.open(offered, rate_hz=RATE_HZ, complete=complete, tempo=tempo)
        )
        return b"".join([*(encoding.feed(chunk) for chunk in chunks), encoding.finish()])

    def read(self, data: bytes) -> Clip:
        return self.reader.read(data, limits=ClipLimits(min_duration_s=0.0))

    def check_length(self, offered: AudioFormat, pcm: Pcm, samples: int, *, complete: bool) -> None:
        if offered.name in LOSSLESS:
            assert len(pcm) == samples, offered.name
        else:
            assert abs(len(pcm) - samples) <= SLACK_S * RATE_HZ, offered.name
