"""What of this folder is part of the quick tests.

Some of it waits, for limits, for freshness, for processes that start and are killed. `hatch run r2:test` runs all of it
on Cloudflare's own local R2, and so does `CHATTERBOX_LONG_TESTS=1 hatch test tests/storage_r2` on moto.
"""

from __future__ import annotations

import os

from support.s3_servers import local_r2

SLOW = ["test_crash.py", "test_every_request.py", "test_faults.py", "test_service.py"]

collect_ignore = [] if local_r2() is not None or os.environ.get("CHATTERBOX_LONG_TESTS") else SLOW
