"""The files of a model: in a folder of the user, in the cache of the Hugging Face Hub, or on the Hub."""

from __future__ import annotations

import importlib
import inspect
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from chatterbox_api_synth_chatterbox.errors import error_from_hub, hub_unreachable
from chatterbox_api_synth_chatterbox.models import Model

__all__ = ["cached_folder", "download", "loaded_files", "missing_files"]

_log = logging.getLogger(__name__)

Progress = Callable[[str], None]
"""Called with a description of the current step."""

_REPORT_EVERY_S: Final = 3.0


def missing_files(model: Model, folder: Path) -> tuple[str, ...]:
    """The names of the files of a model that a folder lacks. Of alternatives, the first is named."""
    alternatives = ((names,) if isinstance(names, str) else names for names in model.files)
    return tuple(names[0] for names in alternatives if not any((folder / name).is_file() for name in names))


def loaded_files(model: Model, folder: Path) -> tuple[Path, ...]:
    """The files that loading reads from a folder with a complete model. The folder may contain others."""
    present = {file.name for file in folder.iterdir() if file.is_file()}
    return tuple(folder / name for name in _wanted(model, present))


def cached_folder(model: Model) -> Path | None:
    """The folder in the Hub's cache that holds the complete model, or None. It uses no network."""
    from huggingface_hub import try_to_load_from_cache

    first = model.files[0]
    found = try_to_load_from_cache(model.repository, first if isinstance(first, str) else first[0])
    if not isinstance(found, str):
        return None
    folder = Path(found).parent
    return None if missing_files(model, folder) else folder


def download(model: Model, report: Progress) -> Path:
    """Download the files that the Hub's cache lacks, one after the other. Returns the folder.

    Args:
        model: the model.
        report: called at the start of each file, and every 3 s during its download.

    Raises:
        Unavailable: the Hub cannot be reached, or a file did not arrive.
        ConfigurationError: the repository lacks a file, or the disk is full or read-only.
    """
    try:
        folder = _download_files(model, report)
    except Exception as error:  # of hub, httpx, requests or xet, by the release
        _log.warning("the weights of %s cannot be downloaded", model.title, exc_info=True)
        raise error_from_hub(model, error) from error
    missing = missing_files(model, folder)
    if missing:
        raise hub_unreachable(model, f"{', '.join(missing)} did not arrive")
    return folder


def _download_files(model: Model, report: Progress) -> Path:
    from huggingface_hub import HfApi, hf_hub_download

    listed = HfApi().model_info(model.repository, files_metadata=True, timeout=10).siblings or []
    sizes = {file.rfilename: file.size or 0 for file in listed}
    wanted = _wanted(model, sizes)
    total, done = max(1, sum(sizes.get(name, 0) for name in wanted)), 0
    reports_bytes = "tqdm_class" in inspect.signature(hf_hub_download).parameters
    folder = Path()
    for name in wanted:
        report(f"downloading {name}, {sizes.get(name, 0) / 1e6:.0f} MB, {100 * done // total} % done")
        extra = {"tqdm_class": _progress_bar(name, done, total, report)} if reports_bytes else {}
        folder = Path(hf_hub_download(model.repository, name, **extra)).parent
        done += sizes.get(name, 0)
    return folder


def _progress_bar(name: str, done: int, total: int, report: Progress) -> type[Any]:
    """The class of a progress bar that draws nothing and reports the received bytes every few seconds."""
    bar: Any = importlib.import_module("tqdm").tqdm

    class ReportingBar(bar):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})
            self.received_bytes = int(kwargs.get("initial") or 0)
            self.reported_s = time.monotonic()

        def update(self, n: float | None = 1) -> None:
            self.received_bytes += int(n or 0)
            if time.monotonic() - self.reported_s >= _REPORT_EVERY_S:
                self.reported_s = time.monotonic()
                percent = min(100, 100 * (done + self.received_bytes) // total)
                report(f"downloading {name}, {self.received_bytes / 1e6:.0f} MB received, {percent} % done")

    return ReportingBar


def _wanted(model: Model, present: Mapping[str, Any] | set[str]) -> list[str]:
    needed = [
        names if isinstance(names, str) else next((name for name in names if name in present), names[0])
        for names in model.files
    ]
    # The required files come last, so that an interrupted download leaves a folder that counts as incomplete.
    return [name for name in model.extra_files if name in present] + needed
