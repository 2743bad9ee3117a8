"""What stands before the routes: who may call, by which name, and from which web page.

Everything here is decided by the headers, before a body is read.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import unquote

import msgspec
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from chatterbox_api_http_litestar import headers
from chatterbox_api_http_litestar.errors import error_body
from chatterbox_api_http_litestar.hosts import Hosts
from chatterbox_api_http_litestar.incoming import Incoming
from chatterbox_api_http_litestar.origins import Origins, is_foreign

__all__ = ["Gate"]

_METHODS: Final = "DELETE, GET, HEAD, OPTIONS, POST, PUT"
_HARMLESS: Final = ("GET", "HEAD", "OPTIONS")
_MAX_AGE_S: Final = 600
_HEADER_NAMES = re.compile(r"[\w!#$%&'*+.^`|~-]+(\s*,\s*[\w!#$%&'*+.^`|~-]+)*", re.ASCII)
_HEADER_NAMES_CHARS: Final = 4096
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE)

_HOST_MESSAGE: Final = "This server is not called '{}'. If a proxy passes this name on, add it to ALLOWED_HOSTS."
_ORIGIN_MESSAGE: Final = (
    "A web page of another origin may not do this. If the page is yours, add its origin to CORS_ORIGINS."
)


class Gate:
    """An ASGI application that lets requests through to another, or refuses them.

    Args:
        cors_origins: as `Origins` takes them.
        allowed_hosts: as `Hosts` takes them.
        receive_s: the longest a request's body may take to arrive, also where it is refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        cors_origins: Collection[str],
        allowed_hosts: Collection[str] | None,
        receive_s: float = 60.0,
    ) -> None:
        self._app, self._origins, self._hosts = app, Origins(cors_origins), Hosts(allowed_hosts)
        self._receive_s = receive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await self._on_request(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _on_request(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})
        called = [*_take_authority(scope), *_values(scope, b"host")]
        strange = [name for name in called if not self._hosts.allow(name)]
        origins = _values(scope, b"origin")
        incoming = Incoming(scope, receive, receive_s=self._receive_s)
        send = incoming.before_answer(send)
        answer = self._with_cors(send, origins)
        if strange:
            await _refuse(scope, send, "foreign_host", _HOST_MESSAGE.format(strange[0][:80]))
        elif origins and scope["method"] == "OPTIONS" and _values(scope, b"access-control-request-method"):
            await self._preflight(scope, answer, origins)
        elif scope["method"] not in _HARMLESS and self._is_foreign(scope, origins, called):
            await _refuse(scope, answer, "foreign_origin", _ORIGIN_MESSAGE)
        else:
            await self._app(scope, incoming.receive, answer)

    def _is_foreign(self, scope: HTTPScope, origins: list[str], called: list[str]) -> bool:
        return is_foreign(
            sites=_values(scope, b"sec-fetch-site"),
            origins=origins,
            hosts=[*called, *_values(scope, b"x-forwarded-host")],
            allowed=self._origins,
        )

    async def _preflight(self, scope: HTTPScope, send: Send, origins: list[str]) -> None:
        """Answer the question that browsers ask before a request that a form could not make."""
        if not all(map(self._origins.allow, origins)):
            await _refuse(scope, send, "foreign_origin", _ORIGIN_MESSAGE)
            return
        asked = ", ".join(_values(scope, b"access-control-request-headers")).strip()
        if asked and (len(asked) > _HEADER_NAMES_CHARS or not _HEADER_NAMES.fullmatch(asked)):
            message = "'Access-Control-Request-Headers' is no list of header names, or is too long."
            await _refuse(scope, send, "invalid_preflight", message, status=400)
            return
        answer = [
            (b"access-control-allow-methods", _METHODS.encode()),
            (b"access-control-max-age", str(_MAX_AGE_S).encode()),
            (b"vary", b"Access-Control-Request-Method, Access-Control-Request-Headers"),
            (b"x-request-id", headers.request_id(scope).encode()),
        ]
        if asked:
            answer.append((b"access-control-allow-headers", asked.encode()))
        if _values(scope, b"access-control-request-private-network") == ["true"]:
            answer.append((b"access-control-allow-private-network", b"true"))
        await send({"type": "http.response.start", "status": 204, "headers": answer})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _with_cors(self, send: Send, origins: list[str]) -> Send:
        """`send`, saying in each answer which page may read it."""
        everybody = self._origins.everybody
        allowed = "*" if everybody else origins[0] if len(origins) == 1 and self._origins.allow(origins[0]) else None

        async def send_with_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableScopeHeaders.from_message(message)
                if not everybody:
                    answer.add("vary", "Origin")
                if allowed and origins:
                    answer["access-control-allow-origin"] = allowed
                    answer["access-control-expose-headers"] = ", ".join(headers.EXPOSED)
            await send(message)

        return send_with_cors


def _take_authority(scope: HTTPScope) -> list[str]:
    """The name in a target that is a whole address (`GET http://name/path HTTP/1.1`); leaves the path in its place."""
    match = _ABSOLUTE.fullmatch(scope.get("raw_path") or b"")
    if match is None:
        return []
    path = match[2] or b"/"
    scope["raw_path"], scope["path"] = path, unquote(path.decode("latin-1"))
    return [match[1].decode("latin-1")]


def _values(scope: HTTPScope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for header, value in scope["headers"] if header.lower() == name]


async def _refuse(scope: HTTPScope, send: Send, code: str, message: str, *, status: int = 403) -> None:
    body = msgspec.json.encode(error_body(status, message=message, code=code, param=None))
    answer = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", headers.request_id(scope).encode()),
        (b"x-should-retry", b"false"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": answer})
    await send({"type": "http.response.body", "body": body, "more_body": False})
