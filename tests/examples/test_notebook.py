"""The notebook runs from top to bottom, shows its sounds, and is kept without outputs."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from chatterbox_api_core.reference import WavReader
from chatterbox_api_core.types import ClipLimits


async def test_speaks_and_shows_it(examples: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(examples / "notebook.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    await NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).async_execute()
    shown = [output.data["text/html"] for cell in code for output in cell.outputs if output.get("data")]
    assert len(shown) == 2
    for html in shown:
        assert "<audio" in html
        sound = b64decode(html.partition("base64,")[2].partition('"')[0])
        assert WavReader().decode(sound, limits=ClipLimits(min_duration_s=0)).pcm.duration_s > 1
