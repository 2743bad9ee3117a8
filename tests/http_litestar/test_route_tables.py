"""The tables of the front end's README name every route and every field of a speech request, and no others."""

from __future__ import annotations

import re
from pathlib import Path

from chatterbox_api_http_litestar.routes.table import HANDLERS
from chatterbox_api_http_litestar.schemas import SpeechBody

README = (Path(__file__).parents[2] / "packages/http-litestar/README.md").read_text()
ROUTE = re.compile(r"`(GET|POST|PUT|DELETE)(?: (/[^`]*))?`")


def documented_routes() -> set[tuple[str, str]]:
    """Methods without an address belong to the next one: `GET`, `POST /voices`."""
    found, methods = set(), []
    for method, path in ROUTE.findall(README):
        methods.append(method)
        if path:
            found |= {(each, re.sub(r"{\w+}", "{}", path)) for each in methods}
            methods = []
    return found


def test_every_route_is_documented() -> None:
    routes = {
        (method, re.sub(r"{\w+:str}", "{}", path))
        for handler in HANDLERS
        for path in handler.paths
        for method in handler.http_methods
        if method != "HEAD"
    }
    assert documented_routes() == routes


def test_every_field_of_a_speech_request_is_documented() -> None:
    table = README.partition("| field | what it is |")[2].partition("\n\n")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)} == set(SpeechBody.__struct_fields__)
