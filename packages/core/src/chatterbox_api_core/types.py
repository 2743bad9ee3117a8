"""The values that travel between the ports: immutable, and with their units in their names."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "KEEP",
    "AudioFormat",
    "Capabilities",
    "Clip",
    "ClipLimits",
    "ClipReport",
    "Effect",
    "Keep",
    "Language",
    "ParameterSpec",
    "Pcm",
    "Samples",
    "Utterance",
    "Voice",
    "VoiceAudio",
    "VoiceChanges",
    "VoiceDraft",
    "VoicePrompt",
    "WatermarkFinding",
]


if TYPE_CHECKING:
    Samples: TypeAlias = memoryview[float]
else:
    Samples = memoryview


@dataclass(frozen=True, slots=True, eq=False)
class Pcm:
    """A stretch of mono sound.

    Attributes:
        samples: 1-D, format "f" (32-bit float), read-only, nominally within ±1.0.
        sample_rate_hz: samples per second.
    """

    samples: Samples
    sample_rate_hz: int

    def __post_init__(self) -> None:
        if self.samples.format != "f" or self.samples.ndim != 1:
            raise TypeError(f"samples must be 1-D float32, not {self.samples.ndim}-D {self.samples.format!r}")
        if self.sample_rate_hz <= 0:
            raise ValueError(f"sample_rate_hz must be positive, not {self.sample_rate_hz}")
        object.__setattr__(self, "samples", self.samples.toreadonly())

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.sample_rate_hz

    @classmethod
    def from_floats(cls, samples: Iterable[float], *, sample_rate_hz: int) -> Pcm:
        return cls(memoryview(array("f", samples)), sample_rate_hz)

    @classmethod
    def from_s16le(cls, data: bytes, *, sample_rate_hz: int) -> Pcm:
        """From 16-bit signed little-endian bytes, as most tools write them."""
        integers = array("h", data)
        if sys.byteorder == "big":
            integers.byteswap()
        return cls.from_floats([value / 32768 for value in integers], sample_rate_hz=sample_rate_hz)

    @classmethod
    def silence(cls, duration_s: float, *, sample_rate_hz: int) -> Pcm:
        return cls(memoryview(bytes(4 * round(duration_s * sample_rate_hz))).cast("f"), sample_rate_hz)


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of the library, as its store last knew it.

    Attributes:
        id: `voice_` and 26 base32 characters; ids sort by time of creation.
        name: as its owner spelled it; unique in its canonical form, like each alias.
        sha256: of the clip's bytes, in lower-case hex.
        media_type: what the clip is, by its content, such as `audio/wav`.
        filename: what its file was called where it came from; for people, never a path; may be empty.
        revision: counts the changes; 1 when created.
        consent: what the speaker agreed to, as text or as a reference; None when not said.
    """

    id: str
    name: str
    aliases: tuple[str, ...]
    sha256: str
    size_bytes: int
    duration_s: float
    media_type: str
    filename: str
    language: str | None
    created_at: datetime
    updated_at: datetime
    revision: int
    consent: str | None = None


@dataclass(frozen=True, slots=True)
class VoiceAudio:
    """The clip of a voice: its bytes as uploaded, what they hash to, what they are, and how long they sound."""

    data: bytes = field(repr=False)
    sha256: str
    duration_s: float
    media_type: str = "audio/wav"
    filename: str = ""


@dataclass(frozen=True, slots=True)
class VoiceDraft:
    """What a voice is to be, before a store has taken it in. Names are already checked."""

    name: str
    aliases: tuple[str, ...] = ()
    language: str | None = None
    consent: str | None = None


