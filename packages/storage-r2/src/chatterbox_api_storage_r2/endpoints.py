"""R2_ENDPOINT as people write it, and the address of the S3 API that it means.

Dashboards show addresses that contain the bucket. Used as it is, such an address half works: objects are read and
written below a folder that is named like the bucket, and lists fail. So a text that certainly means one address is
replaced by that address, and any other text is refused with a sentence that shows the right one.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from chatterbox_api_core.errors import ConfigurationError

__all__ = ["Endpoint", "is_local", "is_r2", "parsed_endpoint", "signing_region"]

_FIELD: Final = "R2_ENDPOINT"
_R2: Final = "r2.cloudflarestorage.com"
_EXAMPLE: Final = f"https://<account id>.{_R2}"
_JURISDICTION: Final = f"{_EXAMPLE}, or R2_ENDPOINT=https://<account id>.eu.{_R2}, or the same with fedramp"
_WITHIN_R2: Final = rf"\.(?:(?:eu|fedramp)\.)?{re.escape(_R2)}"
_R2_HOST: Final = re.compile(rf"(?:(?P<bucket>.+)\.)?(?P<account>[0-9a-f]{{32}}{_WITHIN_R2})")
_ANY_R2_HOST: Final = re.compile(rf"(?P<bucket>)(?P<account>[a-z0-9-]+{_WITHIN_R2})")
_AWS_HOST: Final = re.compile(r"(?:(?P<bucket>.+)\.)?(?P<account>s3[.-](?:[a-z0-9-]+\.)*amazonaws\.com(?:\.cn)?)")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._-]+)*")
_NO_S3: Final = re.compile(r"dash\.cloudflare\.com|(?:.+\.)?r2\.dev|api\.cloudflare\.com")
_LOCAL_SUFFIXES: Final = (".local", ".localhost", ".internal", ".lan", ".home.arpa", ".svc", ".test")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of an S3 API: `scheme://host[:port][/path]`, below which lie the buckets.

    Attributes:
        address: without a slash at its end.
        taken_off: where the bucket's name stood, `path` or `host name`; empty where it stood nowhere.
    """

    address: str
    taken_off: str = ""


def parsed_endpoint(text: str, *, bucket: str, any_account: bool = False) -> Endpoint:
    """The address that this text certainly means.

        parsed_endpoint("https://s3.example.com/voices/", bucket="voices").address  # https://s3.example.com

    Args:
        text: as a person wrote it.
        bucket: the name that may stand in the address, and is removed from it.
        any_account: whether R2's account may have an id of other than 32 letters and digits.

    Raises:
        ConfigurationError: no address is certain; it shows a right one.
    """
    parts = _split(text.strip())
    name = (parts.hostname or "").rstrip(".")
    host, path = _with_port(name, parts), re.sub(r"/+", "/", parts.path).rstrip("/")
    known, scheme = _R2_HOST.fullmatch(name) or _AWS_HOST.fullmatch(name), parts.scheme
    if is_r2(f"//{name}"):
        scheme = "https"  # the only one that R2 speaks
        known = known or (_ANY_R2_HOST.fullmatch(name) if any_account else None)
        if known is None:
            raise _wrong("has no account's id where R2 has it, or a jurisdiction that there is not", _JURISDICTION)
        host = known["account"]
    taken_off = ""
    if known is not None and known["bucket"]:
        host = known["account"]
        if known["bucket"] != bucket:
            raise _other_bucket(known["bucket"], f"{scheme}://{host}")
        taken_off = "host name"
    if path == f"/{bucket}" or (path.endswith(f"/{bucket}") and known is None):
        path, taken_off = path.removesuffix(f"/{bucket}"), "path"
    if path and known is not None:
        raise _other_bucket(path.strip("/"), f"{scheme}://{host}")
    if not _PATH.fullmatch(path):
        raise _wrong("has a path that cannot be one", f"{scheme}://{host}")
    return Endpoint(f"{scheme}://{host}{path}", taken_off)


def is_r2(endpoint: str) -> bool:
    """Whether an address is one of Cloudflare's R2."""
    host = (urlsplit(endpoint).hostname or "").rstrip(".")
    return host == _R2 or host.endswith(f".{_R2}")


def is_local(endpoint: str) -> bool:
    """Whether an address is on this machine or, by its looks, within a private network."""
    host = urlsplit(endpoint).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_SUFFIXES)


def signing_region(endpoint: str) -> str:
    """The region that requests to this address are signed for.

    R2 takes `auto`, whatever hint its bucket was made with; other servers have their region in the address.
    https://developers.cloudflare.com/r2/api/s3/api/#bucket-region
    """
    if is_r2(endpoint):
        return "auto"
    named = re.match(r"s3[.-](?:dualstack\.)?([a-z]+(?:-[a-z0-9]+)+)\.", urlsplit(endpoint).hostname or "")
    return named[1] if named else "us-east-1"


def _split(text: str) -> SplitResult:
    """Its parts, where those can be the parts of an address."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text.removeprefix("//")
    if re.match(r"\w+:/", rest):
        raise _wrong("is no address", _EXAMPLE)
    try:
        parts = urlsplit(f"{scheme.lower() or 'https'}://{rest}")
        port = parts.port
    except ValueError:
        raise _wrong("is no address", _EXAMPLE) from None
    named = parts.netloc.rpartition("@")[2].lower()
    right = f"{parts.scheme}://{named}"
    if not parts.hostname or not _HOST.fullmatch(_bracketed(parts.hostname)) or port == 0:
        raise _wrong("is no address", _EXAMPLE)
    if _NO_S3.fullmatch(parts.hostname):
        raise _wrong("is the address of a web page, and not of the S3 API", _EXAMPLE)
    if parts.scheme not in ("http", "https"):
        raise _wrong(f"cannot begin with {scheme}://", f"https://{named}" if "." in named else _EXAMPLE)
    if "@" in parts.netloc:
        raise _wrong("must hold neither a name nor a password", right)
    if parts.query or parts.fragment:
        raise _wrong("must end before '?' and '#'", right)
    if not scheme and not is_r2(right):
        raise _wrong("does not begin with https:// or http://", f"{'http' if is_local(right) else 'https'}://{named}")
    return parts


def _with_port(name: str, parts: SplitResult) -> str:
    default = {"http": 80, "https": 443}[parts.scheme]
    host = _bracketed(name)
    return host if parts.port in (None, default) else f"{host}:{parts.port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _other_bucket(found: str, right: str) -> ConfigurationError:
    name, _, prefix = found.partition("/")
    also = f", R2_BUCKET_NAME={name}" + (f" and R2_PREFIX={prefix}" if prefix else "")
    return ConfigurationError(
        f"R2_ENDPOINT has {found!r} in it, which does not belong there.",
        field=_FIELD,
        remedy=f"Write R2_ENDPOINT={right}, and if that is the bucket{also}.",
    )


def _wrong(what: str, right: str) -> ConfigurationError:
    return ConfigurationError(f"R2_ENDPOINT {what}.", field=_FIELD, remedy=f"Write it as R2_ENDPOINT={right}.")
