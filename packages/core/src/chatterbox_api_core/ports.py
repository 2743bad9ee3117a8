"""The interfaces an adapter fulfils. Their docstrings are the contract, and the test kit checks it.

Optional abilities are declared in capabilities and never found out by calling. Errors are those of `errors`: an adapter
translates its library's exceptions where it calls the library. Each `Raises:` names the condition and the code; where
it names no code, the default code of the class will do.

Every asynchronous method is called on one event loop, by many tasks at once, and must not block it: work that takes
longer than a few milliseconds belongs in a thread or a process. Every asynchronous call may be cancelled.
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
    EncodeOptions,
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
    """Keeps voices: their names, their details and their clips.

    Names are compared in their canonical form (`voices.names.canonical_name`), and a name or alias belongs to at most
    one voice. The caller has checked names and read clips; a store judges neither. `voices.revisions` makes the voice
    that a write leaves behind, and `voices.store_errors` the errors below that name a voice.

    Writes are atomic: each is done as a whole or not at all, also when it is cancelled or the process crashes, and
    nothing changes any more once a cancelled call has ended. A write that has returned is seen by every read of this
    store that begins afterwards, and a durable store still has it after a crash. Concurrent writes to one voice are
    done one after the other, and none of them is lost.

    Any method may raise Unavailable while the store cannot be reached. With the code `storage_unsure` a write says that
    nobody knows whether it was done. StorageFailed says that a write could not be kept and that nothing has changed;
    its code is `storage_full`, `storage_read_only` or the default.
    """

    async def ready(self) -> None:
        """Return if the store can serve. Answers from what is known, within about two seconds.

        Raises:
            Unavailable: the store cannot serve; the message says why.
        """

    async def get(self, voice_id: str) -> Voice | None:
        """The voice with exactly this id; None where there is none, also for a text that can be no id."""

    async def get_by_name(self, name: str) -> Voice | None:
        """The voice with this name or alias, in any spelling; None where there is none. An id is no name."""

    async def list(self, *, after: str | None = None, limit: int = 100) -> tuple[Voice, ...]:
        """One page of voices, in order of id, which is the order of creation.

        A walk through the pages sees every voice that exists during the whole walk exactly once.

        Args:
            after: an id, which need not exist; the page begins behind it. None begins with the first voice.
            limit: from 1 to 1,000. A page may be shorter; only an empty one is the end.
        """

    async def read_clip(self, voice: Voice) -> bytes:
        """The bytes of the clip that `voice` had when it was read from this store.

        The caller compares the bytes with `voice.sha256`; a store may do so too.

        Raises:
            NotFound: the clip has been replaced or the voice removed meanwhile; the field is `voice`.
            StorageFailed: `voice_damaged`, the clip is not what was stored, or is missing.
        """

    async def add(self, draft: VoiceDraft, audio: VoiceAudio) -> Voice:
        """Keep a new voice under a fresh id, at revision 1.

        Raises:
            NameTaken: another voice has the name or an alias of the draft; the field is `name` or `alias`.
            StorageFailed: the write could not be kept.
        """

    async def replace(self, voice_id: str, audio: VoiceAudio) -> Voice:
        """Give a voice another clip; everything else stays. Returns the voice at its next revision.

        Raises:
            NotFound: there is no such voice; the field is `voice`.
            StorageFailed: the write could not be kept.
        """

    async def update(self, voice_id: str, changes: VoiceChanges) -> Voice:
        """Apply all of the changes to the voice as it is now, or none. Returns the voice at its next revision.

        An alias that is to be removed and is not there is no error.

        Raises:
            NotFound: there is no such voice; the field is `voice`.
            NameTaken: another voice has the new name or a new alias; the field is `name` or `alias`.
            StorageFailed: the write could not be kept.
        """

    async def remove(self, voice_id: str) -> None:
        """Remove a voice and its clip. Its names are free, and where it was the default voice, there is none.

        Raises:
            NotFound: there is no such voice; the field is `voice`.
            StorageFailed: the write could not be kept.
        """

    async def default(self) -> Voice | None:
        """The voice that speaks when a request names none; None where none is chosen."""

    async def set_default(self, voice_id: str | None) -> None:
        """Choose the default voice; None chooses none, also where none was chosen.

        Raises:
            NotFound: there is no such voice, and the default stays; the field is `voice`.
            StorageFailed: the write could not be kept.
        """


class Synthesizer(Protocol):
    """An engine that turns text into sound.

    At most `capabilities.max_concurrency` calls of `speak` run at once; the caller sees to that.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do; constant while it is open, and known before any weights are loaded."""

    async def ready(self) -> None:
        """Return if `speak` may be called. Answers within a few seconds, and loads no weights.

        Raises:
            Unavailable: the engine cannot serve now; the message says why.
        """

    def speak(self, utterance: Utterance, prompt: VoicePrompt | None) -> AsyncGenerator[Pcm, None]:
        """Yield the sound of one utterance, in order.

        Each piece has `capabilities.sample_rate_hz`; pieces may have any length, and silence is sound. Closing the
        generator, or cancelling its task, stops the work within 0.5 s and leaves the engine ready for the next call.

        Args:
            utterance: within what the capabilities declare.
            prompt: the clip to sound like; None is the engine's own voice.

        Raises:
            SynthesisFailed: the engine fails on this utterance.
            InvalidInput: the engine cannot speak this text or in this voice; `unsupported_text`, `no_builtin_voice`.
            Unavailable: the engine cannot serve now.
            ChatterboxError: what `prompt.pcm` raises, unchanged.
        """


class ByteSink(Protocol):
    """Where an encoder writes: any binary file that can seek will do. It never fails; whoever made it bounds it."""

    def write(self, data: bytes, /) -> int:
        """Write at the current place, and return the number of bytes: all of them."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to another place, as `io.IOBase.seek` does, and return it."""

    def tell(self) -> int:
        """The current place, in bytes from the start."""