class Keep(Enum):
    """The one value that means «leave it as it is», where None means «clear it»."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True, slots=True)
class VoiceChanges:
    """Changes to a voice, as intents: so that two writers who each add an alias both succeed."""

    name: str | Literal[Keep.KEEP] = KEEP
    add_aliases: tuple[str, ...] = ()
    remove_aliases: tuple[str, ...] = ()
    language: str | Literal[Keep.KEEP] | None = KEEP
    consent: str | Literal[Keep.KEEP] | None = KEEP


@dataclass(frozen=True, slots=True)
class Utterance:
    """One piece of text for the engine, not longer than its `max_chars`.

    Attributes:
        language: one of the engine's languages, or None for its own choice.
        speed: 1.0 is the engine's natural pace; within the engine's `speed` range.
        seed: the same seed, text and voice repeat a result as far as the engine can.
        params: checked against the engine's ParameterSpecs.
    """

    text: str
    language: str | None = None
    speed: float = 1.0
    seed: int | None = None
    params: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VoicePrompt:
    """The clip an engine is to sound like.

    Attributes:
        key: SHA-256 of the clip. An engine that has it warm never calls `pcm`.
        pcm: fetches and decodes the clip; may raise what stores and clip readers raise.
    """

    key: str
    pcm: Callable[[], Awaitable[Pcm]] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """One parameter of an engine: what validation, documentation and pages read."""

    name: str
    kind: Literal["float", "int", "str"]
    default: float | int | str
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class Language:
    """A language an engine speaks: its tag, such as `en` or `pt-br`, and its English name."""

    tag: str
    name: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do; constant while it is open.

    Attributes:
        clones: whether a prompt is imitated, or only told apart from others.
        languages: those it can be asked for; empty when it has no choice.
        default_language: the tag of the one it speaks when none is asked for; None where it cannot tell.
        sample_rate_hz: of every Pcm it yields.
        concurrent: how many `speak` calls may run at once.
        max_chars: the longest text of one Utterance.
        speed: slowest and fastest factor it honours itself; the encoder's tempo does the rest.
    """

    clones: bool
    languages: tuple[Language, ...]
    sample_rate_hz: int
    concurrent: int
    max_chars: int
    speed: tuple[float, float] = (1.0, 1.0)
    params: tuple[ParameterSpec, ...] = ()
    default_language: str | None = None


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A format of the wire: one row of the table in `formats`.

    Attributes:
        media_type: with which it is sent.
        streams: sent as it is made unless the request says otherwise; else sent complete.
        sample_rates_hz: those it can have; empty for any from 8,000 to 48,000.
        default_sample_rate_hz: the one it has unless another is asked for, where the bytes do not say which it is.
    """

    name: str
    media_type: str
    extension: str
    streams: bool
    help: str
    sample_rates_hz: tuple[int, ...] = ()
    default_sample_rate_hz: int | None = None


Effect: TypeAlias = Literal["tempo", "loudness", "trim", "out_rate"]
"""What an encoder may do to the sound on its way; see `ports.Encoder.open`."""


@dataclass(frozen=True, slots=True)
class ClipLimits:
    """What a clip may be. Seconds are counted as decoded, never as a file's header claims."""

    max_bytes: int = 10 * 2**20
    min_duration_s: float = 1.0
    max_duration_s: float = 300.0
    min_sample_rate_hz: int = 4_000
    max_sample_rate_hz: int = 192_000
    max_channels: int = 8
    deadline_s: float = 5.0


@dataclass(frozen=True, slots=True)
class ClipReport:
    """What a clip was found to be. A reader fills what it can tell; None is «not measured».

    Levels are in decibels relative to full scale: 0 dBFS is an amplitude of 1.0, and nothing is below -100.

    Attributes:
        duration_s: of the sound, as decoded.
        sample_rate_hz: samples per second of the sound in the file.
        channels: of the sound in the file; the clip itself is mono, their mean.
        media_type: by its content, one of `formats.CLIP_EXTENSIONS`.
        level_dbfs: root mean square of the frames that carry speech; of all where none does.
        peak_dbfs: the largest sample of any channel, as recorded: with its offset, if it has one.
        clipped: places where three or more samples in a row sit at full scale.
        noise_dbfs: the noise floor, what is heard between the words.
        speech_share: of frames of 20 ms, those well above the noise floor, from 0 to 1.
        bandwidth_hz: the highest frequency with sound to speak of.
        missing_s: sound that the file's header promises and the file does not have.
        cut_off: whether the file ends without the mark, or within the part, that its format ends with.
        damaged: stretches of the file that could not be decoded and were left out.
        tracks: of sound in the file; the first that can be read is the clip.
        advice: sentences for the person who made the recording; `clip_report.with_advice` writes them.
    """

    duration_s: float
    sample_rate_hz: int
    channels: int
    media_type: str = "audio/wav"
    level_dbfs: float | None = None
    peak_dbfs: float | None = None
    clipped: int | None = None
    noise_dbfs: float | None = None
    speech_share: float | None = None
    bandwidth_hz: int | None = None
    missing_s: float = 0.0
    cut_off: bool = False
    damaged: int = 0
    tracks: int = 1
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clip:
    """A decoded clip: mono, at its own rate or, where that is higher, at 48 kHz."""

    pcm: Pcm
    report: ClipReport


@dataclass(frozen=True, slots=True)
class WatermarkFinding:
    """Whether a sound carries a watermark, as far as a detector can tell.

    Attributes:
        marked: the verdict about the whole of what was heard.
        confidence: that it is marked, from 0 to 1.
        duration_s: how much was heard, from the beginning; a detector need not listen to the end.
    """

    marked: bool
    confidence: float
    duration_s: float
