"""The example of the README does what is said there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "packages" / "worker" / "README.md"


def test_the_example_runs(tmp_path: Path) -> None:
    examples = re.findall(r"```python\n(# (\w+\.py).*?)```", README.read_text("utf-8"), re.DOTALL)
    assert [name for _, name in examples] == ["greeter.py", "parent.py"]
    for text, name in examples:
        (tmp_path / name).write_text(text, "utf-8")
    done = subprocess.run(
        [sys.executable, "parent.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("Hello, Anna.\n", "")
