"""Everything that can go wrong, as one tree.

    ChatterboxError
    ├── InvalidInput          a value that cannot be accepted; `field` names it
    │   └── InvalidAudio      a clip that cannot serve as a voice
    ├── NotFound              no such voice
    ├── NameTaken             another voice answers to this name
    ├── StorageFailed         a write that could not be kept, or a stored clip that is damaged
    ├── SynthesisFailed       the engine failed on this request; the next may succeed
    ├── EncodingFailed        the encoder failed on this request; the next may succeed
    ├── Unavailable           a component is temporarily unavailable; `retry_after_s` says when to try again
    │   ├── Overloaded        the queue is full
    │   └── DeadlineExceeded  a component took longer than its limit
    └── ConfigurationError    a setting that must be changed before the start
        └── PluginError       an adapter is missing, broken or ambiguous

Every error has a `code` for programs, a message for people, the `field` it is about, and a `remedy` where there is one.
`ERROR_CODES` lists the codes. The front end decides how an error looks on the wire.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ERROR_CODES",
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

        raise InvalidInput("The seed is negative.", code="invalid_seed", field="seed", remedy="Use 0 or more.")

    Args:
        message: one sentence that says what is wrong, without a secret in it.
        code: a stable snake_case word for programs, one of `ERROR_CODES`; None for the default of the class.
        field: the argument or setting concerned, by its name in core; None where there is no single one.
        remedy: one sentence that says what to do about it; None where nothing helps.
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
    """A value that cannot be accepted; the same request fails again."""

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
    """A required component is temporarily unavailable.

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
    """Every slot and every place in the queue is taken."""

    default_code = "overloaded"


class DeadlineExceeded(Unavailable):
    """A component took longer than its limit."""

    default_code = "deadline_exceeded"


class ConfigurationError(ChatterboxError):
    """A setting that must be changed before the service can start."""

    default_code = "invalid_configuration"


class PluginError(ConfigurationError):
    """An adapter that is selected by its name is missing, broken or ambiguous."""

    default_code = "plugin_error"


