"""What has been acknowledged survives the writer's end by SIGKILL, and what it left behind is swept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.s3_servers import S3Server, moto

LONG = os.environ.get("CHATTERBOX_LONG_TESTS") == "1"
KILLS = 200 if LONG else 12


@pytest.mark.skipif(not hasattr(os, "fork"), reason="writers are forked")
def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    with moto() as server:
        done = run(server, tmp_path, seed=time.time_ns())
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    print(counts)
    assert counts["rounds"] == KILLS
    assert counts["acknowledged"] > KILLS, "the writers were killed before they wrote"
    assert counts["unknown"] > 0, "no kill met a write"
    assert counts["left_over"] > 0, "no kill left a clip to sweep"


def run(server: S3Server, folder: Path, *, seed: int) -> subprocess.CompletedProcess[str]:
    script = Path(__file__).with_name("kill_rounds.py")
    path = os.pathsep.join([str(script.parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, script, server.url, server.bucket, folder, str(KILLS), str(seed)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )
