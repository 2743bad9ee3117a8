"""Every error code in the sources is listed with the case in which it is raised, and no other code is listed."""

from __future__ import annotations

import ast
import gc
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from chatterbox_api_core.errors import ERROR_CODES
from chatterbox_api_http_litestar.errors import HTTP_ERROR_CODES

PACKAGES: Final = Path(__file__).parents[1] / "packages"
LISTS: Final = {"ERROR_CODES", "HTTP_ERROR_CODES"}
CODE: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
POSITION: Final = {"Cause": 0, "RequestError": 1, "_refuse": 2}
"""Which argument of these is a code; elsewhere the argument is called `code`."""


@cache
def nodes() -> tuple[tuple[Path, ast.AST], ...]:
    """Every node of the product's sources, without the lists of codes themselves."""
    gc.collect()
    gc.disable()  # Python 3.11 fails to build a syntax tree when a finalizer runs in the middle of it
    try:
        return tuple((path, node) for path in PACKAGES.glob("*/src/**/*.py") for node in ast.walk(without_lists(path)))
    finally:
        gc.enable()


def without_lists(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text())
    tree.body = [
        node for node in tree.body if not isinstance(node, ast.AnnAssign) or getattr(node.target, "id", "") not in LISTS
    ]
    return tree


def literals(node: ast.AST) -> Iterator[str]:
    """The codes that an expression can have, as far as it spells them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*literals(node.body), *literals(node.orelse))
    elif isinstance(node, ast.BoolOp):
        yield from (code for value in node.values for code in literals(value))
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get":
        yield from (code for value in node.args[1:] for code in literals(value))


def spelled() -> Iterator[tuple[str, Path]]:
    for path, node in nodes():
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            values = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            values += node.args[POSITION[name] :][:1] if name in POSITION else []
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "default_code":
            values = [node.value]
        elif isinstance(node, ast.Tuple) and is_code_and_sentence(node):
            values = node.elts[:1]
        else:
            continue
        yield from ((code, path) for value in values for code in literals(value))


def is_code_and_sentence(node: ast.Tuple) -> bool:
    """An entry of a table of refusals: `("not_found", "There is nothing at this path.")`."""
    if len(node.elts) != 2 or not all(isinstance(each, ast.Constant) for each in node.elts):
        return False
    code, sentence = (ast.literal_eval(each) for each in node.elts)
    return isinstance(sentence, str) and sentence.endswith(".") and CODE.fullmatch(str(code)) is not None


def of_workers() -> Iterator[tuple[str, Path]]:
    """The codes that `worker` makes of a prefix: f"{prefix}_died"."""
    endings = {
        node.values[1].value
        for path, node in nodes()
        if path.is_relative_to(PACKAGES / "worker") and isinstance(node, ast.JoinedStr) and len(node.values) == 2
        if isinstance(node.values[0], ast.FormattedValue) and isinstance(node.values[1], ast.Constant)
        if isinstance(node.values[1].value, str) and node.values[1].value.startswith("_")
    }
    assert endings >= {"_died", "_hung", "_unavailable"}
    for path, node in nodes():
        if isinstance(node, ast.keyword) and node.arg == "code_prefix" and isinstance(node.value, ast.Constant):
            yield from ((f"{node.value.value!s}{ending}", path) for ending in endings)


def test_every_code_is_listed() -> None:
    unlisted = {
        code: str(path) for code, path in (*spelled(), *of_workers()) if code not in {**ERROR_CODES, **HTTP_ERROR_CODES}
    }
    assert unlisted == {}


def test_every_listed_code_is_raised_somewhere() -> None:
    strings = {node.value for _, node in nodes() if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    used = strings | {code for code, _ in of_workers()}
    assert {*ERROR_CODES, *HTTP_ERROR_CODES} - used == set()


def test_a_code_is_in_one_list_and_has_a_sentence() -> None:
    assert not ERROR_CODES.keys() & HTTP_ERROR_CODES.keys()
    for code, sentence in (*ERROR_CODES.items(), *HTTP_ERROR_CODES.items()):
        assert CODE.fullmatch(code), code
        assert sentence[0].isupper(), code
        assert sentence.endswith("."), code


def test_core_lists_what_others_raise_and_the_front_end_its_own() -> None:
    own = {code for code, path in spelled() if "http-litestar" in path.parts}
    elsewhere = {code for code, path in spelled() if not {"http-litestar", "app"} & set(path.parts)}
    assert elsewhere & HTTP_ERROR_CODES.keys() == set()
    assert own & HTTP_ERROR_CODES.keys(), "the front end's codes are found"
