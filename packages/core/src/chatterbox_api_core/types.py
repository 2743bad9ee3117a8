"""The values that travel between the ports: immutable, with their units in their names.

A duration ends in `_s`, a size in `_bytes`, a frequency in `_hz`, a level in `_dbfs` or `_lufs`.
"""

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
    "EncodeOptions",
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
    """Samples of one channel: a 1-D memoryview of 32-bit floats."""
else:
    Samples = memoryview


@dataclass(frozen=True, slots=True, eq=False)
class Pcm:
    """A stretch of mono sound.

        Pcm.from_floats([0.0, 0.5, -0.5], sample_rate_hz=24_000)
        Pcm(memoryview(array("f", samples)), 24_000)  # numpy: memoryview(array.astype("float32"))

    Attributes:
        samples: 1-D, format "f" (32-bit float), nominally within ±1.0. Becomes read-only, and is not copied.
        sample_rate_hz: samples per second, more than 0.

    Raises:
        TypeError: the samples have another shape or format.
        ValueError: the sample rate is not positive.
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
        """The number of samples."""
        return len(self.samples)

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.sample_rate_hz

    @classmethod
    def from_floats(cls, samples: Iterable[float], *, sample_rate_hz: int) -> Pcm:
        """From any numbers, nominally within ±1.0."""
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
        """Zeros, to the nearest sample."""
        return cls(memoryview(bytes(4 * round(duration_s * sample_rate_hz))).cast("f"), sample_rate_hz)


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of the library, as its store last knew it.

    Attributes:
        id: `voice_` and 26 base32 characters; ids sort by time of creation.
        name: as its owner spelled it; unique in its canonical form, like each alias.
        aliases: other names that find it, each as it was spelled; in no order that matters.
        sha256: of the clip's bytes, in lower-case hex.
        size_bytes: of the clip as uploaded.
        duration_s: of the clip's sound, as decoded.
        media_type: what the clip is, by its content, such as `audio/wav`.
        filename: the name of the clip's file where it came from; for people, never a path; may be empty.
        language: a language tag such as `en` or `pt-BR`; None where the voice has none.
        created_at: when it was added, in UTC.
        updated_at: when it last changed, in UTC; `created_at` for a new voice.
        revision: counts the changes; 1 when created.
        consent: what the speaker agreed to, as text or as a reference; None where nothing is on record.
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
    """The clip of a voice, which a store keeps byte for byte.

    Attributes:
        data: the bytes as uploaded, at least one.
        sha256: of `data`, in lower-case hex.
        duration_s: of the sound, as decoded.
        media_type: what `data` is, by its content, one of `formats.CLIP_EXTENSIONS`.
        filename: the name of its file, for people; never a path, may be empty.
    """

    data: bytes = field(repr=False)
    sha256: str
    duration_s: float
    media_type: str = "audio/wav"
    filename: str = ""


@dataclass(frozen=True, slots=True)
class VoiceDraft:
    """A voice that no store has yet. Its names are checked, and its clip comes beside it as a VoiceAudio.

    Attributes:
        name: as its owner spells it.
        aliases: other names; those that are the name in another spelling, or twice there, are kept once.
        language: a known language tag; None for none.
        consent: what the speaker agreed to; None for nothing on record.
    """

    name: str
    aliases: tuple[str, ...] = ()
    language: str | None = None
    consent: str | None = None


class Keep(Enum):
    """The type of KEEP."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
"""Leaves a value as it is, where None clears it."""


@dataclass(frozen=True, slots=True)
class VoiceChanges:
    """Changes to a voice. They are intents rather than a new state, so that two writers who each add an alias succeed.

    Attributes:
        name: the new name, which is checked; KEEP leaves the old one.
        add_aliases: names to add; one that the voice has already keeps its spelling.
        remove_aliases: names to remove, in any spelling; one that the voice does not have is ignored.
        language: a language tag; None clears it, KEEP leaves it.
        consent: what the speaker agreed to; None clears it, KEEP leaves it.
    """

    name: str | Literal[Keep.KEEP] = KEEP
    add_aliases: tuple[str, ...] = ()
    remove_aliases: tuple[str, ...] = ()
    language: str | Literal[Keep.KEEP] | None = KEEP
    consent: str | Literal[Keep.KEEP] | None = KEEP


