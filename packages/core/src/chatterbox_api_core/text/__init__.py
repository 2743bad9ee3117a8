"""From what people send to what an engine speaks.

    text -> normalisation -> markdown or plain lines -> lines -> sentences -> segmentation
    SSML -> ssml (normalisation) --------------------------------> sentences -> segmentation

`check_text` refuses what cannot be spoken in any voice; `segment` makes the segments once the language is known.
"""

from __future__ import annotations

from chatterbox_api_core.text.normalisation import has_words
from chatterbox_api_core.text.segmentation import TEXT_FORMATS, TextFormat, TextSegment, check_text, segment
from chatterbox_api_core.text.stretches import MAX_PAUSE_S, Boundary

__all__ = ["MAX_PAUSE_S", "TEXT_FORMATS", "Boundary", "TextFormat", "TextSegment", "check_text", "has_words", "segment"]
