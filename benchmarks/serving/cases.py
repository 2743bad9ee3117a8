"""What is measured: groups of cases, each group on a server of its own with one set-up of the stub engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from benchmarks.stub_engine.synthesizer import StubTiming
from chatterbox_api_core.text import segment

__all__ = ["CLIENTS", "Case", "Group", "OwnTime", "Setup", "Voices", "groups", "quick_groups"]

Voices: TypeAlias = Literal["none", "warm", "cold"]

CLIENTS: Final = (1, 4, 8, 16, 32, 64, 128)
SHARES: Final = (0.5, 0.8, 0.95, 1.2)
FORMATS: Final = ("wav", "mp3", "opus", "flac", "ogg", "aac", "pcm", "m4a", "webm", "wav-24", "wav-float")
_SENTENCE: Final = "The quick brown fox jumps over the lazy dog, and then it goes home to sleep."
TEXTS: Final = {"short": _SENTENCE, "medium": " ".join([_SENTENCE] * 5), "long": " ".join([_SENTENCE] * 40)}
_MAX_CHARS: Final = 400
_SENTENCE_PAUSE_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class OwnTime:
    """What the engine itself takes for a text: nothing that a server does can make it less.

    Attributes:
        first_s, whole_s: until its first and its last sound.
        sound_s: how long the answer sounds, pauses between segments included.
    """

    first_s: float
    whole_s: float
    sound_s: float


@dataclass(frozen=True, slots=True)
class Setup:
    """The stub engine and the queue before it."""

    slots: int = 1
    timing: StubTiming = field(default_factory=lambda: StubTiming(sound_s=4.7))
    queue_max: int = 10_000

    def environment(self) -> dict[str, str]:
        """As settings of the server."""
        timing = self.timing
        return {
            "SYNTHESIZER": "stub",
            "STUB_SLOTS": str(self.slots),
            "STUB_DELAY_MS": f"{1000 * timing.delay_s:g}",
            "STUB_DELAY_MS_PER_S": f"{1000 * timing.delay_s_per_s:g}",
            "STUB_PIECE_MS": f"{1000 * timing.piece_s:g}",
            "STUB_PIECES_PER_S": f"{timing.pieces_per_s:g}",
            "STUB_SOUND_S": f"{timing.sound_s:g}",
            "STUB_SOUND_S_PER_CHAR": f"{timing.sound_s_per_char:g}",
            "STUB_PREPARE_MS": f"{1000 * timing.prepare_s:g}",
            "QUEUE_MAX": str(self.queue_max),
            "QUEUE_WAIT_S": "300",
            "SENTENCE_PAUSE_MS": f"{1000 * _SENTENCE_PAUSE_S:g}",
            "MAX_INPUT_CHARS": "20000",
        }

    def own_time(self, text: str, *, cold: bool = False) -> OwnTime:
        """Of one request that is alone with its slot."""
        first_s = whole_s = sound_s = 0.0
        prepare_s = self.timing.prepare_s if cold else 0.0
        for number, each in enumerate(segment(text, max_chars=_MAX_CHARS, language="en")):
            pieces = list(self.timing.pieces(len(each.text)))
            first_s = first_s or prepare_s + pieces[0][2]
            whole_s += pieces[-1][2]
            sound_s += pieces[-1][1] / 24_000 + (_SENTENCE_PAUSE_S if number else 0.0)
        return OwnTime(first_s, prepare_s + whole_s, sound_s)


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table.

    Attributes:
        clients: of a closed loop, each of which sends its next request with the end of the last; 0 for an open loop.
        share: of the ceiling, for an open loop whose requests arrive at random.
        seconds: of the window that counts; the warm-up comes on top.
        max_count: the most requests of the window.
    """

    audio_format: str
    streaming: bool
    clients: int = 1
    share: float = 0.0
    text: str = "short"
    voices: Voices = "none"
    seconds: float = 4.0
    max_count: int = 20_000

    @property
    def load(self) -> str:
        return f"{self.clients} clients" if self.clients else f"{100 * self.share:.0f} % open"


