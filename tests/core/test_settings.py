"""A wrong value is answered with a sentence that says what to change, and never shows a secret."""

from __future__ import annotations

import pytest

from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_core.settings import Setting, integer, number, one_of, words


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


def test_other_kinds() -> None:
    assert Setting("LIST", "a, b,,c", "", words).read({}) == ("a", "b", "c")
    assert Setting("NUMBER", "-3", "", integer(-5, 5)).read({}) == -3
