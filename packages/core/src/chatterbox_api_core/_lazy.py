"""Names that a package loads when they are first used: asyncio alone takes longer to import than all of core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy_exports"]


def lazy_exports(
    package: str, names: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """A module's `__getattr__`, `__dir__` and `__all__`.

    Args:
        package: the full name of the module that offers the names.
        names: for each module, relative to core, those that it defines.
    """
    home = {name: module for module, defined in names.items() for name in defined}

    def load(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{__package__}.{home[name]}"), name)

    return load, lambda: sorted(home), sorted(home)
