"""Marks within a paragraph of Markdown: emphasis, code, links, images and addresses.

The text is normalised, so it has no private use characters: what must not be taken for a mark (code, escapes) is
shielded by shifting it into U+E000 and back.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from chatterbox_api_core.text.characters import CJK, HANGUL, UNSPACED
from chatterbox_api_core.text.stretches import NO_PAUSE

__all__ = ["without_inline_marks"]

_TICKS_OR_ESCAPE = re.compile(r"`+|\\[`*_\[\]#~|>\\]")
_DESTINATION = r"\(\s*<?([^\s()<>]*+(?:\([^\s()]*+\)[^\s()<>]*+)*+)>?(?:\s+(?:\"[^\"\n]*+\"|'[^'\n]*+'))?\s*\)"
_LABEL = rf"\[{NO_PAUSE}((?:[^\[\]]|\[[^\[\]]*+\])*+)\]"
_IMAGE = re.compile("!" + _LABEL + _DESTINATION)
_LINK = re.compile(_LABEL + _DESTINATION)
_REFERENCE_LINK = re.compile(rf"\[{NO_PAUSE}([^\[\]]{{1,400}})\](?:\[([^\[\]]{{0,200}})\])?")
_ADDRESS_CHARS = f'[^{UNSPACED}{HANGUL}\\s<>"“”‘’«»‹›„‚–—―…،؛؟।॥۔\ue000-\uf8ff]'
"""What follows an address without a space is no part of it: a Korean particle, a closing quote, a dash."""
_ADDRESS = re.compile(
    rf"(?<![A-Za-z0-9_@/.])(?:(?i:https?|ftp)://(?:[\w.~%+-]{{1,64}}(?::[^\s/@]{{0,64}})?@)?|(?i:www\.)(?=[^\W_]))"
    rf"((?:(?![{CJK}])[^\W_]|[.-])+)(?::\d{{1,5}})?([/?#]{_ADDRESS_CHARS}*)?",
)
_GLUED_WORD = re.compile(f"(?<=[A-Za-z])(?=[{HANGUL}\u0e01-\u0eff\u1000-\u109f\u1780-\u17d3])")
_BRACKETED_ADDRESS = re.compile(r"<(?:mailto:)?((?:https?|ftp)://[^\s<>]+|[\w.+-]{1,64}@[\w.-]{1,255})>", re.IGNORECASE)
_RUN = re.compile(r"\*{1,3}(?!\*)|_{1,3}(?!_)|~~(?!~)")
_UNSPACED_CHAR = re.compile(f"[{UNSPACED}]")
_CJK_CHAR = re.compile(f"[{CJK}]")

_SHIFT: Final = 0xE000
_SHIELD: Final = {code: code + _SHIFT for code in range(0x21, 0x7F) if not chr(code).isalnum()}
_UNSHIELD: Final = {shifted: code for code, shifted in _SHIELD.items()}
_AFTER_ADDRESS: Final = ".,;:!?)]}'*_~…"


def without_inline_marks(text: str, *, references: Collection[str] = ()) -> str:
    """The text as it is read out; it has as many line breaks as before.

    Args:
        references: labels that the document defines, case folded; those of footnotes begin with `^`.
    """
    if "`" in text or "\\" in text:
        text = _with_shielded_code(text)
    if "[" in text:
        text = _without_links(text, references)
    if ":" in text or "www." in text.lower() or "@" in text:
        text = _ADDRESS.sub(_host, _BRACKETED_ADDRESS.sub(r"\1", text))
    if "*" in text or "_" in text or "~~" in text:
        text = _without_emphasis(text)
    return text.translate(_UNSHIELD)


def _with_shielded_code(text: str) -> str:
    marks = list(_TICKS_OR_ESCAPE.finditer(text))
    later: dict[int, list[int]] = {}  # by length: where runs of ticks are, the nearest last
    for at in range(len(marks) - 1, -1, -1):
        if marks[at].group().startswith("`"):
            later.setdefault(len(marks[at].group()), []).append(at)
    parts, done, at = [], 0, 0
    while at < len(marks):
        mark = marks[at].group()
        parts.append(text[done : marks[at].start()])
        done = marks[at].end()
        if mark.startswith("\\"):
            parts.append(mark[1:].translate(_SHIELD))
        else:
            closings = later[len(mark)]
            while closings and closings[-1] <= at:
                closings.pop()
            if closings:
                at = closings[-1]
                parts.append(text[done : marks[at].start()].translate(_SHIELD))
                done = marks[at].end()
            else:
                parts.append(mark)
        at += 1
    parts.append(text[done:])
    return "".join(parts)


def _without_links(text: str, references: Collection[str]) -> str:
    text = _LINK.sub(_label, _IMAGE.sub(_label, text))

    def referred(match: re.Match[str]) -> str:
        label, name = match.group(1), match.group(2)
        if label.startswith("^") and (label[1:].isdigit() or label.casefold() in references):
            return match.group()[len(label) + 2 :]
        return label if (name or label).casefold() in references else match.group()

    return _REFERENCE_LINK.sub(referred, text)


def _label(match: re.Match[str]) -> str:
    before = match.string[match.start() - 1 : match.start()]
    is_call = before.isascii() and (before.isalnum() or before in ")]_") and before != ""
    return match.group() if is_call and not re.search(r"[/#]|www\.", match.group(2)) else match.group(1)


def _host(match: re.Match[str]) -> str:
    host, path = match.group(1), match.group(2) or ""
    spoken = _GLUED_WORD.sub(" ", host.rstrip(".-").removeprefix("www."), count=1)
    following = match.string[match.end() : match.end() + 1]
    if path and following.isalpha() and not _CJK_CHAR.match(following):
        return f"{spoken} "
    end = path or host
    own = end.rstrip(_AFTER_ADDRESS)
    behind = end[len(own) :]  # marks of the sentence
    for opening, closing in ("()", "[]"):  # save for those that close what the address opened: `Foo_(bar)`
        behind = behind.replace(closing, "", max(own.count(opening) - own.count(closing), 0))
    return f"{spoken}{behind}"


def _without_emphasis(text: str) -> str:
    """Without the pairs of `*`, `_` and `~~` that enclose words; others stay.

    Clients that send sentence by sentence tear pairs apart: `**` at the beginning or the end is half of one.
    """
    open_runs: dict[str, list[list[int]]] = {"*": [], "_": [], "~": []}  # [position of the nearest mark, how many]
    removed: list[int] = []
    for run in _RUN.finditer(text):
        mark, start, count = run.group()[0], run.start(), len(run.group())
        before, after = text[start - 1 : start], text[run.end() : run.end() + 1]
        if start and text[start - 1] == mark:
            continue  # the end of a longer run
        inside_before, inside_after = _is_word(before), _is_word(after)
        runs = open_runs[mark]
        may_close = before.strip() and (not inside_after or (mark == "*" and after.isalpha()))
        while may_close and count and (at := _opening(runs, count)) is not None:
            del runs[at + 1 :]
            last = runs[-1]
            used = min(last[1], count)
            removed += range(start, start + used)
            removed += range(last[0] - used + 1, last[0] + 1)
            start, count, last[0], last[1] = start + used, count - used, last[0] - used, last[1] - used
            if not last[1]:
                runs.pop()
        if count and after.strip() and not inside_before:
            runs.append([start + count - 1, count])
        elif count == 2 and run.end() == len(text) and (inside_before or before in ".!?:"):
            removed += range(start, start + count)
    if open_runs["*"] and open_runs["*"][0] == [1, 2]:
        removed += range(2)
    if not removed:
        return text
    chars = list(text)
    for position in removed:
        chars[position] = ""
    return "".join(chars)


def _opening(runs: list[list[int]], count: int) -> int | None:
    """Which of the nearest open runs a run of `count` marks closes: one as long, or three that are two and one."""
    for at in range(len(runs) - 1, max(len(runs) - 5, -1), -1):
        if runs[at][1] == count or 3 in (runs[at][1], count):
            return at
    return None


def _is_word(char: str) -> bool:
    """Whether a mark beside this character is within a word."""
    return char.isalnum() and not _UNSPACED_CHAR.match(char)
