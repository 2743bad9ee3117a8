"""Reads the file `.env` with python-dotenv's parser, and refuses a line that the parser cannot read.

python-dotenv leaves such a line out. A setting would then be missing silently: a service would keep voices on the disk
although its operator chose R2. No error shows more of a line than the name of a declared setting, because the rest may
be a secret.
"""

from __future__ import annotations

import codecs
import io
import logging
import re
from collections.abc import Iterable, Mapping
from os import environ
from pathlib import Path
from typing import Any, Final

from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable, parse_variables

from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_core.settings import Setting

__all__ = ["read_env_file"]

_log = logging.getLogger(__name__)

_MAX_BYTES: Final = 1 << 20
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_WORD: Final = re.compile(r"(?:export\s+)?'?([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)
_FORM: Final = "Write it as NAME=value, or put # in front of it."
_OTHER_ENCODINGS: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_env_file(path: Path, *, declared: Iterable[Setting[Any]]) -> dict[str, str]:
    """The values of a file, the last one of each name; a warning names a name that has two.

    `${NAME}` and `${NAME:-default}` are replaced as python-dotenv does: by a value of the file, then of the
    environment. Within single quotes they stay as they are, and `$` on its own does everywhere.

    Args:
        declared: the settings whose names an error may show, and of whose values a reference must not lose a part.

    Raises:
        ConfigurationError: the file or a line of it cannot be read; the error has the line's number.
    """
    return _Reader(path, {setting.name: setting for setting in declared}).read()


class _Reader:
    def __init__(self, path: Path, declared: Mapping[str, Setting[Any]]) -> None:
        self._path = path
        self._declared = declared

    def read(self) -> dict[str, str]:
        values: dict[str, str] = {}
        lines: dict[str, int] = {}
        for binding in parse_stream(io.StringIO(self._text())):
            line = _first_line(binding)
            name, written = self._parse(binding, line)
            if name is None:
                continue
            value = self._expand(name, written, values, line, literal=_is_literal(binding))
            if values.get(name, value) != value:
                _log.warning("%s sets %s in lines %d and %d; the last one counts", self._path, name, lines[name], line)
            values[name], lines[name] = value, line
        return values

    def _text(self) -> str:
        """The file as text with `\\n` at the ends of its lines, and without a byte order mark."""
        try:
            with self._path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except OSError as error:
            raise ConfigurationError(f"{self._path} cannot be read: {error.strerror}.") from error
        if len(data) > _MAX_BYTES:
            raise ConfigurationError(f"{self._path} is larger than 1 MiB.", remedy="Name a file of settings.")
        if data.startswith(_OTHER_ENCODINGS) or b"\0" in data:
            reason = "it is UTF-16 or UTF-32" if data.startswith(_OTHER_ENCODINGS) else "it has NUL characters"
            raise ConfigurationError(
                f"{self._path} is not UTF-8 text: {reason}.",
                code="invalid_env_file",
                remedy="Save it as UTF-8, which the «Save as» of an editor offers as an encoding.",
            )
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self._refused(line, "is not UTF-8", "Save the file as UTF-8.") from None
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def _parse(self, binding: Binding, line: int) -> tuple[str | None, str]:
        """The name and the value of a line; no name for a comment. Raises ConfigurationError."""
        text = binding.original.string.strip()
        if not text or (text.startswith("#") and not binding.error):
            return None, ""
        if binding.error or binding.key is None or binding.value is None or not _NAME.fullmatch(binding.key):
            raise self._explain(line, text)
        for number, within in enumerate(text.split("\n")[1:], line + 1):
            word = _WORD.match(within.strip())
            if word and word[1] in self._declared and within.strip()[word.end() :].lstrip().startswith("="):
                reason = f"has a quote that is closed only after {word[1]} in line {number}"
                raise self._refused(line, reason, "Close the quote in its own line.")
        return binding.key, binding.value

    def _explain(self, line: int, text: str) -> ConfigurationError:
        """The error that says which of the common mistakes a line has. It shows nothing that may be a value."""
        label = self._label(text)
        before, equals, after = re.sub(r"^export(\s+|$)", "", text, count=1).partition("=")
        name = before.strip()
        if "#" in before:  # the rest is a comment
            name, equals = before.partition("#")[0].strip(), ""
        if equals and _NAME.fullmatch(name):
            if re.match(r"""'(\\.|[^'\\\n])*'|"(\\.|[^"\\\n])*\"""", after.strip()):
                return self._refused(line, f"goes on after the closing quote of {label}", "Quote the whole value.")
            return self._refused(line, f"has a quote after {label} that is not closed", "Close the quote.")
        if re.match(r"\S*\s*:", name):
            return self._refused(line, f"has a colon after {label}, in the place of =", _FORM)
        if not equals:
            return self._refused(line, f"has no = after {label}", _FORM)
        if not name:
            return self._refused(line, "has no name before =", _FORM)
        return self._refused(line, "has a name of other characters than letters, digits and _", _FORM)

    def _label(self, text: str) -> str:
        """The name at the start of a line, if a setting has it; any other may be part of a secret."""
        word = _WORD.match(text)
        return word[1] if word and word[1] in self._declared else "its name"

    def _expand(self, name: str, value: str, values: Mapping[str, str], line: int, *, literal: bool) -> str:
        """The value with its references replaced; ConfigurationError where that would lose a part of a setting."""
        atoms = list(parse_variables(value))
        references = [atom for atom in atoms if isinstance(atom, Variable)]
        if literal or not references:
            return value
        known = {**environ, **values}
        setting = self._declared.get(name)
        if setting is not None and setting.secret and len(atoms) > 1:
            raise self._refused(
                line, f"has ${{...}} within {name}", "Put single quotes around the value, so that it stays as it is."
            )
        if setting is not None and any(each.default is None and each.name not in known for each in references):
            raise self._refused(
                line,
                f"refers in {name} to a variable that is not set",
                "Set it, or put single quotes around the value if ${...} is part of it.",
            )
        return "".join(atom.resolve(known) for atom in atoms)

    def _refused(self, line: int, reason: str, remedy: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self._path}, line {line}: this line {reason}.", code="invalid_env_file", remedy=remedy
        )


def _first_line(binding: Binding) -> int:
    """The number of a statement's line: python-dotenv counts from the blank lines before it."""
    text: str = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _is_literal(binding: Binding) -> bool:
    """Whether a value is in single quotes."""
    return binding.original.string.partition("=")[2].lstrip().startswith("'")
