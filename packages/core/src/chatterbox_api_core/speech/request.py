"""What a request for speech may ask, as one value from the front end to the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chatterbox_api_core.types import EncodeOptions

__all__ = ["SpeechRequest"]


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """A request for speech, as its sender wrote it: `SpeechService.stream` checks it.

    Attributes:
        text: what is spoken.
        voice: id, name or alias of a voice, in any spelling; has priority over `clip`.
        clip: bytes of a recording to sound like; the default voice speaks where both are None.
        audio_format: the name of one of the service's formats, in any case.
        streaming: True for bytes that leave as they are made, False for a body of true sizes at the end; None is the
            habit of the format.
        language: one of the engine's; the voice's own when None, else the engine's.
        text_format: `auto` leaves out Markdown's marks and emoji, `plain` leaves out nothing, `ssml` understands
            tags; see `text`.
        speed: from 0.25 to 4. The encoder's tempo does what the engine cannot.
        seed: from 0 to 2^63 - 1; the same seed, text and voice repeat a result as far as the engine can.
        parameters: the engine's own, see its capabilities; names that it does not have are ignored.
        options: what the encoder does to the sound.
        sentence_pause_s, paragraph_pause_s: from 0 to 10; the service's own when None. With one between sentences each
            sentence is spoken by itself.
    """

    text: str
    voice: str | None = None
    clip: bytes | None = field(default=None, repr=False)
    audio_format: str = "wav"
    streaming: bool | None = None
    language: str | None = None
    text_format: str = "auto"
    speed: float = 1.0
    seed: int | None = None
    parameters: Mapping[str, float | int | str] = field(default_factory=dict)
    options: EncodeOptions = field(default_factory=EncodeOptions)
    sentence_pause_s: float | None = None
    paragraph_pause_s: float | None = None
