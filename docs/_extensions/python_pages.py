"""Writes one page for each public module, and makes the docstrings readable for Sphinx.

The modules are found by walking the packages, so that a module that is added, moved or made private needs no edit
here. A module or a folder whose name begins with an underscore is private.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from sphinx.application import Sphinx

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs/reference/python"

PACKAGES: Final = {
    "core": "The library: types, ports, use cases, and adapters for a start.",
    "worker": "Child processes that do jobs.",
    "testkit": "The contract of each port, as test classes.",
}
"""The packages that other people's code imports."""

_SECTION: Final = re.compile(r"(Args|Attributes|Raises|Returns|Yields|Note):$")
_EXAMPLE: Final = re.compile(r"Examples?:$")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", lambda _: _write_pages())
    app.connect("autodoc-process-docstring", _adapt_docstring, priority=400)  # before napoleon
    return {"parallel_read_safe": True}


def _write_pages() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    modules = {package: _modules(package) for package in PACKAGES}
    pages = {"index.md": _index(modules)}
    for found in modules.values():
        pages |= {f"{module.name}.md": _page(module, found) for module in found.values() if module.is_public}
    for stale in {path.name for path in FOLDER.iterdir()} - pages.keys():
        (FOLDER / stale).unlink()
    for name, text in pages.items():
        if not (FOLDER / name).exists() or (FOLDER / name).read_text("utf-8") != text:
            (FOLDER / name).write_text(text, "utf-8")


@dataclass(frozen=True)
class _Module:
    """What is read from a module's source.

    Attributes:
        exported: the names in `__all__`.
        imported: for each name that is imported from a module, the name of that module.
    """

    name: str
    about: str
    exported: tuple[str, ...]
    imported: Mapping[str, str]

    @property
    def is_public(self) -> bool:
        return not any(part.startswith("_") for part in self.name.split("."))


def _modules(package: str) -> dict[str, _Module]:
    source = ROOT / "packages" / package / "src"
    found = {}
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = _read(name, ast.parse(path.read_text("utf-8")))
    return found


def _read(name: str, tree: ast.Module) -> _Module:
    """`__all__` is asked of the module itself, because packages may compute it."""
    module = _Module(name, (ast.get_docstring(tree) or "").partition("\n")[0], (), {})
    if not module.is_public:
        return module
    imported = {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    return replace(module, exported=tuple(getattr(import_module(name), "__all__", ())), imported=imported)


def _index(modules: Mapping[str, Mapping[str, _Module]]) -> str:
    lines = ["# Python API", "", "One page for each public module of the packages that other code imports.", ""]
    for package, about in PACKAGES.items():
        public = [module for module in modules[package].values() if module.is_public]
        lines += [f"## {package}", "", about, "", "| module | what it is |", "|---|---|"]
        lines += [f"| [`{each.name}`]({each.name}.md) | {each.about.replace('|', chr(92) + '|')} |" for each in public]
        lines += ["", "```{toctree}", ":hidden:", "", *(module.name for module in public), "```", ""]
    return "\n".join(lines)


def _page(module: _Module, modules: Mapping[str, _Module]) -> str:
    """A page that describes what the module defines, or exports from a private module, and links to the rest."""
    own, elsewhere = [], []
    for name in module.exported:
        home = modules.get(module.imported.get(name, ""))
        if home is None or not home.is_public:
            own.append(name)
        else:
            elsewhere.append(f"[`{name}`]({home.name}.md)")
    lines = [f"# `{module.name}`", "", "```{eval-rst}", f".. automodule:: {module.name}"]
    lines.append(f"   :members: {', '.join(own)}" if own else "   :no-members:")
    lines += ["```", ""]
    if elsewhere:
        lines += [f"Also importable from here: {', '.join(elsewhere)}.", ""]
    return "\n".join(lines)


def _adapt_docstring(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Turn what is written as in Markdown into reStructuredText: bold stays, and indented text is shown as it is."""
    adapted: list[str] = []
    in_section = in_example = in_block = False
    for line in lines:
        indented = line.startswith("    ")
        if not line.strip() or (in_block and indented):
            adapted.append(f"    {line}" if in_example and line.strip() else line)
            continue
        in_block = False
        if not indented:
            in_section, in_example = bool(_SECTION.match(line)), bool(_EXAMPLE.match(line))
        elif in_example:
            adapted += ["    .. code-block:: python", ""]
            in_block = True
        elif not in_section and not (adapted and adapted[-1].strip()):
            adapted += [".. code-block:: text", ""]
            in_block = True
        adapted.append(f"    {line}" if in_example and indented else line if in_block else _with_literals(line))
    lines[:] = adapted


def _with_literals(line: str) -> str:
    """Code between single backticks gets the double ones of reStructuredText, within which no other mark counts.

    Of names that are described together the spaces are removed, since Sphinx would take the first for types.
    """
    line = re.sub(r"^    ([a-z_0-9]+(?:, [a-z_0-9]+)+):", lambda match: f"    {match[1].replace(' ', '')}:", line)
    return re.sub(r"`([^`]+)`", lambda match: f"``{match[1]}``", line)
