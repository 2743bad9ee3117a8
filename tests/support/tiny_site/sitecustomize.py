"""On PYTHONPATH, makes upstream's classes small as soon as they are imported, and plants faults in the engine.

See `tiny_chatterbox` and `faults`.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any


class _Shrinking(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        spec = importlib.util.spec_from_file_location("tiny", Path(__file__).parents[1] / "tiny_chatterbox.py")
        assert spec is not None
        assert spec.loader is not None
        tiny = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tiny)
        tiny.shrink()


class _Faulty(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        speak, planted = module.Engine.speak, importlib.import_module("faults").planted

        def faulty(engine: Any, request: Any, voice: bytes | None, checkpoint: Callable[[], None]) -> Any:
            return speak(engine, request, voice, planted(request.text, checkpoint))

        module.Engine.speak = faulty


_LOADERS = {"chatterbox": _Shrinking, "chatterbox_api_synth_chatterbox.child.engine": _Faulty}


class _Finder:
    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name not in _LOADERS:
            return None
        loader = _LOADERS.pop(name)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            spec.loader = loader(name, spec.origin)
        return spec


sys.meta_path.insert(0, _Finder)