class Encoder(Protocol):
    """Turns sound into bytes of a format. Synchronous: called off the event loop, save for `inline_formats`.

    Each call has a deadline. An encoder that misses it is given up, with the thread that it keeps. Where an encoder
    raises an exception that is none of core's, the caller makes it EncodingFailed.
    """

    @property
    def formats(self) -> tuple[AudioFormat, ...]:
        """The formats offered, rows of `formats`; constant while it is open."""

    @property
    def effects(self) -> frozenset[Effect]:
        """What `open` can do beyond encoding; options that need any other effect must not be given."""

    @property
    def inline_formats(self) -> frozenset[str]:
        """Names of formats that are encoded faster than sound is handed to a thread, when no effect is requested.

        Their calls are made on the event loop: they take less than 0.5 ms for 16,384 samples, and wait for nothing.
        """

    def open(
        self,
        audio_format: AudioFormat,
        sink: ByteSink,
        *,
        input_rate_hz: int,
        streaming: bool,
        options: EncodeOptions,
    ) -> StreamEncoder:
        """Begin to encode into `sink`. Any number of streams may be open at once.

        Args:
            audio_format: one of `formats`.
            sink: takes the bytes, from place 0 on.
            input_rate_hz: the sample rate of every Pcm that will be encoded.
            streaming: True for bytes that leave with the sound they carry: nothing but `write` may be called then.
                False for a body of true sizes, which is read once it is flushed, so that the encoder may seek back
                and fill them in.
            options: needs no effect that is not in `effects`.

        Raises:
            EncodingFailed: the stream cannot be begun.
        """


class StreamEncoder(Protocol):
    """One stream being encoded; used by one thread at a time. It may be left at any point, without `flush`."""

    def encode(self, pcm: Pcm) -> None:
        """Take sound in; write the bytes that are due, perhaps none.

        Raises:
            EncodingFailed: the encoder fails on this sound; nothing is called after it.
        """

    def flush(self) -> None:
        """End the stream; write the rest. Called once, and nothing after it. The sink stays open.

        Raises:
            EncodingFailed: the stream cannot be ended.
        """


class ClipReader(Protocol):
    """Reads the clip of a voice, by its content and never by a file name."""

    async def read(self, data: bytes, *, limits: ClipLimits) -> Clip:
        """Decode a clip to mono, and measure it.

        Decoding takes `limits.deadline_s` at the most, whatever the bytes are; a reader that decodes in a process of
        its own may take half a second more, until that is killed. Where it has to wait for other clips first, that
        comes on top. No file and no connection is opened. Cancelling it leaves the reader ready for the next clip.

        Raises:
            InvalidAudio: `invalid_audio`, `audio_too_short` or `audio_too_long`; also where the clip takes more time
                or memory than it may, or where decoding it crashes. The field is `clip`; `voices.clip_refusals` makes
                these errors.
            Overloaded: too many clips wait to be read already.
            DeadlineExceeded: the clip has waited for too long to be read.
            Unavailable: no clip can be read now.
        """


class WatermarkDetector(Protocol):
    """Tells whether a sound carries a watermark."""

    async def detect(self, pcm: Pcm) -> WatermarkFinding:
        """Judge a sound of any rate and length; silence carries no mark.

        Cancelling it leaves the detector ready for the next call.

        Raises:
            SynthesisFailed: the detector fails on this sound.
            Unavailable: it cannot serve now.
            ConfigurationError: something it needs is not installed.
        """
