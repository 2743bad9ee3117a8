"""On PYTHONPATH, makes upstream's classes small as soon as they are imported; see `tiny_chatterbox`."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType


class _Shrinking(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        spec = importlib.util.spec_from_file_location("tiny", Path(__file__).parents[1] / "tiny_chatterbox.py")
        assert spec is not None
        assert spec.loader is not None
        tiny = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tiny)
        tiny.shrink()


class _Finder:
    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != "chatterbox":
            return None
        sys.meta_path.remove(cls)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            spec.loader = _Shrinking(name, spec.origin)
        return spec


sys.meta_path.insert(0, _Finder)
