"""What commands print arrives in every encoding and on every width."""

from __future__ import annotations

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from chatterbox_api.cli.output import FAILED, OK, echo, echo_json, prepare_output, wrapped

ENCODINGS = ["ascii", "latin-1", "cp1252", "cp437", "shift_jis", "utf-8", "utf-16"]
ANY_TEXT = st.text(st.characters(exclude_characters="\r\n"), max_size=30)  # with half characters, as of file names


def printed(encoding: str, *, text: str | None = None, value: object = None) -> str:
    """What is on standard output of this encoding after `echo(text)`, or `echo_json(value)`."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "stderr", None)
        prepare_output()
        if text is None:
            echo_json(value)
        else:
            echo(text)
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_marks_are_words_where_there_is_no_mark(encoding: str) -> None:
    told = printed(encoding, text=f"{OK} {FAILED} «Änne» → 小明…")
    if encoding.startswith("utf"):
        assert told == f"{OK} {FAILED} «Änne» → 小明…\n"
    else:
        assert told.startswith("ok failed ")
        assert "?" not in told
    assert ("小明" in told) == ("\\u5c0f\\u660e" not in told)


@given(ANY_TEXT, st.sampled_from(ENCODINGS))
def test_any_text_is_printed(text: str, encoding: str) -> None:
    assert printed(encoding, text=text).endswith("\n")


@given(
    st.recursive(ANY_TEXT, lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner)), st.sampled_from(ENCODINGS)
)
def test_json_is_json_and_loses_nothing(value: object, encoding: str) -> None:
    assert json.loads(printed(encoding, value=value)) == json.loads(json.dumps(value))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_has_no_backslash_of_another_sign(encoding: str) -> None:
    """The yen sign is the backslash's byte in Shift-JIS."""
    assert json.loads(printed(encoding, value='¥"‾😀\udcff')) == '¥"‾😀\udcff'


def test_json_is_for_people_too_where_it_can_be() -> None:
    assert "小明" in printed("utf-8", value={"name": "小明"})


@given(
    st.lists(st.text(st.sampled_from("abc,é小名🙂[]/"), min_size=1, max_size=12), max_size=40),
    st.integers(20, 300),
    st.integers(0, 8),
)
def test_lines_fit_the_width_and_keep_every_word(words: list[str], columns: int, indent: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        lines = wrapped(" ".join(words), indent=indent).splitlines()
    assert " ".join(lines).split() == words
    for line in lines:
        assert line.startswith(" " * indent)
        assert cell_len(line) <= max(columns, 20 + indent) or " " not in line.strip()
        assert cell_len(line) <= 100 + indent


def test_without_a_terminal_lines_have_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "__stdout__", io.StringIO())
    assert max(map(len, wrapped("word " * 100, indent=2).splitlines())) in range(75, 81)
