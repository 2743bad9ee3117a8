"""Litestar's types, as this package uses them."""

from __future__ import annotations

from typing import Any, TypeAlias

from litestar import Request

__all__ = ["AnyRequest"]

AnyRequest: TypeAlias = Request[Any, Any, Any]
"""A request without a user, an authentication or a typed state: this service has none of them."""
