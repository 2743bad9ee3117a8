"""Classes of characters, as the insides of regular expressions' brackets, and the digits that languages write.

Python's `unicodedata` knows neither scripts nor emoji. The ranges are from Unicode 15's Blocks.txt and emoji-data.txt.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CJK", "EMOJI", "HANGUL", "JOINING_SCRIPTS", "ONE_EMOJI", "UNSPACED", "native_zero"]

CJK: Final = (
    "\u2e80-\u2fff\u3001-\u312f\u3190-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uf900-\ufaff\uff61-\uff9f"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
"""Chinese characters and kana with their punctuation; Korean, which has spaces, is not among them."""

HANGUL: Final = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97f\uac00-\ud7ff"

UNSPACED: Final = (
    f"{CJK}\uff00-\uff60\u0e01-\u0eff\u0f40-\u0fbc\u1000-\u109f\u1780-\u17d3"
    "\u1950-\u19df\u1a20-\u1aad\ua9e0-\ua9fe\uaa60-\uaadf"
)
"""Scripts without spaces between words: CJK, Thai, Lao, Tibetan, Burmese, Khmer and their neighbours."""

JOINING_SCRIPTS: Final = (
    "\u0600-\u07ff\u0840-\u085f\u0860-\u0dff\u0f00-\u109f\u1780-\u18af\ua840-\ua87f\ua8e0-\ua8ff\ua9e0-\ua9ff\uaa60-\uaa7f"
    "\ufb50-\ufdff\ufe70-\ufefc\U00010e80-\U00010eff\U00011000-\U000116cf\U0001e900-\U0001e95f"
)
"""Scripts in which a zero width joiner or non-joiner is part of the spelling: Arabic, those of India, Mongolian."""

EMOJI: Final = (
    "\u231a\u231b\u23e9-\u23f3\u23f8-\u23fa\u25fd\u25fe\u2600-\u266c\u2670-\u27bf\u2b1b\u2b1c\u2b50\u2b55"
    "\U0001f000-\U0001faff"
)
"""Emoji and other pictographs; sharps and flats (`C♯`) are not among them."""

# These are emoji only where a variation selector says so; as text they are arrows and letters.
_TEXT_OR_EMOJI = (
    "\u2139\u2194-\u2199\u21a9\u21aa\u2328\u23cf\u24c2\u25aa\u25ab\u25b6\u25c0\u25fb\u25fc\u2934\u2935\u2b05-\u2b07"
    "\u3030\u303d\u3297\u3299"
)

ONE_EMOJI: Final = f"(?:[{EMOJI}]\ufe0f?|[{_TEXT_OR_EMOJI}]\ufe0f|[0-9#*]?\ufe0f?\u20e3)\u200d?"
"""An expression for one emoji, or for a part of one with joiners, skin tones or flags: those are several in a row."""

_ARABIC, _EASTERN_ARABIC, _DEVANAGARI, _BENGALI = 0x0660, 0x06F0, 0x0966, 0x09E6

_NATIVE_ZEROS: Final = {
    **dict.fromkeys(("ar", "arz", "ckb"), _ARABIC),
    **dict.fromkeys(("fa", "ur", "ps", "sd", "ug", "ks"), _EASTERN_ARABIC),
    **dict.fromkeys(("hi", "mr", "ne", "sa", "kok", "mai", "bho"), _DEVANAGARI),
    **dict.fromkeys(("bn", "as", "bpy"), _BENGALI),
    "pa": 0x0A66,
    "gu": 0x0AE6,
    "or": 0x0B66,
    "ta": 0x0BE6,
    "te": 0x0C66,
    "kn": 0x0CE6,
    "ml": 0x0D66,
    "si": 0x0DE6,
    "th": 0x0E50,
    "lo": 0x0ED0,
    "bo": 0x0F20,
    "dz": 0x0F20,
    "my": 0x1040,
    "shn": 0x1090,
    "km": 0x17E0,
    "mn": 0x1810,
}


def native_zero(language: str | None) -> int | None:
    """The code point of the zero that a language (a tag such as `hi` or `fa-latn`) writes beside the ASCII one."""
    return _NATIVE_ZEROS.get((language or "").lower().replace("_", "-").partition("-")[0])
