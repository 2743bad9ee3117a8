"""Settings as values: each is declared once, and start, help, documentation and checks read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from chatterbox_api_core.errors import ConfigurationError

__all__ = ["Setting", "integer", "number", "one_of", "words"]

T = TypeVar("T")


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting of the environment.

    Attributes:
        default: as it would be written; empty when there is none. An empty value counts as unset.
        parse: turns the text into a value, or raises ValueError with what is expected («a number from 1 to 9»).
        secret: never shown, neither in errors nor in help.
    """

    name: str
    default: str
    help: str
    parse: Callable[[str], T]
    secret: bool = False

    def read(self, env: Mapping[str, str]) -> T:
        """The value, or ConfigurationError that names the setting and says what to change."""
        text = env.get(self.name, "").strip() or self.default
        try:
            return self.parse(text)
        except ValueError as error:
            shown = "this value" if self.secret else repr(text)
            raise ConfigurationError(
                f"{self.name} cannot be {shown}: it must be {error}.",
                field=self.name,
                remedy=f"Change {self.name}, or remove it{f' to use {self.default}' if self.default else ''}.",
            ) from None

    def is_set(self, env: Mapping[str, str]) -> bool:
        return bool(env.get(self.name, "").strip())


def integer(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if text.removeprefix("-").isdecimal() and minimum <= int(text) <= maximum:
            return int(text)
        raise ValueError(f"a whole number from {minimum} to {maximum}")

    return parse


def number(minimum: float, maximum: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if minimum <= value <= maximum:
            return value
        raise ValueError(f"a number from {minimum:g} to {maximum:g}")

    return parse


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() in choices:
            return text.lower()
        raise ValueError(f"one of {', '.join(choices)}")

    return parse


def words(text: str) -> tuple[str, ...]:
    """Words between commas: `pyav, soundfile`."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
