"""Pieces become one sound: no clicks where they meet, pauses as asked for, and nothing lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_api_core.speech._segment_joiner import SegmentJoiner
from chatterbox_api_core.types import Pcm

RATE_HZ = 24_000


def joined(pieces: list[list[Pcm]], pauses_s: list[float]) -> list[float]:
    joiner, out = SegmentJoiner(RATE_HZ), []
    for i, piece in enumerate(pieces):
        if i:
            out.append(joiner.next_segment(pauses_s[i - 1]))
        out.extend(joiner.push(pcm) for pcm in piece)
    out.append(joiner.finish())
    return [sample for pcm in out for sample in pcm.samples]


def loud(samples: int) -> Pcm:
    return Pcm.from_floats([0.8] * samples, sample_rate_hz=RATE_HZ)


def step(samples: list[float]) -> float:
    return max(abs(b - a) for a, b in pairwise(samples))


@pytest.mark.parametrize("pause_s", [0.0, 0.2])
def test_where_pieces_meet_there_is_no_click(pause_s: float) -> None:
    sound = joined([[loud(2400)], [loud(2400)]], [pause_s])
    assert step(sound) < 0.02, "a jump from 0.8 to 0 would be heard"
    assert len(sound) == 4800 + round(pause_s * RATE_HZ)


def test_one_piece_is_left_as_it_is() -> None:
    assert joined([[loud(2400)]], []) == list(loud(2400).samples)


@given(
    pieces=st.lists(st.lists(st.integers(0, 300), min_size=1, max_size=5), min_size=1, max_size=4),
    pause_s=st.sampled_from([0.0, 0.01]),
)
def test_chunks_do_not_matter_and_nothing_is_lost(pieces: list[list[int]], pause_s: float) -> None:
    pauses = [pause_s] * (len(pieces) - 1)
    in_chunks = joined([[loud(size) for size in piece] for piece in pieces], pauses)
    whole = joined([[loud(sum(piece))] for piece in pieces], pauses)
    assert in_chunks == pytest.approx(whole)
    assert len(whole) == sum(map(sum, pieces)) + round(pause_s * RATE_HZ) * len(pauses)