@dataclass(frozen=True, slots=True)
class Group:
    """Cases on one server.

    Attributes:
        voices: recordings that are added to the library before.
        for_others: whether another server can be measured with it: it needs no voices and no settings of ours.
    """

    name: str
    about: str
    setup: Setup
    cases: tuple[Case, ...]
    voices: int = 0
    for_others: bool = False


_REAL_TIME: Final = StubTiming(piece_s=0.2, pieces_per_s=5.5, sound_s=4.7)


def groups(*, seconds: float) -> Iterator[Group]:
    """All of them."""
    yield from _loads(seconds)
    yield from _kinds(seconds)


def _loads(seconds: float) -> Iterator[Group]:
    """One kind of request, at many loads."""
    case = Case("wav", streaming=False, seconds=seconds)
    main = ("wav", "mp3", "opus")
    yield Group(
        "ladder",
        "one slot of 50 ms, 4.7 s of sound, complete bodies",
        Setup(),
        tuple(replace(case, audio_format=each, clients=clients) for each in main for clients in CLIENTS),
        for_others=True,
    )
    yield Group(
        "open",
        "the same slot, requests at random, at most 8 wait",
        Setup(queue_max=8),
        tuple(
            replace(case, audio_format=each, clients=0, share=share, seconds=2 * seconds)
            for each in ("wav", "mp3")
            for share in SHARES
        ),
        for_others=True,
    )
    yield Group(
        "streamed",
        "64 slots, pieces of 200 ms a tenth faster than real time",
        Setup(64, _REAL_TIME),
        tuple(Case(each, True, clients, seconds=seconds) for each in ("pcm", "mp3", "opus") for clients in (1, 32, 64)),
    )
    yield Group(
        "slots",
        "16 slots of 50 ms, 4.7 s of sound, complete bodies",
        Setup(16),
        tuple(replace(case, audio_format=each, clients=clients) for each in main for clients in (16, 64, 128)),
    )


def _kinds(seconds: float) -> Iterator[Group]:
    """Many kinds of requests, at few loads."""
    case = Case("wav", streaming=False, seconds=seconds)
    yield Group(
        "formats",
        "one slot of 50 ms, 4.7 s of sound, one client",
        Setup(),
        tuple(Case(each, streaming, max_count=30, seconds=seconds) for each in FORMATS for streaming in (False, True)),
    )
    yield Group(
        "texts",
        "one slot, 10 ms before each segment and 5 ms a second of sound",
        Setup(timing=StubTiming(delay_s=0.01, delay_s_per_s=0.005)),
        tuple(
            Case(each, streaming, text=text, seconds=seconds)
            for text in TEXTS
            for each, streaming in (("wav", False), ("mp3", True))
        ),
    )
    yield Group(
        "voices",
        "8 slots of 50 ms, 100 ms to prepare a voice",
        Setup(8, StubTiming(sound_s=4.7, prepare_s=0.1)),
        tuple(
            replace(case, clients=clients, voices=voices, max_count=24)
            for voices in ("cold", "warm")
            for clients in (1, 8)
        ),
        voices=48,
    )


def quick_groups() -> Iterator[Group]:
    """A look at each kind of load in a few seconds, with one start of the server."""
    case = Case("wav", streaming=False, seconds=1.0)
    yield Group(
        "quick",
        "one slot of 50 ms, 4.7 s of sound in pieces of 200 ms",
        Setup(timing=StubTiming(piece_s=0.2, sound_s=4.7), queue_max=8),
        (
            case,
            replace(case, clients=8),
            replace(case, audio_format="mp3", clients=8),
            replace(case, audio_format="mp3", streaming=True),
            replace(case, clients=0, share=1.2),
        ),
        for_others=True,
    )
