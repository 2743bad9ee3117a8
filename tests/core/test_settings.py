"""A wrong value is answered with a sentence that says what to change, and never shows a secret."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_core.settings import Setting, boolean, integer, number, one_of, path, words


def test_unset_and_empty_are_the_default() -> None:
    setting = Setting("PORT", "4123", "", integer(1, 65535))
    assert setting.read({}) == setting.read({"PORT": " "}) == 4123
    assert setting.read({"PORT": " 80 "}) == 80
    assert not setting.is_set({"PORT": ""})
    assert setting.is_set({"PORT": "1"})


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        (Setting("PORT", "1", "", integer(1, 65535)), "0", "a whole number from 1 to 65535"),
        (Setting("PORT", "1", "", integer(1, 65535)), "8o", "a whole number from 1 to 65535"),
        (Setting("PORT", "1", "", integer(1, 65535)), "1.5", "a whole number from 1 to 65535"),
        (Setting("WAIT_S", "1", "", number(0, 10)), "nan", "a number from 0 to 10"),
        (Setting("WAIT_S", "1", "", number(0, 10)), "10.1", "a number from 0 to 10"),
        (Setting("LEVEL", "a", "", one_of("a", "b")), "c", "one of a, b"),
        (Setting("PORT", "1", "", integer(1, 65535)), "4123.0", "a whole number from 1 to 65535"),
        (Setting("PORT", "1", "", integer(1, 65535)), "1_000", "a whole number from 1 to 65535"),
        (Setting("PORT", "1", "", integer(1, 65535)), "²", "in the digits 0 to 9"),
        (Setting("PORT", "1", "", integer(1, 65535)), "８０", "in the digits 0 to 9"),
        (Setting("WAIT_S", "1", "", number(0, 10)), "0,5", "a number from 0 to 10"),
        (Setting("WAIT_S", "1", "", number(0, 10)), "inf", "a number from 0 to 10"),
        (Setting("WAIT_S", "1", "", number(0, 10)), "٣", "in the digits 0 to 9"),
        (Setting("PRELOAD", "no", "", boolean), "maybe", "yes or no"),
        (Setting("FOLDER", "", "", path), "$HOME/voices", "$HOME are written out"),
        (Setting("FOLDER", "", "", path), "%APPDATA%\\voices", "$HOME are written out"),
        (Setting("FOLDER", "", "", path), "C:\temp", "control characters"),
        (Setting("FOLDER", "", "", path), "~nobody-of-this-name/voices", "user of this machine"),
    ],
)
def test_wrong_values_are_explained(setting: Setting[object], value: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        setting.read({setting.name: value})
    assert caught.value.field == setting.name
    assert expected in str(caught.value)
    assert repr(value) in str(caught.value)


def test_a_secret_is_never_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Setting("KEY", "", "", integer(1, 2), secret=True).read({"KEY": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_long_value_is_not_shown_whole() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Setting("PORT", "", "", integer(1, 2)).read({"PORT": "9" * 10_000})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("quote", "'\"")
@pytest.mark.parametrize("secret", [True, False])
def test_quotes_that_are_part_of_a_value_are_told(quote: str, secret: bool) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Setting("FOLDER", "", "", path, secret=secret).read({"FOLDER": f"{quote}/data{quote}"})
    assert "Remove the quotes" in str(caught.value)
    assert "/data" not in str(caught.value)


@given(st.text(min_size=1, max_size=6), st.integers(-99, 99))
def test_only_plain_digits_are_numbers(text: str, whole: int) -> None:
    for parse in (integer(-1000, 1000), number(-1000, 1000)):
        assert Setting("N", "", "", parse).read({"N": f" {whole} "}) == whole
        if any(unicodedata.category(char)[0] == "N" and not char.isascii() for char in text):
            with pytest.raises(ConfigurationError):
                Setting("N", "", "", parse).read({"N": text})


@pytest.mark.parametrize(("text", "value"), [("1.5", 1.5), ("-.5", -0.5), ("3.", 3), ("1e2", 100), ("+2E-1", 0.2)])
def test_numbers_are_written_as_usual(text: str, value: float) -> None:
    assert number(-1000, 1000)(text) == value


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_words_are_taken_in_any_case(spell: Callable[[str], str]) -> None:
    for word in ("yes", "true", "on", "1"):
        assert boolean(spell(word)) is True
    for word in ("no", "false", "off", "0"):
        assert boolean(spell(word)) is False
    assert one_of("info", "pt-BR")(spell("pt-br")) == "pt-BR"


def test_a_path_begins_at_home_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    folder = Setting("FOLDER", "", "", path)
    assert folder.read({}) is None
    assert folder.read({"FOLDER": "~"}) == Path("/home/me")
    assert folder.read({"FOLDER": " ~/my voices "}) == Path("/home/me/my voices")
    assert folder.read({"FOLDER": "~root/voices"}) == Path("~root/voices").expanduser() != Path("~root/voices")
    for plain in ("voices", "./~/voices", "/data/~x", "/data/$x", "a%20b", "../voices"):
        assert folder.read({"FOLDER": plain}) == Path(plain)


def test_other_kinds() -> None:
    assert Setting("LIST", "a, b,,c", "", words).read({}) == ("a", "b", "c")
    assert Setting("NUMBER", "-3", "", integer(-5, 5)).read({}) == -3
