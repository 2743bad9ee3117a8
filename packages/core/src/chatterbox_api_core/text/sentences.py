"""Where sentences end.

A mark ends a sentence unless what follows goes on in lower case. A full stop is also part of abbreviations; which
ones, and how a language writes what follows them, is in `languages`:

- a title or `e.g.` never ends a sentence (`Dr. Lee`);
- `No.`, `Fig.` and months do not before a number (`No. 5`, but `No. Never.`);
- `Inc.`, `U.S.`, `9 a.m.`, a single letter and an ordinal number do only before a word that begins sentences
  (`the U.S. Army`, but `in the U.S. | He left`);
- `1.` or `a.` at the beginning numbers what follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from chatterbox_api_core.text.languages import LanguageRules, rules_of

__all__ = ["sentences"]

_OTHER_MARKS = "।॥؟۔։។៕།༎᠃᠉᱾᱿꯫"
_OPENING = re.compile(r"""[\s"'“”‘’«»‹›„‚(\[{¿¡*_–—-]*""")
_QUOTATION_GOES_ON = re.compile(r"[」』](?:と|って|という)")
_DOTTED = re.compile(r"[^\W\d_]{1,2}(?:\.[^\W\d_]{1,2})*\.[^\W\d_]{1,3}")
_ROMAN = re.compile(r"[IVXLC]+")
_NEXT_WORD = re.compile(r"[^\W_]+(?=['’]?(.?))")
_GOES_ON = re.compile(r"[,;:!?)\]}，。、；：！？]|\.(?!\.)")
_BEFORE_WORD = frozenset(" \t(\"'“‘«„‚[{/–—-¿¡")
_LONGEST_ABBREVIATION = 16


def sentences(text: str, *, language: str | None = None) -> Iterator[str]:
    """The sentences of one paragraph, which has single spaces for white space; all of its text is in them."""
    rules = rules_of(language)
    begin = 0
    for match in _pattern(rules.marks).finditer(text):
        if _ends_sentence(text, begin, match, rules):
            yield text[begin : match.end()].strip()
            begin = match.end()
    if rest := text[begin:].strip():
        yield rest


@cache
def _pattern(marks: str) -> re.Pattern[str]:
    """What may end a sentence in languages that have these marks beside the common ones."""
    closing = r"""["'”’»)\]“›}]*+(?:\s[»›](?=\s|$))?"""
    others = f"[{_OTHER_MARKS}{marks}]"
    kana_or_han = r"[\u3040-\u30ff\u4e00-\u9fff]"
    return re.compile(
        rf"(?<![.!?…])[.!?…]++{closing}(?=\s|$)"  # Latin and others: the mark, closing quotes, then white space
        '|[。！？｡．።፧။]++[”’」』）"]*+'  # Chinese, Japanese, often Amharic and Burmese, write no space
        rf"|(?<={kana_or_han})[!?]++(?={kana_or_han})"
        rf"|(?<!{others}){others}++{closing}(?=\s|$)"  # Hindi, Arabic, Urdu, Armenian, Khmer, Tibetan ...
    )


def _ends_sentence(text: str, begin: int, match: re.Match[str], rules: LanguageRules) -> bool:
    if _QUOTATION_GOES_ON.match(text, match.end() - 1):
        return False
    opening = _OPENING.match(text, match.end())
    at = opening.end() if opening else match.end()
    if at == len(text):
        return True
    if text[at].islower() or _GOES_ON.match(text, at):
        return False
    if text[match.start()] != "." or text[match.start() + 1 : match.start() + 2] in (".", "!", "?", "…"):
        return True
    word = _word_before(text, begin, match.start())
    return not word or not _is_abbreviation(word, text, begin, match.start(), at, rules)


def _is_abbreviation(word: str, text: str, begin: int, dot: int, at: int, rules: LanguageRules) -> bool:
    """Whether the full stop behind a word is a part of it alone, seen by what follows `at`."""
    lead = dot - len(word) - begin  # its length first: a slice from `begin` for each full stop would be a square
    numbers_what_follows = lead <= 8 and not text[begin : begin + lead].strip(" ([\"'“„«")
    if word.isdigit():
        if numbers_what_follows and len(word) <= 3:
            return True
        return rules.ordinals and len(word) <= 3 and not _begins_sentence(text, at, rules)
    if rules.has(rules.never, word):
        return True
    if rules.has(rules.before_number, word) or (rules.noun_capitals and word.endswith("str")):
        if text[at].isdigit() or _is_roman(text, at):
            return True
        if len(word) > 1 and not rules.has(rules.maybe, word):
            return False
    if len(word) == 1:
        return (numbers_what_follows and word.islower()) or not _begins_sentence(text, at, rules)
    if _DOTTED.fullmatch(word) or rules.has(rules.maybe, word) or (rules.ordinals and _ROMAN.fullmatch(word)):
        return not _begins_sentence(text, at, rules)
    return False


def _begins_sentence(text: str, at: int, rules: LanguageRules) -> bool:
    following = _NEXT_WORD.match(text, at)
    if following is None:
        return False
    word, after = following.group(), following.group(1)
    return (f"{word}." if after == "." else word) in rules.starters  # `J. A. Smith` is no sentence with `A`


def _is_roman(text: str, at: int) -> bool:
    following = _NEXT_WORD.match(text, at)
    return following is not None and len(following.group()) > 1 and _ROMAN.fullmatch(following.group()) is not None


def _word_before(text: str, begin: int, dot: int) -> str:
    start, earliest = dot, max(begin, dot - _LONGEST_ABBREVIATION)
    while start > earliest and text[start - 1] not in _BEFORE_WORD:
        start -= 1
    return text[start:dot]
