"""The settings `R2_*`, and the connection that they describe together."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_core.plugins import Absent, Incomplete, Ready, State
from chatterbox_api_core.settings import DATA_DIR, Setting, integer, number, one_of
from chatterbox_api_storage_r2.endpoints import is_local, is_r2, parsed_endpoint, signing_region
from chatterbox_api_storage_r2.timeouts import DEFAULT_TIMEOUTS, Timeouts

__all__ = ["ALL", "STALE_MAX_S", "Connection", "connection", "mirror_path", "state"]

_log = logging.getLogger(__name__)

_PLACEHOLDER = re.compile(r"your[-_ ].*|<.*>|\{.*\}|x{3,}|\.{3}|change[-_ ]?me|example|placeholder", re.I)
_BUCKET_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_PREFIX: Final = r"([A-Za-z0-9_-][A-Za-z0-9._-]*(/|$))*"


def _own(expected: str, pattern: str) -> Callable[[str], str]:
    """A parser for a value that only its owner can know, empty when unset. It refuses the placeholders of guides."""

    def parse(text: str) -> str:
        if _PLACEHOLDER.fullmatch(text):
            raise ValueError(f"{expected}, in the place of the example's placeholder")
        if text and not re.fullmatch(pattern, text):
            raise ValueError(expected)
        return text

    return parse


ACCOUNT_ID: Final = Setting(
    "R2_ACCOUNT_ID",
    "",
    "The account whose R2 keeps the voices: 32 letters and digits, shown on the overview of R2.",
    lambda text: _own("the 32 letters and digits that the overview of R2 shows", r"[0-9a-f]{32}")(text.lower()),
    secret=True,  # where a person may paste the wrong thing
)
ACCESS_KEY_ID: Final = Setting(
    "R2_ACCESS_KEY_ID",
    "",
    "The key's id, from the API token for R2.",
    _own("the access key id of an API token for R2", r"\S+"),
    secret=True,
)
SECRET_ACCESS_KEY: Final = Setting(
    "R2_SECRET_ACCESS_KEY",
    "",
    "The key's secret, shown once when the token is made.",
    _own("the secret access key of an API token for R2", r"\S+"),
    secret=True,
)
BUCKET_NAME: Final = Setting(
    "R2_BUCKET_NAME",
    "chatterbox-voices",
    "The bucket. It has to be there.",
    _own("the name of a bucket", _BUCKET_NAME),
)
REGION: Final = Setting(
    "R2_REGION",
    "auto",
    "auto, or where the bucket was asked to be when it was made: wnam, enam, weur, eeur, apac, oc. R2 finds it anyway.",
    one_of("auto", "wnam", "enam", "weur", "eeur", "apac", "oc"),
)
JURISDICTION: Final = Setting(
    "R2_JURISDICTION",
    "none",
    "none, or the one that the bucket was made in, which has an address of its own: eu, fedramp.",
    one_of("none", "eu", "fedramp"),
)
ENDPOINT: Final = Setting(
    "R2_ENDPOINT",
    "",
    "The address of another S3 server, in the place of R2_ACCOUNT_ID and R2_JURISDICTION.",
    _own("an address such as https://s3.example.com", r".+"),  # `parsed_endpoint` looks closer
    secret=True,  # some people put credentials into addresses
)
PREFIX: Final = Setting(
    "R2_PREFIX", "", "What all keys begin with, in a bucket that is shared with other things: voices/home.", str
)
STALE_MAX_S: Final = Setting(
    "R2_STALE_MAX_S",
    "3600",
    "How long the last known voices speak while the bucket is unavailable, in seconds.",
    number(0, 30 * 86400),
)
CONNECT_TIMEOUT_S: Final = Setting("R2_CONNECT_TIMEOUT_S", "2", "For making a connection, in seconds.", number(0.1, 60))
READ_TIMEOUT_S: Final = Setting(
    "R2_READ_TIMEOUT_S",
    "3",
    "For each attempt to read, in seconds; all of them have twice that, at least 8.",
    number(0.1, 60),
)
WRITE_TIMEOUT_S: Final = Setting(
    "R2_WRITE_TIMEOUT_S", "10", "For a write, in seconds; a second more for each 256 KiB.", number(0.1, 300)
)
RETRIES: Final = Setting("R2_RETRIES", "3", "How often a read is tried again.", integer(0, 10))

ALL: Final[tuple[Setting[Any], ...]] = (
    ACCOUNT_ID,
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    BUCKET_NAME,
    REGION,
    JURISDICTION,
    ENDPOINT,
    PREFIX,
    STALE_MAX_S,
    CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S,
    WRITE_TIMEOUT_S,
    RETRIES,
    DATA_DIR,
)


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the bucket is and how to talk to it.

        Connection("https://s3.example.com", "voices", "key id", "secret", prefix="home")

    Attributes:
        endpoint: the address of the S3 API, without the bucket; as `parsed_endpoint` returns it.
        bucket: its name.
        access_key_id, secret_access_key: the key; neither is shown by `repr`.
        prefix: what all keys begin with, for a bucket that is shared with other things. Slashes are added as needed.
        region: the one that requests are signed for; R2's is `auto`.
        timeouts: how long requests may take.
        read_attempts: how often a read is attempted, at most.
        write_interval_s: between two writes of one key; R2 refuses more than one a second.

    Raises:
        ConfigurationError: the endpoint cannot be an address, or the bucket or the prefix cannot be a name.
    """

    endpoint: str
    bucket: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    prefix: str = ""
    region: str = "auto"
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    read_attempts: int = 4
    write_interval_s: float = 1.0

    def __post_init__(self) -> None:
        address = parsed_endpoint(self.endpoint, bucket="", any_account=True).address
        _check(address == self.endpoint.rstrip("/"), "R2_ENDPOINT", address)
        _check(re.fullmatch(_BUCKET_NAME, self.bucket) is not None, "R2_BUCKET_NAME", "the name of a bucket")
        plain = re.fullmatch(_PREFIX, self.prefix.strip("/")) is not None
        _check(plain, "R2_PREFIX", "made of letters, digits, '-', '_', '.' and, between them, '/'")

    @property
    def host(self) -> str:
        """The host of the endpoint, with the port where there is one."""
        return urlsplit(self.endpoint).netloc


