"""Which web pages may use the service: pages of its own address, and those that CORS allows.

A browser sends a form of any page to any address, and says with it where the page comes from: in `Sec-Fetch-Site`,
or, over plain http on a network, in `Origin` alone. A program that is no browser sends neither.
See https://www.w3.org/TR/fetch-metadata/ and https://fetch.spec.whatwg.org/#http-origin.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from chatterbox_api_http_litestar.hosts import split_host

__all__ = ["Origins", "is_foreign"]

_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[^/?#\s]+)", re.IGNORECASE)
_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_OWN: Final = ("same-origin", "none")


class Origins:
    """The origins that CORS allows.

    Args:
        allowed: as browsers write them (`https://app.example`); `:*` at the end is any port, `*` is every origin.

    Attributes:
        every_origin: whether `*` is among them.
    """

    def __init__(self, allowed: Collection[str]) -> None:
        self.every_origin = "*" in allowed
        self._exact = frozenset(allowed)
        self._any_port = tuple(origin.removesuffix(":*") for origin in allowed if origin.endswith(":*"))

    def allow(self, origin: str) -> bool:
        """Whether an `Origin` is one of them."""
        origin = origin.strip().lower()
        start, _, port = origin.rpartition(":")
        on_any_port = origin in self._any_port or (port.isdecimal() and start in self._any_port)
        return self.every_origin or origin in self._exact or on_any_port


def is_foreign(*, sites: Sequence[str], origins: Sequence[str], hosts: Sequence[str], allowed: Origins) -> bool:
    """Whether a request comes from a page that is neither the server's own nor allowed by CORS.

    Args:
        sites: the values of `Sec-Fetch-Site`, of which a browser sends one or none.
        origins: those of `Origin`, likewise.
        hosts: those of `Host` and `X-Forwarded-Host`: the names by which the client calls the server.
        allowed: the origins that CORS allows.
    """
    if origins and all(map(allowed.allow, origins)):
        return False
    if sites:
        return not all(site.strip().lower() in _OWN for site in sites)
    own = [split_host(name.strip()) for value in hosts for name in value.split(",")]
    return not all(_is_own(origin, own) for origin in origins)


def _is_own(origin: str, own: Sequence[tuple[str, int | None]]) -> bool:
    """Whether an origin is one of these names and ports; a name without a port is at the default of the scheme."""
    match = _ORIGIN.fullmatch(origin.strip())
    if match is None:
        return False  # `null` among others
    default = _DEFAULT_PORT.get(match["scheme"].lower())
    host, port = split_host(match["host"])
    return bool(host) and any(host == name and (port or default) == (at or default) for name, at in own)
