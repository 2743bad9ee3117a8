"""The engine's real process with jobs that need no model; see `quick_site`."""

from __future__ import annotations

import gc
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

TESTS = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the process takes for the model's."""
    return tmp_path


@pytest.fixture
def environment(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[dict[str, str]]:
    """For the model's process. After the test there is none, no unclosed pipe, and no task whose error nobody saw."""
    sites = [TESTS / "synth_chatterbox/quick_site", TESTS / "support/tiny_site", TESTS.parent / "packages/core/src"]
    sites += [TESTS.parent / "packages/worker/src", TESTS.parent / "packages/synth-chatterbox/src"]
    caplog.set_level(logging.INFO)
    before = {child.pid for child in psutil.Process().children()}
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ResourceWarning)
        yield {"PYTHONPATH": os.pathsep.join(map(str, sites)), "CHATTERBOX_TEST_FAULTS": str(tmp_path)}
        gc.collect(1)
    assert {child.pid for child in psutil.Process().children()} <= before
    assert [str(each.message) for each in seen if issubclass(each.category, ResourceWarning)] == []
    assert [record.getMessage() for record in caplog.get_records("call") if record.name == "asyncio"] == []