def state(env: Mapping[str, str]) -> State:
    """Whether R2 is configured: account or address, key id and secret. The other settings decide nothing alone."""
    missing = [setting.name for setting in (ACCESS_KEY_ID, SECRET_ACCESS_KEY) if not setting.is_set(env)]
    if not ACCOUNT_ID.is_set(env) and not ENDPOINT.is_set(env):
        missing.insert(0, ACCOUNT_ID.name)
    if len(missing) == 3:
        return Absent("R2_ACCOUNT_ID, R2_ACCESS_KEY_ID and R2_SECRET_ACCESS_KEY are not set")
    return Incomplete(tuple(missing)) if missing else Ready()


def connection(env: Mapping[str, str]) -> Connection:
    """The connection that the settings describe.

    Raises:
        ConfigurationError: a setting has a value that cannot be used.
    """
    bucket = BUCKET_NAME.read(env)
    if ENDPOINT.is_set(env):
        endpoint = _normalised(ENDPOINT.read(env), bucket)
    else:
        endpoint = _endpoint(ACCOUNT_ID.read(env), JURISDICTION.read(env))
    REGION.read(env)  # checked and not used: it is where R2 was asked to make the bucket, no region to sign for
    return Connection(
        endpoint=endpoint,
        bucket=bucket,
        access_key_id=ACCESS_KEY_ID.read(env),
        secret_access_key=SECRET_ACCESS_KEY.read(env),
        prefix=PREFIX.read(env),
        region=signing_region(endpoint),
        timeouts=_timeouts(env),
        read_attempts=RETRIES.read(env) + 1,
        write_interval_s=1.0 if is_r2(endpoint) else 0.0,  # the limit is R2's alone
    )


def mirror_path(env: Mapping[str, str], settings: Connection) -> Path:
    """The file of the local mirror: one for each library, named after the library's place."""
    from platformdirs import user_data_path

    folder = DATA_DIR.read(env) or user_data_path("chatterbox-api", appauthor=False)
    where = "\n".join((settings.endpoint.rstrip("/"), settings.bucket, settings.prefix.strip("/")))
    return folder / f"r2-mirror-{hashlib.sha256(where.encode()).hexdigest()[:16]}.db"


def _normalised(text: str, bucket: str) -> str:
    """The address that R2_ENDPOINT means. The log says where that is not the address as it was written."""
    found = parsed_endpoint(text, bucket=bucket)
    if found.taken_off:
        _log.info(
            "R2_ENDPOINT has the bucket's name in its %s, where it is taken off: %s", found.taken_off, found.address
        )
    if found.address.startswith("http://") and not is_local(found.address):
        _log.warning("R2_ENDPOINT begins with http: clips travel unencrypted, and others in the network can read them")
    return found.address


def _endpoint(account_id: str, jurisdiction: str) -> str:
    within = "" if jurisdiction == "none" else f".{jurisdiction}"
    return f"https://{account_id}{within}.r2.cloudflarestorage.com"


def _timeouts(env: Mapping[str, str]) -> Timeouts:
    read_s = READ_TIMEOUT_S.read(env)
    return Timeouts(
        connect_s=CONNECT_TIMEOUT_S.read(env),
        read_s=read_s,
        read_deadline_s=max(8.0, 2 * read_s),
        write_s=WRITE_TIMEOUT_S.read(env),
        probe_s=max(3.0, read_s),
    )


def _check(holds: bool, name: str, expected: str) -> None:
    if not holds:
        raise ConfigurationError(f"{name} must be {expected}.", field=name, remedy=f"Change {name}.")
