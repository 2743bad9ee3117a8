"""The errors of the clip reader: reasons to refuse a file that core does not know, and failures of its processes."""

from __future__ import annotations

from typing import Final

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.types import ClipLimits
from chatterbox_api_core.voices import clip_refusals
from chatterbox_api_worker.spec import Cause, WorkerExited

__all__ = [
    "cut_off",
    "damaged",
    "error_from_exception",
    "error_from_exit",
    "implausible",
    "unreadable",
    "unsupported",
]

_REMEDY: Final = "Send a recording as wav, mp3, flac, ogg, opus, m4a, webm or aiff."
_AGAIN: Final = "Send it again, or export it again."


def unreadable(reason: str, *, remedy: str = _REMEDY) -> InvalidAudio:
    """The error `invalid_audio` with a reason, which is a clause without a full stop."""
    return clip_refusals.unreadable(reason, remedy=remedy)


def unsupported(name: str) -> InvalidAudio:
    """The error for a file of another kind, such as "a PNG picture"."""
    return unreadable(f"this is {name}, which is not supported")


def cut_off() -> InvalidAudio:
    """The error for a file whose end is missing and whose beginning cannot be decoded."""
    return unreadable("it is cut off, and the rest cannot be decoded", remedy=_AGAIN)


def damaged() -> InvalidAudio:
    """The error for a file of a supported kind that cannot be decoded."""
    return unreadable("it is damaged", remedy=_AGAIN)


def implausible(reason: str) -> InvalidAudio:
    """The error for a file whose header declares more than a recording has, or more than its bytes contain."""
    return unreadable(reason, remedy=_AGAIN)


def error_from_exception(error: Exception) -> tuple[InvalidAudio, bool]:
    """The error that answers an exception of the decoder, and whether its process can decode another clip.

    After a lack of memory a fresh process takes over, since only that returns the memory to the system.
    """
    if isinstance(error, MemoryError):
        return unreadable("reading it took too much memory"), False
    return unreadable("the decoder failed on it"), True


def error_from_exit(error: WorkerExited, limits: ClipLimits) -> InvalidAudio:
    """The error for a clip during which its process exited or was killed."""
    if error.cause is Cause.DEADLINE:
        return unreadable(f"reading it took longer than {limits.deadline_s:g} s")
    if error.cause is Cause.UNRESPONSIVE:
        return unreadable("the decoder hung on it")
    if error.cause is Cause.ANSWER_TOO_LARGE:
        return unreadable("it decodes to more sound than is allowed")
    return unreadable("reading it crashed the decoder")
