"""Settings as values: each is declared once, and start, help, documentation and checks read it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from chatterbox_api_core.errors import ConfigurationError

__all__ = ["DATA_DIR", "Setting", "boolean", "integer", "number", "one_of", "path", "words"]

T = TypeVar("T")

_DISPLAY_CHARS: Final = 80


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting of the environment.

        RETRIES = Setting("ACME_RETRIES", "3", "How often a read is tried again.", integer(0, 10))
        RETRIES.read({"ACME_RETRIES": "5"})  # 5

    Attributes:
        name: of the environment variable.
        default: as it would be written; empty when there is none. An empty value counts as unset.
        help: one sentence for `.env.example` and the documentation.
        parse: turns the text into a value, or raises ValueError with what is expected («a number from 1 to 9»).
        secret: whether its value is kept out of errors and help.
    """

    name: str
    default: str
    help: str
    parse: Callable[[str], T]
    secret: bool = False

    def read(self, env: Mapping[str, str]) -> T:
        """The value that the environment has, else the default.

        Raises:
            ConfigurationError: the text cannot be the value; the field is the name of the setting.
        """
        text = env.get(self.name, "").strip() or self.default
        if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
            # `docker run --env-file` and service managers hand quotes on; only .env files and shells take them off.
            raise ConfigurationError(
                f"The value of {self.name} is in quotes, which would be part of it.",
                field=self.name,
                remedy=f"Remove the quotes around the value of {self.name}.",
            )
        try:
            return self.parse(text)
        except ValueError as error:
            raise ConfigurationError(
                f"{self.name} cannot be {self._display(text)}: it must be {error}.",
                field=self.name,
                remedy=f"Change {self.name}, or remove it{f' to use {self.default}' if self.default else ''}.",
            ) from None

    def is_set(self, env: Mapping[str, str]) -> bool:
        """Whether the environment has a value that is not blank."""
        return bool(env.get(self.name, "").strip())

    def _display(self, text: str) -> str:
        if self.secret:
            return "this value"
        return repr(text if len(text) <= _DISPLAY_CHARS else f"{text[:_DISPLAY_CHARS]}...")


def integer(minimum: int, maximum: int) -> Callable[[str], int]:
    """A whole number in the digits 0 to 9: `4123`, `-3`."""

    def parse(text: str) -> int:
        if re.fullmatch("-?[0-9]{1,18}", text) and minimum <= int(text) <= maximum:
            return int(text)
        raise ValueError(f"a whole number from {minimum} to {maximum}{_in_digits(text)}")

    return parse


def number(minimum: float, maximum: float) -> Callable[[str], float]:
    """A number in the digits 0 to 9, with a point: `0.5`, `-3`, `1e3`."""

    def parse(text: str) -> float:
        if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", text, re.IGNORECASE):
            value = float(text)
            if minimum <= value <= maximum:
                return value
        raise ValueError(f"a number from {minimum:g} to {maximum:g}{_in_digits(text)}")

    return parse


def boolean(text: str) -> bool:
    """`yes` or `no`, `true` or `false`, `on` or `off`, `1` or `0`, in any case."""
    word = text.lower()
    if word in ("yes", "true", "on", "1"):
        return True
    if word in ("no", "false", "off", "0"):
        return False
    raise ValueError("yes or no")


def one_of(*choices: str) -> Callable[[str], str]:
    """One of these words, in any case; the value is spelled as in `choices`."""
    spelled = {choice.lower(): choice for choice in choices}

    def parse(text: str) -> str:
        if text.lower() in spelled:
            return spelled[text.lower()]
        raise ValueError(f"one of {', '.join(choices)}")

    return parse


def words(text: str) -> tuple[str, ...]:
    """Words between commas: `pyav, soundfile`."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def path(text: str) -> Path | None:
    """A file or folder, None when empty. `~` and `~name` are home folders; a relative path stays relative."""
    if not text:
        return None
    if re.match(r"\$|%\w+%", text):
        raise ValueError("a path in which variables such as $HOME are written out; ~ is the home folder")
    if any(ord(char) < ord(" ") for char in text):
        raise ValueError(
            r"a path without control characters; in a .env file, \n and \t are such within double quotes, not in single"
        )
    expanded = os.path.expanduser(text)  # noqa: PTH111 — a Path has forgotten the ./ of ./~
    if text.startswith("~") and expanded == text:
        raise ValueError("a path whose ~ is the home folder of a user of this machine; ./~ is a file of that name")
    return Path(expanded)


DATA_DIR: Final = Setting("DATA_DIR", "", "Where the service keeps its files; the user's data folder when empty.", path)
"""Shared by all adapters that keep files of their own."""


def _in_digits(text: str) -> str:
    """A hint for digits that look right and belong to another script: `８０`."""
    return ", in the digits 0 to 9" if any(char.isdigit() and not char.isascii() for char in text) else ""
