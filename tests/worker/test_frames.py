"""Frames come back as they were sent; what is no frame is refused."""

from __future__ import annotations

import array
import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox_api_core.errors import (
    ChatterboxError,
    ConfigurationError,
    DeadlineExceeded,
    InvalidAudio,
    InvalidInput,
    NotFound,
    SynthesisFailed,
    Unavailable,
)
from chatterbox_api_worker.frames import LENGTHS, error_from_frame, error_to_frame, frame_start, parse_lengths

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
HEADS = st.dictionaries(st.text(), VALUES, max_size=5)


def read(data: bytes) -> list[tuple[dict[str, Any], bytes]]:
    frames = []
    while data:
        head, payload = parse_lengths(data[: LENGTHS.size])
        data = data[LENGTHS.size :]
        frames.append((json.loads(data[:head]), data[head : head + payload]))
        data = data[head + payload :]
    return frames


@settings(max_examples=50)
@given(st.lists(st.tuples(HEADS, st.binary(max_size=300)), max_size=4))
def test_frames_come_back_as_they_were_sent(frames: list[tuple[dict[str, Any], bytes]]) -> None:
    assert read(b"".join(frame_start(head, payload) + payload for head, payload in frames)) == frames


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=50))
def test_samples_come_back_as_they_were_sent(samples: list[float]) -> None:
    ((_, payload),) = read(frame_start({}, sound := memoryview(array.array("f", samples))) + sound)
    assert list(memoryview(payload).cast("f")) == samples


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_lengths_are_bounded(head: int, payload: int) -> None:
    data = struct.pack("<II", head, payload)
    if head <= 2**20 and payload <= 512 * 2**20:
        assert parse_lengths(data) == (head, payload)
    else:
        with pytest.raises(ValueError, match="this is no frame"):
            parse_lengths(data)


@pytest.mark.parametrize("text", [b"Traceback", b"Loading ", b"\xff" * 8, b"WARNING:"])
def test_what_a_library_prints_is_no_frame(text: bytes) -> None:
    with pytest.raises(ValueError, match="this is no frame"):
        parse_lengths(text[:8])


def test_what_would_be_refused_is_not_sent() -> None:
    with pytest.raises(ValueError, match="too long"):
        frame_start({"text": "x" * 2**21})


ERRORS = [ConfigurationError, InvalidAudio, InvalidInput, SynthesisFailed, Unavailable]


@pytest.mark.parametrize("cls", ERRORS)
def test_errors_come_back_as_what_they_were(cls: type[ChatterboxError]) -> None:
    error = error_from_frame(error_to_frame(cls("Why.", code="word", field="voice", remedy="Do this.")))
    assert type(error) is cls
    assert (error.message, error.code, error.field, error.remedy) == ("Why.", "word", "voice", "Do this.")


def test_when_to_come_back_is_kept() -> None:
    error = error_from_frame(error_to_frame(Unavailable("Why.", retry_after_s=30)))
    assert isinstance(error, Unavailable)
    assert error.retry_after_s == 30


@pytest.mark.parametrize("cls", [NotFound, DeadlineExceeded])
def test_an_error_that_no_job_should_raise_is_a_failure(cls: type[ChatterboxError]) -> None:
    assert type(error_from_frame(error_to_frame(cls("Why.")))) is SynthesisFailed


WORDS = ["code", "message", "field", "remedy"]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "kind": VALUES | st.sampled_from([cls.__name__ for cls in ERRORS]),
            "retry_after_s": VALUES | st.just(10**400) | st.just(float("nan")),
            **dict.fromkeys(WORDS, VALUES),
        },
    )
)
def test_any_head_is_some_error(head: dict[str, Any]) -> None:
    error = error_from_frame(head)
    assert isinstance(error, ChatterboxError)
    assert isinstance(error.code, str)
    assert isinstance(error.message, str)
    assert isinstance(error.field, str | None)
    assert isinstance(error.remedy, str | None)
    if isinstance(error, Unavailable):
        assert 0 < error.retry_after_s <= 24 * 3600
