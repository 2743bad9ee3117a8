"""Where memory or time ends in the midst of a clip, that is what is said, and not that the clip is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from types import SimpleNamespace
from typing import Any

import av
import pytest
from encoders.clip_files import KINDS, atom, encoded, hum
from encoders.hostile_clips import crafted

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.types import ClipLimits
from chatterbox_api_encoders import clip_reader, mixing

OUT_OF_MEMORY = av.error.MemoryError(12, "Cannot allocate memory")


class Packet:
    def decode(self) -> Any:
        raise OUT_OF_MEMORY


class Container:
    """One of PyAV's; it runs out of memory while it reads, or while a packet is decoded."""

    def __init__(self, opened: Any, packets: list[Packet]) -> None:
        self._opened, self._packets = opened, packets

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened, name)

    def demux(self, stream: object) -> Any:
        yield from self._packets
        raise OUT_OF_MEMORY


@pytest.mark.parametrize("packets", [[], [Packet()]])
def test_a_lack_of_memory_is_no_damage(packets: list[Packet], monkeypatch: pytest.MonkeyPatch) -> None:
    data, opened = encoded("wav", hum(1.5), sample_rate_hz=24_000), av.open

    @contextmanager
    def failing(*args: Any, **options: Any) -> Iterator[Container]:
        with opened(*args, **options) as container:
            yield Container(container, packets)

    monkeypatch.setattr(av, "open", failing)
    with pytest.raises(MemoryError):
        clip_reader.InProcessClipReader().decode(data, limits=ClipLimits())


@pytest.mark.parametrize("kind", [*KINDS, "video-only", "mp4-empty"])
def test_a_deadline_that_passes_anywhere_is_told(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock jumps beyond it the Nth time that it is looked at. Until then the file may have lost its tracks."""
    if kind in KINDS:
        data = encoded(kind, hum(1.5), sample_rate_hz=24_000)
    elif kind == "mp4-empty":
        data = atom(b"ftyp", b"M4A \0\0\0\0") + atom(b"moov", b"")
    else:
        data = crafted((9, "/nowhere/a.wav", "/nowhere/b.wav"))[kind]
    found, jump = "", 0
    for jump in range(1, 200):
        looks = count()
        clock = SimpleNamespace(monotonic=lambda looks=looks, jump=jump: 0.0 if next(looks) < jump else 1e6)
        monkeypatch.setattr(clip_reader, "time", clock)
        monkeypatch.setattr(mixing, "time", clock)
        found = "read"
        try:
            clip_reader.InProcessClipReader().decode(data, limits=ClipLimits())
        except InvalidAudio as error:
            found = str(error)
        if next(looks) <= jump:
            break
        assert "takes too long" in found, jump
    assert jump > 1
    assert (found == "read") == (kind in KINDS), found
