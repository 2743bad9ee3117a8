"""Where a model's files are: in a folder of the user's, in the Hub's cache, or on the Hub."""

from __future__ import annotations

import errno
import importlib
import inspect
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, Unavailable
from chatterbox_api_synth_chatterbox.models import Model

__all__ = ["cached_folder", "download", "loaded_files", "missing_files"]

_log = logging.getLogger(__name__)

Progress = Callable[[str], None]
"""Is told, in words, what is being done."""

_TELL_EVERY_S: Final = 3.0
_DISK: Final = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EACCES, errno.EROFS}


def missing_files(model: Model, folder: Path) -> tuple[str, ...]:
    """What a folder lacks of a model."""
    alternatives = ((names,) if isinstance(names, str) else names for names in model.files)
    return tuple(names[0] for names in alternatives if not any((folder / name).is_file() for name in names))


def loaded_files(model: Model, folder: Path) -> tuple[Path, ...]:
    """What would be read of a folder that has a whole model; others may lie beside it."""
    present = {file.name for file in folder.iterdir() if file.is_file()}
    return tuple(folder / name for name in _wanted(model, present))


def cached_folder(model: Model) -> Path | None:
    """The folder of the Hub's cache that holds the whole model; None where it does not. Asks no network."""
    from huggingface_hub import try_to_load_from_cache

    first = model.files[0]
    found = try_to_load_from_cache(model.repository, first if isinstance(first, str) else first[0])
    if not isinstance(found, str):
        return None
    folder = Path(found).parent
    return None if missing_files(model, folder) else folder


def download(model: Model, report: Progress) -> Path:
    """Fetch what the cache lacks of a model, file by file. Raises Unavailable, ConfigurationError.

    Args:
        report: told at each file's start, and every few seconds while its bytes come.
    """
    try:
        folder = _fetched(model, report)
    except Exception as error:  # of hub, httpx, requests or xet, by the release
        _log.warning("the weights of %s cannot be fetched", model.title, exc_info=True)
        raise _as_ours(model, error) from error
    missing = missing_files(model, folder)
    if missing:
        raise _unreachable(model, f"{', '.join(missing)} did not come")
    return folder


def _fetched(model: Model, report: Progress) -> Path:
    from huggingface_hub import HfApi, hf_hub_download

    listed = HfApi().model_info(model.repository, files_metadata=True, timeout=10).siblings or []
    sizes = {file.rfilename: file.size or 0 for file in listed}
    wanted = _wanted(model, sizes)
    total, done = max(1, sum(sizes.get(name, 0) for name in wanted)), 0
    tells_bytes = "tqdm_class" in inspect.signature(hf_hub_download).parameters
    folder = Path()
    for name in wanted:
        report(f"fetching {name}, {sizes.get(name, 0) / 1e6:.0f} MB, {100 * done // total} % done")
        telling = {"tqdm_class": _teller(name, done, total, report)} if tells_bytes else {}
        folder = Path(hf_hub_download(model.repository, name, **telling)).parent
        done += sizes.get(name, 0)
    return folder


def _teller(name: str, done: int, total: int, report: Progress) -> type[Any]:
    """The class of a progress bar that draws nothing and tells of bytes every few seconds."""
    bar: Any = importlib.import_module("tqdm").tqdm

    class Teller(bar):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})
            self.come = int(kwargs.get("initial") or 0)
            self.told_s = time.monotonic()

        def update(self, n: float | None = 1) -> None:
            self.come += int(n or 0)
            if time.monotonic() - self.told_s >= _TELL_EVERY_S:
                self.told_s = time.monotonic()
                percent = min(100, 100 * (done + self.come) // total)
                report(f"fetching {name}, {self.come / 1e6:.0f} MB have come, {percent} % done")

    return Teller


def _wanted(model: Model, present: Mapping[str, Any] | set[str]) -> list[str]:
    needed = [
        names if isinstance(names, str) else next((name for name in names if name in present), names[0])
        for names in model.files
    ]
    # The needed ones last: a download that is broken off leaves a folder that does not count as whole.
    return [name for name in model.extra_files if name in present] + needed


def _as_ours(model: Model, error: Exception) -> ChatterboxError:
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RepositoryNotFoundError

    absent = isinstance(error, (RepositoryNotFoundError, EntryNotFoundError))
    if absent and not isinstance(error, LocalEntryNotFoundError):
        return ConfigurationError(
            f"{model.repository} on the Hugging Face Hub does not have what {model.title} needs.",
            code="weights_missing",
            remedy="Update chatterbox-tts, or set HF_TOKEN where the repository asks for a login.",
        )
    if isinstance(error, OSError) and error.errno in _DISK:
        return ConfigurationError(
            f"The weights of {model.title} cannot be written to disk: {error.strerror}.",
            code="weights_missing",
            remedy=f"It takes {model.weights_bytes / 1e9:.1f} GB; HF_HOME says where the Hub's cache is.",
        )
    return _unreachable(model, type(error).__name__)


def _unreachable(model: Model, why: str) -> Unavailable:
    return Unavailable(
        f"The weights of {model.title} are not on this machine, and the Hugging Face Hub cannot be reached ({why}).",
        code="weights_missing",
        remedy="Connect to the network once, or put the files into a folder and name it in CHATTERBOX_MODEL_DIR.",
        retry_after_s=30,
    )
