"""A small application that reads a form and answers with what it says, called without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from litestar import Litestar, Request, post
from litestar.types import Message

from chatterbox_api_http_litestar import HttpLimits
from chatterbox_api_http_litestar.body_budget import BodyBudget
from chatterbox_api_http_litestar.errors import EXCEPTION_HANDLERS
from chatterbox_api_http_litestar.forms import read_form
from chatterbox_api_http_litestar.request_body import request_bodies

__all__ = ["form_app", "send"]

LIMITS = HttpLimits(body_bytes=2000, upload_bytes=300_000, file_bytes=200_000, parts=10)


def form_app(limits: HttpLimits = LIMITS, budget: BodyBudget | None = None) -> Litestar:
    """Answers with what a form says."""

    @post("/form", status_code=200)
    async def form(request: Request[Any, Any, Any]) -> dict[str, Any]:
        found = await read_form(request, files=("voice_file",), texts=("voice_name", "language"), limits=limits)
        files = {name: (file.filename, (await file.take()).decode("latin-1")) for name, file in found.files.items()}
        return {"texts": found.texts, "files": files}

    return Litestar(
        [form],
        middleware=[request_bodies(budget or BodyBudget(limits))],
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=None,
        logging_config=None,
        openapi_config=None,
    )


@cache
def _usual_app() -> Litestar:
    return form_app()


async def send(
    chunks: Sequence[bytes], content_type: str, app: Litestar | None = None, *, then: str = "end"
) -> tuple[int, Any]:
    """The answer to a form that arrives in these chunks.

    Args:
        then: what comes behind them: the form's end, `silence`, or a `disconnect`.
    """
    incoming: list[dict[str, Any]] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if then == "end":
        incoming.append({"type": "http.request", "body": b"", "more_body": False})
    elif then == "disconnect":
        incoming.append({"type": "http.disconnect"})
    sent: list[Message] = []

    async def receive() -> Any:
        return incoming.pop(0) if incoming else await asyncio.Event().wait()

    async def keep(message: Message) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/form",
        "raw_path": b"/form",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", content_type.encode("latin-1"))],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await (app or _usual_app())(scope, receive, keep)
    body = b"".join(message.get("body", b"") for message in sent)  # type: ignore[misc]
    return sent[0]["status"], json.loads(body)  # type: ignore[typeddict-item]
