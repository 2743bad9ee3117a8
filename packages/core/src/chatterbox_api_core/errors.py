"""Everything that can go wrong, as one tree.

    ChatterboxError
    ├── InvalidInput          a value that cannot be accepted; `field` names it
    │   └── InvalidAudio      a clip that cannot serve as a voice
    ├── NotFound              no such voice
    ├── NameTaken             another voice answers to this name
    ├── StorageFailed         a write that could not be kept, or a stored clip that is damaged
    ├── SynthesisFailed       the engine failed on this request; the next may succeed
    ├── EncodingFailed        the encoder failed on this request; the next may succeed
    ├── Unavailable           a part is away for now; `retry_after_s` says when to come back
    │   ├── Overloaded        the queue is full
    │   └── DeadlineExceeded  a part took longer than its limit
    └── ConfigurationError    a setting that must be changed before the start
        └── PluginError       an adapter is missing, broken or ambiguous

Every error carries a `code` for programs, a message for people, the `field` it is about and
a `remedy` where there is one. How an error looks on a wire is the front end's business.
"""

from __future__ import annotations

__all__ = [
    "ChatterboxError",
    "ConfigurationError",
    "DeadlineExceeded",
    "EncodingFailed",
    "InvalidAudio",
    "InvalidInput",
    "NameTaken",
    "NotFound",
    "Overloaded",
    "PluginError",
    "StorageFailed",
    "SynthesisFailed",
    "Unavailable",
]


class ChatterboxError(Exception):
    """The root of the tree.

    Args:
        message: one sentence that says what is wrong, without a secret in it.
        code: a stable snake_case word for programs; each class has a default.
        field: the request field or setting concerned, by the name its user knows.
        remedy: what to do about it, as a sentence.
    """

    default_code = "error"

    def __init__(
        self, message: str, *, code: str | None = None, field: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.field = field
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}" if self.remedy else self.message


class InvalidInput(ChatterboxError):
    """A value that cannot be accepted; asking again with the same value fails again."""

    default_code = "invalid_input"


class InvalidAudio(InvalidInput):
    """A clip that cannot serve as a voice: not audio, damaged, too short or too long."""

    default_code = "invalid_audio"


class NotFound(ChatterboxError):
    """No such voice."""

    default_code = "voice_not_found"


class NameTaken(ChatterboxError):
    """Another voice answers to this name, in this or another spelling."""

    default_code = "name_taken"


class StorageFailed(ChatterboxError):
    """A write that could not be kept, of which nothing remains; or a stored clip that is damaged."""

    default_code = "storage_failed"


class SynthesisFailed(ChatterboxError):
    """The engine failed on this request; another request may succeed."""

    default_code = "synthesis_failed"


class EncodingFailed(ChatterboxError):
    """The encoder failed on this request; another request, or another format, may succeed."""

    default_code = "encoding_failed"


class Unavailable(ChatterboxError):
    """A part that is needed is away for now.

    Args:
        retry_after_s: seconds after which another try is sensible.
    """

    default_code = "unavailable"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        remedy: str | None = None,
        retry_after_s: float = 1.0,
    ) -> None:
        super().__init__(message, code=code, field=field, remedy=remedy)
        self.retry_after_s = retry_after_s


class Overloaded(Unavailable):
    """Every place, running and waiting, is taken."""

    default_code = "overloaded"


class DeadlineExceeded(Unavailable):
    """A part took longer than its limit."""

    default_code = "deadline_exceeded"


class ConfigurationError(ChatterboxError):
    """A setting that must be changed before the service can start."""

    default_code = "invalid_configuration"


class PluginError(ConfigurationError):
    """An adapter that was asked for by name is missing, broken or ambiguous."""

    default_code = "plugin_error"
