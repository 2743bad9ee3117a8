"""`python -m chatterbox_api` is `chatterbox-api`."""

from __future__ import annotations

from chatterbox_api.cli import main

main()
