"""Which host names a client may call the server by, in `Host` and in the target of a request.

A page whose name its owner has pointed at 127.0.0.1 (DNS rebinding) reaches a loopback server as one of its own pages:
the browser sees one origin. `Host` still has the page's name.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection
from typing import Final

__all__ = ["ANY_HOST", "Hosts", "is_loopback", "split_host"]

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\s\[\]:/?#@,\\]+)(?::(?P<port>[0-9]{0,5}))?")
_NUMBERS = re.compile(r"[0-9A-Fa-fxX.]+")
ANY_HOST: Final = "*"
"""Allows every name."""

_FROM_CONTAINERS: Final = frozenset(["host.docker.internal", "gateway.docker.internal", "host.containers.internal"])
"""What Docker and Podman call the machine that a container runs on, so that its programs reach other services there.

Nobody can point them at it from outside: `.internal` is not delegated in the public DNS (ICANN, July 2024).
"""


class Hosts:
    """The names that clients may call a server by.

    Args:
        names: without ports, in any case; `*` for all. None is as `*`.
    """

    def __init__(self, names: Collection[str] | None) -> None:
        self._names = None if names is None or ANY_HOST in names else frozenset(map(_canonical, names))

    def allow(self, host: str) -> bool:
        """Whether a `Host`, with or without its port, is one of them.

        Loopback's own names always are, and so are those that containers have for this machine.
        """
        if self._names is None:
            return True
        name, _ = split_host(host)
        return bool(name) and (is_loopback(name) or name in _FROM_CONTAINERS or name in self._names)


def split_host(host: str) -> tuple[str, int | None]:
    """The name in lower case, without brackets or the dot at its end, and the port; the name is empty for no host."""
    match = _HOST.fullmatch(host)
    if match is None:
        return "", None
    return _canonical(match["name"]), int(match["port"]) if match["port"] else None


def is_loopback(name: str) -> bool:
    """Whether a name always means this machine: `localhost` and names below it, 127.0.0.0/8 and ::1."""
    name = _canonical(name)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return _is_short_loopback(name)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _is_short_loopback(name: str) -> bool:
    """127.1, 0x7f.1 and 2130706433 are 127.0.0.1 to curl; no name in DNS looks like them."""
    if not _NUMBERS.fullmatch(name) or not name[0].isdigit():
        return False
    try:
        return socket.inet_aton(name)[0] == 127
    except OSError:
        return False


def _canonical(name: str) -> str:
    return name.lower().removeprefix("[").removesuffix("]").removesuffix(".")
