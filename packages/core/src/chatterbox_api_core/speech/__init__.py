"""Text in, speech out: the use case `SpeechService`, the request queue before an engine, and what a request may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatterbox_api_core._lazy import lazy_exports

if TYPE_CHECKING:
    from chatterbox_api_core.speech._sound import Pauses as Pauses
    from chatterbox_api_core.speech._stream import SpeechLimits as SpeechLimits
    from chatterbox_api_core.speech._stream import SpeechStream as SpeechStream
    from chatterbox_api_core.speech.request import SpeechRequest as SpeechRequest
    from chatterbox_api_core.speech.request_queue import RequestQueue as RequestQueue
    from chatterbox_api_core.speech.request_queue import Reservation as Reservation
    from chatterbox_api_core.speech.service import SpeechService as SpeechService
    from chatterbox_api_core.speech.spool import SpoolBudget as SpoolBudget

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "speech._sound": ("Pauses",),
        "speech._stream": ("SpeechLimits", "SpeechStream"),
        "speech.request": ("SpeechRequest",),
        "speech.request_queue": ("RequestQueue", "Reservation"),
        "speech.service": ("SpeechService",),
        "speech.spool": ("SpoolBudget",),
    },
)
