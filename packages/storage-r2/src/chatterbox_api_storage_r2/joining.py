"""Which library is in the bucket: `library.json` says so, and is written by whoever comes first.

It keeps a mirror from being taken for a copy of another library, and an emptied or exchanged bucket from being taken
for one whose voices have all been removed.
"""

from __future__ import annotations

import secrets

from chatterbox_api_core.errors import StorageFailed
from chatterbox_api_storage_r2.bucket import Bucket
from chatterbox_api_storage_r2.documents import Lost, read, write
from chatterbox_api_storage_r2.records import LIBRARY

__all__ = ["library_in"]


async def library_in(bucket: Bucket) -> str:
    """The id of the library; a new one where there is none. Unavailable, StorageFailed."""
    document = await read(bucket, LIBRARY)
    if document is None:
        try:
            document = await write(bucket, LIBRARY, {"library": secrets.token_hex(16)}, over=None)
        except Lost as lost:  # another server was first
            document = lost.found
    if document is None or not isinstance(document.body.get("library"), str):
        raise StorageFailed(
            f"The object {LIBRARY} in the bucket is damaged.",
            code="storage_damaged",
            remedy="Remove the object; the library gets a new one at the next start.",
        )
    return str(document.body["library"])
