"""The interfaces an adapter fulfils. Their docstrings are the contract; the testkit checks it.

Optional abilities are declared in capabilities, never found out by calling. Errors are those of
`errors`; an adapter translates its library's exceptions at its edge.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from chatterbox_api_core.types import (
    AudioFormat,
    Capabilities,
    Clip,
    ClipLimits,
    Effect,
    Pcm,
    Utterance,
    Voice,
    VoiceAudio,
    VoiceChanges,
    VoiceDraft,
    VoicePrompt,
    WatermarkFinding,
)

__all__ = ["ByteSink", "ClipReader", "Encoder", "StreamEncoder", "Synthesizer", "VoiceStore", "WatermarkDetector"]


class VoiceStore(Protocol):
    """Where voices are kept. Called on the event loop, by many tasks at once; must not block it.

    Names are compared in their canonical form (`names.canonical_name`); a name or alias belongs to
    at most one voice. A write that has returned survives a crash. Any call may raise Unavailable.
    """

    async def ready(self) -> None:
        """Return if the store can serve, raise Unavailable with the cause if not. Answers from what is known, soon."""

    async def get(self, voice_id: str) -> Voice | None:
        """The voice with this id."""

    async def get_by_name(self, name: str) -> Voice | None:
        """The voice with this name or alias, in any spelling."""

    async def list(self, *, after: str | None = None, limit: int = 100) -> tuple[Voice, ...]:
        """At most `limit` voices in order of id, beginning behind the id `after`, which need not exist.

        `limit` is from 1 to 1,000. Voices that are there before and after a walk through the pages are seen.
        """

    async def read_clip(self, voice: Voice) -> bytes:
        """The clip of the voice as it was read. NotFound when it has been replaced or removed meanwhile.

        The caller checks the bytes against `voice.sha256`; a store may, and then raises StorageFailed `voice_damaged`.
        """

    async def add(self, draft: VoiceDraft, audio: VoiceAudio) -> Voice:
        """Take a new voice in, under a fresh id. NameTaken with the field `name` or `alias`, StorageFailed."""

    async def replace(self, voice_id: str, audio: VoiceAudio) -> Voice:
        """Give a voice another clip. NotFound, StorageFailed."""

    async def update(self, voice_id: str, changes: VoiceChanges) -> Voice:
        """Apply the changes, all or none. NotFound, NameTaken, StorageFailed."""

    async def remove(self, voice_id: str) -> None:
        """Remove a voice; its names are free, and it is no longer the default. NotFound, StorageFailed."""

    async def default(self) -> Voice | None:
        """The voice that speaks when none is asked for."""

    async def set_default(self, voice_id: str | None) -> None:
        """Choose the default voice, or none. NotFound, StorageFailed."""


class Synthesizer(Protocol):
    """An engine that turns text into sound. Called on the event loop; must not block it.

    At most `capabilities.max_concurrency` calls of `speak` run at once; the caller sees to that.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do; constant while it is open, and known before any weights are loaded."""

    async def ready(self) -> None:
        """Return if `speak` may be called, raise Unavailable with the cause if not. Answers soon, loads no weights."""

    def speak(self, utterance: Utterance, prompt: VoicePrompt | None) -> AsyncGenerator[Pcm, None]:
        """Yield the sound of one utterance, in order, each piece at `capabilities.sample_rate_hz`.

        `prompt` is the clip to sound like, None the engine's own voice. Closing the generator stops
        the work within 0.5 s and leaves the engine ready for the next call. Raises SynthesisFailed when the
        engine fails on this utterance, Unavailable when it cannot serve now, and what `prompt.pcm` raises.
        """


class ByteSink(Protocol):
    """Where an encoder writes: any binary file that can seek will do. It never fails; whoever made it bounds it."""

    def write(self, data: bytes, /) -> int:
        """Write at the current place."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to another place, as `io.IOBase.seek` does."""

    def tell(self) -> int:
        """The current place, in bytes from the start."""


class Encoder(Protocol):
    """Turns sound into bytes of a format. Synchronous: the caller keeps it off the event loop, and limits its time."""

    @property
    def formats(self) -> tuple[AudioFormat, ...]:
        """The formats offered, rows of `formats`."""

    @property
    def effects(self) -> frozenset[Effect]:
        """What `open` can do beyond encoding; an argument for any other effect must not be given."""

    def open(
        self,
        audio_format: AudioFormat,
        sink: ByteSink,
        *,
        sample_rate_hz: int,
        complete: bool,
        tempo: float = 1.0,
        loudness_lufs: float | None = None,
        trim: bool = False,
        out_rate_hz: int | None = None,
    ) -> StreamEncoder:
        """Begin to encode into `sink`.

        Args:
            sink: takes the bytes, from place 0 on.
            sample_rate_hz: of every Pcm that will be fed.
            complete: True for a body of true sizes, which is read once it is finished, so that the encoder may go
                back and fill them in; False for bytes that leave with the sound they carry: nothing but `write`
                may be called then.
            tempo: from 0.25 to 4; 2.0 takes half the time at the same pitch.
            loudness_lufs: EBU R128 target, from -40 to -5.
            trim: whether silence at both ends is cut off.
            out_rate_hz: rate of the result, from 8,000 to 48,000; when None, the nearest the format has to `sample_rate_hz`.
        """


class StreamEncoder(Protocol):
    """One stream being encoded; used by one thread at a time. It may be left at any point, without `finish`."""

    def feed(self, pcm: Pcm) -> None:
        """Take sound in; write the bytes that are due, perhaps none."""

    def finish(self) -> None:
        """End the stream; write the rest. Called once, and nothing after it. The sink stays open."""


class ClipReader(Protocol):
    """Reads the clip of a voice, by content and never by file name. Called on the event loop; must not block it."""

    async def read(self, data: bytes, *, limits: ClipLimits) -> Clip:
        """Decode a clip.

        Decoding takes `limits.deadline_s` at the most, whatever the bytes are; a reader that decodes in a process of
        its own may take half a second more, until that is killed. Where it has to wait for other clips first, that
        comes on top. No file and no connection is opened. Cancelling it leaves the reader ready for the next clip.

        Raises:
            InvalidAudio: `invalid_audio`, `audio_too_short` or `audio_too_long`; also where the clip takes more time
                or memory than it may, or where decoding it crashes. The field is `voice_file`.
            Overloaded: too many clips wait to be read already.
            DeadlineExceeded: the clip has waited for too long to be read.
            Unavailable: no clip can be read now.
        """


class WatermarkDetector(Protocol):
    """Tells whether a sound carries a watermark. Called on the event loop; must not block it."""

    async def detect(self, pcm: Pcm) -> WatermarkFinding:
        """Judge a sound of any rate and length; silence carries no mark.

        Cancelling it leaves the detector ready for the next call. Raises SynthesisFailed when the detector fails on
        this sound, Unavailable when it cannot serve now, ConfigurationError when something it needs is not installed.
        """
