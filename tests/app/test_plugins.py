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


@pytest.mark.parametrize(
    ("name", "state", "detail"),
    [
        ("pilot", "ready", ""),
        ("costly", "on request", "it would [fetch] 3 GB"),
        ("perth", "absent", 'resemble-perth is not installed: pip install "chatterbox-api[model]"'),
    ],
)
def test_each_is_checked_as_far_as_its_state_allows(tmp_path: Path, name: str, state: str, detail: str) -> None:
    """What works on request is not opened: that may be where its price is paid."""
    site = tmp_path / "site"
    settings = installed_pilot(site)
    (site / "costly.py").write_text(ON_REQUEST)
    entries = site / "pilot-1.0.dist-info/entry_points.txt"
    entries.write_text(f"{entries.read_text()}\ncostly = costly:plugin\n")
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


def test_the_table_shows_details_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    words = 'pip install "chatterbox-api[model]" [red]loudly[/]'
    found = {"group": "synthesizers", "package": "mine", "version": "1", "detail": words}
    findings = [found | {"name": state, "state": state} for state in ("ready", "on request", "broken")]
    command = importlib.import_module("chatterbox_api.cli.plugins")
    monkeypatch.setattr(command, "_check_plugins", lambda env_file: findings)
    shown = CliRunner().invoke(command.plugins, env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    _, *rows = shown.output.splitlines()
    assert len(rows) == 3
    for row, finding in zip(rows, findings, strict=True):
        assert row.split()[:1] == ["synthesizers"]
        assert finding["state"] in row
        assert row.rstrip().endswith(words)
