"""The handlers, one module for each part of the API; each handler is given its use cases by their names."""

from __future__ import annotations

from typing import Final

from litestar import HttpMethod

__all__ = ["READ"]

READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
"""The methods of what is read: Litestar's `get` does not answer HEAD."""
