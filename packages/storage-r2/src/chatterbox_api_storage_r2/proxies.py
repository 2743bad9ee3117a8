"""Which proxy requests to an address go through: the environment names it, and obstore uses it.

The rules are those of the HTTP client inside obstore (hyper-util 0.1, `client::proxy::matcher`), confirmed by tests
against a live and a dead proxy. Of two spellings the upper-case one counts, also when it is empty. ALL_PROXY replaces
a proxy that is missing or cannot be parsed. NO_PROXY has addresses, networks, and names with everything that ends in
them, `*` for every name, and no ports. Under CGI, where REQUEST_METHOD is set, there is no proxy.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

__all__ = ["Proxy", "proxy_for"]

_SCHEMES: Final = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that requests go through.

    Attributes:
        setting: the environment variable that names it.
        address: `scheme://host:port`, without the user and the password that the variable may have.
    """

    setting: str
    address: str


def proxy_for(endpoint: str, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy between this process and the endpoint; None where requests go straight.

    Args:
        environment: such as `os.environ`.
    """
    target = urlsplit(endpoint)
    if "REQUEST_METHOD" in environment or _is_excluded(target.hostname or "", _first(environment, "NO_PROXY")[1]):
        return None
    for name in (f"{target.scheme}_proxy".upper(), "ALL_PROXY"):
        setting, text = _first(environment, name)
        if (address := _address(text)) is not None:
            return Proxy(setting, address)
    return None


def _first(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    found = name if name in environment else name.lower()
    return found, environment.get(found, "")


def _address(text: str) -> str | None:
    try:
        parts: SplitResult = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _SCHEMES or not parts.hostname or re.search(r"\s", text):
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def _is_excluded(host: str, excluded: str) -> bool:
    entries = [entry.strip() for entry in excluded.split(",")]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        names = [entry.lower() for entry in entries if entry]
        return any(name == "*" or f".{host}".endswith(f".{name.removeprefix('.')}") for name in names)
    return any(_holds(entry, address) for entry in entries)


def _holds(entry: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
