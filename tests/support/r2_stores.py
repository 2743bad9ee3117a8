"""R2Store over a server of the tests, each test in a library of its own."""

from __future__ import annotations

import secrets
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from chatterbox_api_storage_r2.reader import Freshness
from chatterbox_api_storage_r2.settings import Connection
from chatterbox_api_storage_r2.store import R2Store
from support.s3_servers import S3Server

__all__ = ["connection_to", "new_prefix", "open_store"]


def new_prefix() -> str:
    return f"test-{secrets.token_hex(6)}"


def connection_to(server: S3Server, *, prefix: str, url: str | None = None, **changes: Any) -> Connection:
    """The connection, straight or by way of a proxy at `url`; without R2's limit of one write a second."""
    settings: dict[str, Any] = {
        "endpoint": url or server.url,
        "bucket": server.bucket,
        "prefix": prefix,
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
        "write_interval_s": 0.0,
    }
    return Connection(**(settings | changes))


def open_store(
    server: S3Server,
    *,
    prefix: str,
    mirror_path: Path | None = None,
    url: str | None = None,
    fresh_s: float = 30.0,
    stale_max_s: float = 3600.0,
    **options: Any,
) -> AbstractAsyncContextManager[R2Store]:
    """A store on it; `options` are those of `R2Store.open`."""
    connection = connection_to(server, prefix=prefix, url=url)
    freshness = Freshness(fresh_s=fresh_s, stale_max_s=stale_max_s)
    return R2Store.open(connection, mirror_path=mirror_path, freshness=freshness, **options)