@dataclass(frozen=True, slots=True)
class Utterance:
    """One piece of text for the engine, not longer than its `max_chars`.

    Attributes:
        text: one segment, normalised; may be without words.
        language: one of the engine's languages, or None for its own choice.
        speed: 1.0 is the engine's natural pace; within the engine's `speed` range.
        seed: the same seed, text and voice repeat a result as far as the engine can; None leaves it to chance.
        parameters: the engine's own, by name, checked against its ParameterSpecs.
    """

    text: str
    language: str | None = None
    speed: float = 1.0
    seed: int | None = None
    parameters: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VoicePrompt:
    """The clip an engine is to sound like.

    Attributes:
        key: SHA-256 of the clip, in lower-case hex. An engine that knows it already never calls `pcm`.
        pcm: fetches and decodes the clip, at its own sample rate; may raise what stores and clip readers raise.
    """

    key: str
    pcm: Callable[[], Awaitable[Pcm]] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """One parameter of an engine; validation, documentation and pages read it.

    Attributes:
        name: in snake_case, as requests spell it.
        kind: the type of its values.
        default: the value where a request has none.
        minimum: the least value; None for no bound, and for text.
        maximum: the greatest value; None for no bound, and for text.
        unit: such as `s`; empty for none.
        help: one sentence for people.
    """

    name: str
    kind: Literal["float", "int", "str"]
    default: float | int | str
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class Language:
    """A language that an engine speaks.

    Attributes:
        tag: as requests spell it, such as `en` or `pt-br`.
        name: in English.
    """

    tag: str
    name: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do; constant while it is open.

    Attributes:
        supports_cloning: whether the engine sounds like a prompt. Where it does not, prompts still sound different.
        languages: those that a request may choose; empty when the engine has no choice.
        sample_rate_hz: of every Pcm that it yields.
        max_concurrency: how many `speak` calls may run at once, at least 1.
        max_chars: the longest text of one Utterance, in characters.
        speed: the slowest and the fastest factor that it honours itself; the encoder's tempo does the rest.
        parameters: its own, which a request may set.
        default_language: the tag of the language that it speaks when none is chosen; None where it cannot tell.
    """

    supports_cloning: bool
    languages: tuple[Language, ...]
    sample_rate_hz: int
    max_concurrency: int
    max_chars: int
    speed: tuple[float, float] = (1.0, 1.0)
    parameters: tuple[ParameterSpec, ...] = ()
    default_language: str | None = None


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A format of a response: one row of the table in `formats`.

    Attributes:
        name: as requests spell it, in lower case.
        media_type: of the response.
        extension: of its files, with the dot.
        streams: whether it is sent as it is made unless the request says otherwise; else it is sent as a whole.
        help: a few words for people.
        sample_rates_hz: those it can have; empty for any from 8,000 to 48,000.
        default_sample_rate_hz: the one it has unless another is requested; None for the nearest to the sound's own.
    """

    name: str
    media_type: str
    extension: str
    streams: bool
    help: str
    sample_rates_hz: tuple[int, ...] = ()
    default_sample_rate_hz: int | None = None


Effect: TypeAlias = Literal["tempo", "loudness", "trim", "sample_rate"]
"""What an encoder may do to the sound on its way; see `EncodeOptions`."""


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """What an encoder does to the sound on its way; the defaults do nothing.

    Attributes:
        tempo: from 0.25 to 4; 2.0 takes half the time at the same pitch.
        loudness_lufs: EBU R128 target, from -40 to -5; None leaves the loudness as it is.
        trim: whether silence at both ends is cut off.
        sample_rate_hz: of the result, from 8,000 to 48,000; None is the nearest that the format has to the input's.
    """

    tempo: float = 1.0
    loudness_lufs: float | None = None
    trim: bool = False
    sample_rate_hz: int | None = None

    @property
    def effects(self) -> frozenset[Effect]:
        """The effects that an encoder must have to honour these options."""
        wanted: dict[Effect, bool] = {
            "tempo": self.tempo != 1.0,
            "loudness": self.loudness_lufs is not None,
            "trim": self.trim,
            "sample_rate": self.sample_rate_hz is not None,
        }
        return frozenset(effect for effect, is_wanted in wanted.items() if is_wanted)


@dataclass(frozen=True, slots=True)
class ClipLimits:
    """What a clip may be. Seconds are counted as decoded, never as a file's header claims.

    Attributes:
        max_bytes: of the file.
        min_duration_s: of the sound.
        max_duration_s: of the sound.
        min_sample_rate_hz: of the sound in the file.
        max_sample_rate_hz: of the sound in the file.
        max_channels: of the sound in the file.
        deadline_s: for decoding it.
    """

    max_bytes: int = 10 * 2**20
    min_duration_s: float = 1.0
    max_duration_s: float = 300.0
    min_sample_rate_hz: int = 4_000
    max_sample_rate_hz: int = 192_000
    max_channels: int = 8
    deadline_s: float = 5.0


@dataclass(frozen=True, slots=True)
class ClipReport:
    """Measurements of a clip. A reader fills in what it can measure; None is «not measured».

    Levels are in decibels relative to full scale: 0 dBFS is an amplitude of 1.0, and nothing is below -100.

    Attributes:
        duration_s: of the sound, as decoded.
        sample_rate_hz: samples per second of the sound in the file.
        channels: of the sound in the file; the clip itself is mono, their mean.
        media_type: by its content, one of `formats.CLIP_EXTENSIONS`.
        level_dbfs: root mean square of the frames that carry speech; of all where none does.
        peak_dbfs: the largest sample of any channel, as recorded: with its offset, if it has one.
        clipped: places where three or more samples in a row sit at full scale.
        noise_dbfs: the noise floor, as it is between the words.
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
    """A decoded clip.

    Attributes:
        pcm: mono, at the rate of the file or, where that is higher, at 48 kHz.
        report: what the reader measured.
    """

    pcm: Pcm
    report: ClipReport


@dataclass(frozen=True, slots=True)
class WatermarkFinding:
    """Whether a sound carries a watermark, as far as a detector can tell.

    Attributes:
        marked: the verdict about all of the sound that was examined.
        confidence: that it is marked, from 0 to 1.
        duration_s: how much was examined, from the beginning; a detector need not examine all of it.
    """

    marked: bool
    confidence: float
    duration_s: float
