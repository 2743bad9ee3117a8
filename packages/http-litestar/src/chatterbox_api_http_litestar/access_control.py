"""Access control before the routes: by which host a client may call, and from which web pages (CORS).

It decides by the headers alone, before a body is read.
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
from chatterbox_api_http_litestar.body_drain import BodyDrain
from chatterbox_api_http_litestar.errors import error_body
from chatterbox_api_http_litestar.hosts import Hosts
from chatterbox_api_http_litestar.origins import Origins, is_foreign

__all__ = ["AccessControl"]

_METHODS: Final = "DELETE, GET, HEAD, OPTIONS, POST, PUT"
_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
_MAX_AGE_S: Final = 600
_HEADER_NAMES = re.compile(r"[\w!#$%&'*+.^`|~-]+(\s*,\s*[\w!#$%&'*+.^`|~-]+)*", re.ASCII)
_HEADER_NAMES_CHARS: Final = 4096
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE)

_HOST_MESSAGE: Final = "This server is not called '{}'. If a proxy passes this name on, add it to ALLOWED_HOSTS."
_ORIGIN_MESSAGE: Final = (
    "A web page of another origin may not do this. If the page is yours, add its origin to CORS_ORIGINS."
)


class AccessControl:
    """An ASGI middleware that passes requests on to an application, or refuses them.

    Args:
        app: the application behind it.
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
        """Pass a request on, or refuse it with 403."""
        if scope["type"] == ScopeType.HTTP:
            await self._on_request(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _on_request(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})
        hosts = [*_take_authority(scope), *_values(scope, b"host")]
        foreign_hosts = [host for host in hosts if not self._hosts.allow(host)]
        origins = _values(scope, b"origin")
        body = BodyDrain(scope, receive, receive_s=self._receive_s)
        send = body.before_response(send)
        send_with_cors = self._with_cors(send, origins)
        if foreign_hosts:
            await _refuse(scope, send, "foreign_host", _HOST_MESSAGE.format(foreign_hosts[0][:80]))
        elif origins and scope["method"] == "OPTIONS" and _values(scope, b"access-control-request-method"):
            await self._preflight(scope, send_with_cors, origins)
        elif scope["method"] not in _SAFE_METHODS and self._is_foreign(scope, origins, hosts):
            await _refuse(scope, send_with_cors, "foreign_origin", _ORIGIN_MESSAGE)
        else:
            await self._app(scope, body.receive, send_with_cors)

    def _is_foreign(self, scope: HTTPScope, origins: list[str], hosts: list[str]) -> bool:
        return is_foreign(
            sites=_values(scope, b"sec-fetch-site"),
            origins=origins,
            hosts=[*hosts, *_values(scope, b"x-forwarded-host")],
            allowed=self._origins,
        )

    async def _preflight(self, scope: HTTPScope, send: Send, origins: list[str]) -> None:
        """Respond to the preflight, which browsers send before a request that a form could not make."""
        if not all(map(self._origins.allow, origins)):
            await _refuse(scope, send, "foreign_origin", _ORIGIN_MESSAGE)
            return
        requested = ", ".join(_values(scope, b"access-control-request-headers")).strip()
        if requested and (len(requested) > _HEADER_NAMES_CHARS or not _HEADER_NAMES.fullmatch(requested)):
            message = "'Access-Control-Request-Headers' is no list of header names, or is too long."
            await _refuse(scope, send, "invalid_preflight", message, status=400)
            return
        fields = [
            (b"access-control-allow-methods", _METHODS.encode()),
            (b"access-control-max-age", str(_MAX_AGE_S).encode()),
            (b"vary", b"Access-Control-Request-Method, Access-Control-Request-Headers"),
            (b"x-request-id", headers.request_id(scope).encode()),
        ]
        if requested:
            fields.append((b"access-control-allow-headers", requested.encode()))
        if _values(scope, b"access-control-request-private-network") == ["true"]:
            fields.append((b"access-control-allow-private-network", b"true"))
        await send({"type": "http.response.start", "status": 204, "headers": fields})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _with_cors(self, send: Send, origins: list[str]) -> Send:
        """ASGI's `send`, which says in each response which page may read it."""
        every_origin = self._origins.every_origin
        allowed = "*" if every_origin else origins[0] if len(origins) == 1 and self._origins.allow(origins[0]) else None

        async def send_with_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                fields = MutableScopeHeaders.from_message(message)
                if not every_origin:
                    fields.add("vary", "Origin")
                if allowed and origins:
                    fields["access-control-allow-origin"] = allowed
                    fields["access-control-expose-headers"] = ", ".join(headers.EXPOSED)
            await send(message)

        return send_with_cors


def _take_authority(scope: HTTPScope) -> list[str]:
    """The host of a target in absolute form (`GET http://name/path HTTP/1.1`), which leaves the path in the scope."""
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
    fields = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", headers.request_id(scope).encode()),
        (b"x-should-retry", b"false"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body, "more_body": False})
