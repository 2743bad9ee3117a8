"""Language tags: which there are, how they are written, and which one a person may have meant.

A tag is what RFC 5646 calls one (`de`, `pt-BR`, `zh-Hans-CN`, `en-GB-x-rp`), and its first part a code that is known:
`German`, `xx` and `klingon` are none.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from chatterbox_api_core.errors import InvalidInput
from chatterbox_api_core.language_codes import TABLE

__all__ = ["check_language_tag", "language_tag"]

_MAX_CHARS: Final = 35
"""The longest tag that RFC 5646 asks everyone to accept."""
_TAG: Final = re.compile(
    r"(?P<language>[a-z]{2,3})"
    r"(?:-[a-z]{3}){0,3}"  # extended language, as in zh-yue
    r"(?:-[a-z]{4})?"  # script
    r"(?:-(?:[a-z]{2}|[0-9]{3}))?"  # region
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"  # variants
    r"(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*"  # extensions
    r"(?:-x(?:-[a-z0-9]{1,8})+)?"  # private use
)
_OF_ENGINES: Final = ("chr-US-Qaaa-x-west", "en-us-nyc", "piqd", "py")
"""What espeak-ng calls some of its voices, although no registry has such tags."""
_MORE_NAMES: Final = {
    "brazilian": "pt-BR",
    "brazilian portuguese": "pt-BR",
    "american english": "en-US",
    "british english": "en-GB",
    "simplified chinese": "zh-Hans",
    "traditional chinese": "zh-Hant",
}
_WORD: Final = re.compile(r"[^\W\d_]{2,}")


def language_tag(text: str, *, known: Iterable[str] = ()) -> str | None:
    """The tag in the form in which it is kept, `pt_br` as `pt-BR` and `deu` as `de`; None where it is no tag.

    Args:
        known: tags that count as such whatever the registry has: an engine's own.
    """
    wanted = text.strip().replace("_", "-").lower()
    if len(wanted) > _MAX_CHARS:
        return None
    if (match := _TAG.fullmatch(wanted)) and (code := _codes().get(match["language"])):
        return "-".join([code, *_in_case(wanted.split("-")[1:])])
    return next((tag for tag in (*known, *_OF_ENGINES) if tag.lower() == wanted), None)


def check_language_tag(text: str, *, field: str, known: Iterable[str] = ()) -> str:
    """As `language_tag`; InvalidInput `invalid_language` where it is none, with the tag that may have been meant."""
    tag = language_tag(text, known=known)
    if tag is None:
        meant = _tag_of_name(text[:100])
        raise InvalidInput(
            f"{text.strip()[:40]!r} is no language tag.",
            code="invalid_language",
            field=field,
            remedy=f"Use {meant!r}." if meant else "Use one such as en or pt-BR.",
        )
    return tag


def _in_case(subtags: list[str]) -> Iterator[str]:
    """As RFC 5646 writes them (2.1.1): regions in capitals, scripts with one, all else small."""
    small = False
    for subtag in subtags:
        small = small or len(subtag) == 1  # behind a single letter everything stays small
        if small or not subtag.isalpha():
            yield subtag
        else:
            yield {2: subtag.upper(), 4: subtag.title()}.get(len(subtag), subtag)


def _tag_of_name(text: str) -> str | None:
    """The tag of a language that is named in English or in itself: the whole text first, then each of its words."""
    whole = text.strip().casefold()
    names = _names()
    for name in (whole, *_WORD.findall(whole)):
        if name in names:
            return names[name]
    close = get_close_matches(whole, names, n=1, cutoff=0.84)
    return names[close[0]] if close else language_tag(re.split(r"[.@]", whole)[0])  # en_US.UTF-8, as POSIX has it


@functools.cache
def _rows() -> tuple[tuple[list[str], list[str]], ...]:
    """Codes and names of each language."""
    entries = (entry.strip().split("|") for entry in TABLE.split(";") if entry.strip())
    return tuple((codes.split(), names) for codes, *names in entries)


@functools.cache
def _codes() -> Mapping[str, str]:
    """The code to use for each there is."""
    return {code: codes[0] for codes, _ in _rows() for code in codes}


@functools.cache
def _names() -> Mapping[str, str]:
    named = {name.casefold(): codes[0] for codes, names in reversed(_rows()) for name in names}
    return {**named, **_MORE_NAMES}