ERROR_CODES: Final = {
    # classes: each code stands for its class where nothing more is known
    "error": "An error has no class of its own.",
    "invalid_input": "A value cannot be accepted.",
    "invalid_audio": "A clip cannot be read, is silent, or takes too much time or memory to decode.",
    "voice_not_found": "No voice has this id, name or alias, or the library has no default voice.",
    "name_taken": "Another voice has this name or alias, in this or another spelling.",
    "storage_failed": "A write could not be kept.",
    "synthesis_failed": "The engine failed on this request.",
    "encoding_failed": "The encoder failed on this request.",
    "unavailable": "A component is temporarily unavailable.",
    "overloaded": "Every slot and every place in the queue is taken.",
    "deadline_exceeded": "A component took longer than its limit.",
    "invalid_configuration": "A setting must be changed before the start.",
    "plugin_error": "An adapter cannot be used.",
    # text
    "empty_input": "There is no text to speak.",
    "input_too_long": "The text has more characters than a request may have.",
    "invalid_ssml": "The text is not well-formed SSML, or uses a tag or value that is not supported.",
    "text_too_long": "One segment of text is longer than the engine takes.",
    "unsupported_text": "The engine has no sound for words of this text.",
    "unsupported_text_format": "The format of the text is not known.",
    # options of a request for speech
    "invalid_loudness": "The loudness is out of range.",
    "invalid_parameter": "A parameter of the engine has the wrong type or is out of range.",
    "invalid_pause": "A pause is out of range.",
    "invalid_sample_rate": "The sample rate is out of range, or the format cannot have it.",
    "invalid_seed": "The seed is out of range.",
    "invalid_speed": "The speed is out of range, or neither engine nor encoder can do it.",
    "unsupported_effect": "The encoder of this format does not have an effect that the options need.",
    "unsupported_format": "No encoder makes this format.",
    "unsupported_language": "The engine does not speak this language.",
    "output_too_long": "The sound is longer, or the response larger, than a request may make.",
    # clips
    "audio_too_long": "A clip has more bytes or seconds than it may have.",
    "audio_too_short": "A clip is shorter than cloning needs.",
    "audio_damaged": "A clip of a voice has samples that the engine cannot use.",
    "audio_silent": "A clip of a voice is silent in the part that the engine uses.",
    # voices
    "alias_not_found": "The voice has no such alias.",
    "invalid_archive": "A file of exported voices cannot be imported.",
    "invalid_consent": "The text of a consent is too long, or has characters that cannot be displayed.",
    "invalid_language": "The language of a voice is not a known language tag.",
    "invalid_limit": "The size of a page is out of range.",
    "invalid_name": "This name or alias cannot be used for a voice.",
    "invalid_voice": "This can be neither the name nor the id of a voice.",
    "no_builtin_voice": "The engine has no voice of its own, and the request names none.",
    "too_many_aliases": "The voice has as many aliases as it may have.",
    "voice_changed": "The voice was replaced while its request waited; the next request finds the new one.",
    "voice_damaged": "The stored clip of a voice is damaged or missing.",
    # storage
    "storage_bucket_changed": "The bucket holds another library than at the start, or none.",
    "storage_busy": "Too many writes of the same object wait for their turn.",
    "storage_clock": "The server refuses requests because the clock of this machine is wrong.",
    "storage_closed": "The store is being closed, or opened anew.",
    "storage_damaged": "A document in the bucket is damaged.",
    "storage_error": "The bucket answered with an error that has no code of its own.",
    "storage_full": "The disk or the bucket takes no more data.",
    "storage_loading": "The bucket has not been read yet.",
    "storage_no_bucket": "The bucket does not exist.",
    "storage_read_only": "The voices can be read, and not be changed.",
    "storage_refused": "The server refuses the credentials or the right to use the bucket.",
    "storage_slow": "A clip has not arrived yet.",
    "storage_too_new": "A document was written by a later version of this software.",
    "storage_unavailable": "The folder of the voices cannot be accessed.",
    "storage_unreachable": "The bucket cannot be reached, or does not answer in time.",
    "storage_unsafe": "The server does not keep the conditions of writes, so several writers could lose changes.",
    "storage_unsure": "A write ran out of time, and it is not known whether it was done.",
    "temporary_files_failed": "Temporary files cannot be written.",
    # waiting, engine, encoder and the processes of their workers
    "queue_timeout": "The request waited in the queue for longer than its limit.",
    "encoder_timeout": "The encoder took longer than its limit.",
    "engine_timeout": "The engine produced nothing for longer than its limit.",
    "engine_died": "The process of the engine exited or was stopped while it worked on this request.",
    "engine_failing": "The engine has failed several times in a row and is left alone for a while.",
    "engine_hung": "The process of the engine did not respond, and was stopped.",
    "engine_loading": "The engine is still being loaded.",
    "engine_overloaded": "Every process of the engine is busy, and too many jobs wait.",
    "engine_unavailable": "The engine cannot be started, or the service is stopping.",
    "out_of_memory": "The engine ran out of memory on this request.",
    "clip_reader_died": "The process that reads clips exited while it read this one.",
    "clip_reader_hung": "The process that reads clips did not respond, and was stopped.",
    "clip_reader_loading": "The process that reads clips is still being started.",
    "clip_reader_overloaded": "Too many clips wait to be read.",
    "clip_reader_unavailable": "The process that reads clips cannot be started, or the service is stopping.",
    # set-up
    "invalid_env_file": "A line of the .env file cannot be read.",
    "model_not_installed": "The packages that the model needs are not installed.",
    "no_such_device": "The device that the settings name does not exist here.",
    "nothing_set_up": "The settings set up no adapter of this kind.",
    "plugin_ambiguous": "Two installed packages bring an adapter of this name.",
    "plugin_broken": "The adapter cannot be loaded or opened.",
    "plugin_missing": "No installed package brings an adapter of this name.",
    "too_little_memory": "The device has less free memory than the model needs.",
    "unknown_setting": "A setting is misspelled or belongs to no installed adapter.",
    "watermark_missing": "The package that marks or finds watermarks is not installed.",
    "weights_broken": "The weights of the model cannot be read.",
    "weights_missing": "The weights of the model are not on this machine.",
}
"""When each code is raised, by core and by the adapters of this project. Codes stay as they are between versions.

An adapter of another package may have codes of its own. Codes that only exist on the wire are the front end's.
"""
