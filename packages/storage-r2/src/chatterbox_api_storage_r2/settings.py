"""The settings `R2_*`, and what they say together."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from chatterbox_api_core.plugins import Absent, Incomplete, Ready, State
from chatterbox_api_core.settings import DATA_DIR, Setting, integer, number, one_of
from chatterbox_api_storage_r2.endpoints import is_local, is_r2, parsed_endpoint

if TYPE_CHECKING:
    from chatterbox_api_storage_r2.connection import Connection

__all__ = ["ALL", "STALE_MAX_S", "connection", "mirror_path", "state"]

_log = logging.getLogger(__name__)

_PLACEHOLDER = re.compile(r"your[-_ ].*|<.*>|\{.*\}|x{3,}|\.{3}|change[-_ ]?me|example|placeholder", re.I)


def _own(expected: str, pattern: str) -> Callable[[str], str]:
    """A value that only its owner can know, empty when unset; the placeholders of guides are refused."""

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
    _own("the name of a bucket", r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"),
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
    "How long the last known voices speak while the bucket is away, in seconds.",
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


def state(env: Mapping[str, str]) -> State:
    """Account or address, key and secret are what sets R2 up; the rest says nothing on its own."""
    missing = [setting.name for setting in (ACCESS_KEY_ID, SECRET_ACCESS_KEY) if not setting.is_set(env)]
    if not ACCOUNT_ID.is_set(env) and not ENDPOINT.is_set(env):
        missing.insert(0, ACCOUNT_ID.name)
    if len(missing) == 3:
        return Absent("R2_ACCOUNT_ID, R2_ACCESS_KEY_ID and R2_SECRET_ACCESS_KEY are not set")
    return Incomplete(tuple(missing)) if missing else Ready()


def connection(env: Mapping[str, str]) -> Connection:
    """What the settings say of the bucket. ConfigurationError."""
    from chatterbox_api_storage_r2.connection import Connection

    bucket = BUCKET_NAME.read(env)
    if ENDPOINT.is_set(env):
        endpoint = _understood(ENDPOINT.read(env), bucket)
    else:
        endpoint = _endpoint(ACCOUNT_ID.read(env), JURISDICTION.read(env))
    REGION.read(env)  # a hint from the day the bucket was made; requests are signed for another region
    return Connection(
        endpoint=endpoint,
        bucket=bucket,
        access_key_id=ACCESS_KEY_ID.read(env),
        secret_access_key=SECRET_ACCESS_KEY.read(env),
        prefix=PREFIX.read(env),
        region=_signing_region(endpoint),
        connect_timeout_s=CONNECT_TIMEOUT_S.read(env),
        read_timeout_s=READ_TIMEOUT_S.read(env),
        read_deadline_s=max(8.0, 2 * READ_TIMEOUT_S.read(env)),
        write_timeout_s=WRITE_TIMEOUT_S.read(env),
        attempts=RETRIES.read(env) + 1,
        write_interval_s=1.0 if is_r2(endpoint) else 0.0,  # the limit is R2's alone
    )


def mirror_path(env: Mapping[str, str], settings: Connection) -> Path:
    """The file of the local mirror: one for each library, named after where that is."""
    from platformdirs import user_data_path

    folder = DATA_DIR.read(env) or user_data_path("chatterbox-api", appauthor=False)
    where = "\n".join((settings.endpoint.rstrip("/"), settings.bucket, settings.prefix.strip("/")))
    return folder / f"r2-mirror-{hashlib.sha256(where.encode()).hexdigest()[:16]}.db"


def _understood(text: str, bucket: str) -> str:
    found = parsed_endpoint(text, bucket=bucket)
    if found.taken_off:
        _log.info(
            "R2_ENDPOINT has the bucket's name in its %s, where it is taken off: %s", found.taken_off, found.address
        )
    if found.address.startswith("http://") and not is_local(found.address):
        _log.warning(
            "clips go to the bucket unencrypted, for everyone on the way to read: R2_ENDPOINT begins with http"
        )
    return found.address


def _endpoint(account_id: str, jurisdiction: str) -> str:
    within = "" if jurisdiction == "none" else f".{jurisdiction}"
    return f"https://{account_id}{within}.r2.cloudflarestorage.com"


def _signing_region(endpoint: str) -> str:
    """R2 signs for `auto`, whatever hint its bucket was made with; others name their region in the address.

    https://developers.cloudflare.com/r2/api/s3/api/#bucket-region
    """
    host = urlsplit(endpoint).hostname or ""
    if is_r2(endpoint):
        return "auto"
    named = re.match(r"s3[.-](?:dualstack\.)?([a-z]+(?:-[a-z0-9]+)+)\.", host)
    return named[1] if named else "us-east-1"
