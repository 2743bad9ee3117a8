"""Reads web origins and host names, as people write them in settings.

A browser writes an origin in one way only, so any other spelling would never match. Where its meaning is certain (a
slash at the end, upper case, a default port), the spelling is corrected; elsewhere it is refused.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from chatterbox_api_core.settings import words

__all__ = ["LOOPBACK_ORIGINS", "host_names", "web_origins"]

LOOPBACK_ORIGINS: Final = tuple(
    f"{scheme}://{host}:*" for scheme in ("http", "https") for host in ("localhost", "127.0.0.1", "[::1]")
)
"""Pages of this machine, on any port."""

_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>\[[^\]]*\]|[^/?#:@\s]*)(?::(?P<port>[^/?#]*))?(?P<rest>.*)"
)
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")
_DEFAULT_PORT: Final = {"http": "80", "https": "443"}
_NO_PAGES: Final = ("file", "ws", "wss", "data", "about", "javascript", "blob")
_FILES: Final = "file://"
"""The origin of a page from a file in Electron, Cordova and WebView; a browser's own is `null`."""
_EXAMPLE: Final = "origins such as https://app.example between commas, loopback, none or *"


def web_origins(text: str) -> tuple[str, ...]:
    """Origins as browsers write them; `*` for all, `http://host:*` for any port.

    Raises:
        ValueError: an origin that no browser would send.
    """
    entries = words(text.lower())
    if "none" in entries and len(entries) > 1:
        raise ValueError(f"{_EXAMPLE}; 'none' stands alone")
    origins: list[str] = []
    for entry in entries:
        if entry == "loopback":
            origins.extend(LOOPBACK_ORIGINS)
        elif entry != "none":
            origins.append(entry if entry == "*" else _origin(entry))
    return tuple(dict.fromkeys(origins))


def host_names(text: str) -> tuple[str, ...]:
    """Names of the server, without ports; `*` for all.

    Raises:
        ValueError: what is no name of a machine.
    """
    return tuple(dict.fromkeys(entry if entry == "*" else _host_name(entry) for entry in words(text.lower())))


def _origin(entry: str) -> str:
    if entry in (_FILES, f"{_FILES}/"):
        return _FILES
    match = _ORIGIN.fullmatch(entry)
    if match is None:
        raise ValueError(f"{_EXAMPLE}; {entry!r} has no http:// or https:// before it")
    scheme, port = match["scheme"], match["port"]
    if scheme in _NO_PAGES:
        raise ValueError(f"{_EXAMPLE}; no page has an origin with {scheme}:")
    if match["rest"] not in ("", "/"):
        raise ValueError(f"{_EXAMPLE}; {entry!r} goes on after the name and the port, and an origin ends there")
    host = _name(match["host"])
    if host is None:
        raise ValueError(f"{_EXAMPLE}; {entry!r} has no name of a machine in it, in ASCII and without wildcards")
    if port in (None, "", _DEFAULT_PORT.get(scheme)):
        return f"{scheme}://{host}"
    if port != "*" and not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise ValueError(f"{_EXAMPLE}; {port!r} is no port")
    return f"{scheme}://{host}:{port if port == '*' else int(port)}"


def _host_name(entry: str) -> str:
    bare = f"[{entry}]" if entry.count(":") > 1 and "[" not in entry and "/" not in entry else entry
    match = _ORIGIN.fullmatch(bare if "://" in bare else f"http://{bare}")
    name = _name(match["host"]) if match and match["rest"] in ("", "/") else None
    if name is None:
        raise ValueError(f"names such as app.example between commas, or *; {entry!r} is none")
    return name


def _name(host: str) -> str | None:
    """A name, or an address in its shortest form, in brackets if it is one of IPv6; None if it is neither."""
    if host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(host[1:-1])}]"
        except ValueError:
            return None
    return host if _NAME.fullmatch(host) else None
