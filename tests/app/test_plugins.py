"""`chatterbox-api plugins`: what is found of each adapter, and how it is shown."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.pilot import installed_pilot
from support.service import clean_environment

from chatterbox_api_core.plugins import WATERMARK_DETECTORS

ON_REQUEST = """\
from chatterbox_api_core.plugins import OnRequest, Plugin


def never(env):
    raise RuntimeError("opened")


plugin = Plugin(settings=(), state=lambda env: OnRequest("it would [fetch] 3 GB"), open=never)
"""

AWAY = """\
from contextlib import asynccontextmanager

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_core.plugins import Plugin, Ready


class Adapter:
    def __init__(self, code):
        self._code = code

    async def ready(self):
        raise Unavailable("It does not answer.", code=self._code, remedy="Start it.")


def plugin(code):
    @asynccontextmanager
    async def open_(env):
        yield Adapter(code)

    return Plugin(settings=(), state=lambda env: Ready(), open=open_)


away, loading = plugin("away"), plugin("engine_loading")
"""


@pytest.mark.parametrize(
    ("name", "state", "detail"),
    [
        ("pilot", "ready", ""),
        ("costly", "on request", "it would [fetch] 3 GB"),
        ("away", "unavailable", "It does not answer. Start it."),
        ("loading", "ready", ""),
        (
            "perth",
            "absent",
            "resemble-perth is not installed: run `hatch run chatterbox:serve`, or `docker/install.sh FOLDER model`",
        ),
    ],
)
def test_each_is_checked_as_far_as_its_state_allows(tmp_path: Path, name: str, state: str, detail: str) -> None:
    """What works on request is not opened: that may be where its price is paid."""
    site = tmp_path / "site"
    settings = installed_pilot(site)
    (site / "costly.py").write_text(ON_REQUEST)
    entries = site / "pilot-1.0.dist-info/entry_points.txt"
    (site / "away.py").write_text(AWAY)
    entries.write_text(f"{entries.read_text()}\ncostly = costly:plugin\naway = away:away\nloading = away:loading\n")
    done = subprocess.run(
        [sys.executable, "-m", "chatterbox_api.probe", WATERMARK_DETECTORS, name],
        cwd=tmp_path,
        env=clean_environment(tmp_path, settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout) == {"state": state, "detail": detail}


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_list_fits_the_width_and_shows_details_as_they_are(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    words = "R2_ACCOUNT_ID, R2_ACCESS_KEY_ID and R2_SECRET_ACCESS_KEY are not set: [red]loudly[/] " * 3
    found = {"group": "synthesizers", "package": "mine", "version": "1", "detail": words}
    findings = [found | {"name": state, "state": state} for state in ("ready", "on request", "broken")]
    command = importlib.import_module("chatterbox_api.cli.plugins")
    monkeypatch.setattr(command, "_check_plugins", lambda env_file: findings)
    shown = CliRunner().invoke(command.plugins, env={"COLUMNS": str(columns)})
    assert shown.exit_code == 0, shown.output
    lines = shown.output.splitlines()
    assert all(len(line) <= columns for line in lines)
    assert lines[0] == "synthesizers"
    assert len(lines) <= 1 + 3 * (1 + len(words) // min(columns, 100) * 2)
    expected = " ".join(f"{each['name']} {each['state']} mine 1 {words}" for each in findings)
    assert " ".join(shown.output.split()) == " ".join(f"synthesizers {expected}".split())
