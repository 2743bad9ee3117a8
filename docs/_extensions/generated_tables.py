"""Directives that write tables of the reference from the code: `settings`, `commands` and `formats`."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

import click
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from chatterbox_api.cli import cli
from chatterbox_api.environment import declared_settings
from chatterbox_api_core.formats import FORMATS
from chatterbox_api_core.settings import Setting

_WIDTH: Final = 90


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("settings", SettingsTable)
    app.add_directive("commands", CommandHelp)
    app.add_directive("formats", FormatsTable)
    return {"parallel_read_safe": True}


class SettingsTable(Directive):
    """A table of the settings whose names match the regular expression in the argument."""

    required_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        pattern = re.compile(self.arguments[0])
        found = [setting for setting in declared_settings() if pattern.fullmatch(setting.name)]
        if not found:
            raise self.error(f"No setting matches {pattern.pattern}.")
        rows = [(_code(each.name), _code(_default(each)), nodes.paragraph(text=each.help)) for each in found]
        return [_table(("setting", "default", "what it is"), rows, widths=(28, 18, 54))]


class FormatsTable(Directive):
    """A table of the audio formats."""

    def run(self) -> list[nodes.Node]:
        rows = [
            (
                _code(each.name),
                _code(each.media_type),
                nodes.paragraph(text="streamed" if each.streams else "complete"),
                nodes.paragraph(text=each.help),
            )
            for each in FORMATS
        ]
        return [_table(("format", "media type", "sent, by default", "what it is"), rows, widths=(15, 30, 15, 40))]


class CommandHelp(Directive):
    """The help of each command, as `--help` prints it. The settings that `serve` lists are left out."""

    def run(self) -> list[nodes.Node]:
        shown: list[nodes.Node] = []
        for path, command in _commands("chatterbox-api", cli):
            context = click.Context(command, info_name=path, max_content_width=_WIDTH, terminal_width=_WIDTH)
            text = command.get_help(context).partition("\nSettings (environment or .env)")[0]
            section = nodes.section(ids=[path.replace(" ", "-")])
            section += nodes.title(text=path)
            section += nodes.literal_block(text, text, language="text")
            shown.append(section)
        return shown


def _commands(path: str, command: click.Command) -> list[tuple[str, click.Command]]:
    found = [(path, command)]
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            found += _commands(f"{path} {name}", each)
    return found


def _default(setting: Setting[Any]) -> str:
    return setting.default or "(empty)"


def _code(text: str) -> nodes.paragraph:
    paragraph = nodes.paragraph()
    paragraph += nodes.literal(text=text)
    return paragraph


def _table(head: tuple[str, ...], rows: list[tuple[nodes.paragraph, ...]], *, widths: tuple[int, ...]) -> nodes.table:
    table = nodes.table()
    group = nodes.tgroup(cols=len(head))
    table += group
    group += [nodes.colspec(colwidth=width) for width in widths]
    group += nodes.thead("", _row(tuple(nodes.paragraph(text=text) for text in head)))
    group += nodes.tbody("", *(_row(row) for row in rows))
    return table


def _row(cells: tuple[nodes.paragraph, ...]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", cell) for cell in cells))
