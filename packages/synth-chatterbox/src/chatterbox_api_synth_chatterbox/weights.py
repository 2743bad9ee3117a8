"""Where a model's files are: in a folder of the user's, in the Hub's cache, or on the Hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chatterbox_api_core.errors import ConfigurationError, Unavailable
from chatterbox_api_synth_chatterbox.models import Model

__all__ = ["cached_folder", "download", "missing_files"]

Progress = Callable[[str], None]
"""Is told, in words, what is being done."""


def missing_files(model: Model, folder: Path) -> tuple[str, ...]:
    """What a folder lacks of a model."""
    alternatives = ((names,) if isinstance(names, str) else names for names in model.files)
    return tuple(names[0] for names in alternatives if not any((folder / name).is_file() for name in names))


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
    """Fetch what the cache lacks of a model, file by file. Raises Unavailable, ConfigurationError."""
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        listed = HfApi().model_info(model.repository, files_metadata=True, timeout=10).siblings or []
        sizes = {file.rfilename: file.size or 0 for file in listed}
        folder = Path()
        wanted = _wanted(model, sizes)
        total, done = max(1, sum(sizes.get(name, 0) for name in wanted)), 0
        for name in wanted:
            report(f"fetching {name}, {sizes.get(name, 0) / 1e6:.0f} MB, {100 * done // total} % done")
            folder = Path(hf_hub_download(model.repository, name)).parent
            done += sizes.get(name, 0)
    except (RepositoryNotFoundError, EntryNotFoundError) as error:
        if isinstance(error, LocalEntryNotFoundError):
            raise _no_network(model, error) from error
        raise ConfigurationError(
            f"{model.repository} on the Hugging Face Hub does not have what {model.title} needs.",
            code="weights_missing",
            remedy="Update chatterbox-tts, or set HF_TOKEN where the repository asks for a login.",
        ) from error
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        raise _no_network(model, error) from error
    missing = missing_files(model, folder)
    if missing:
        raise _no_network(model, FileNotFoundError(", ".join(missing)))
    return folder


def _wanted(model: Model, present: dict[str, int]) -> list[str]:
    needed = [
        names if isinstance(names, str) else next((name for name in names if name in present), names[0])
        for names in model.files
    ]
    return needed + [name for name in model.extra_files if name in present]


def _no_network(model: Model, error: Exception) -> Unavailable:
    return Unavailable(
        f"The weights of {model.title} are not on this machine, and the Hugging Face Hub cannot be reached "
        f"({type(error).__name__}).",
        code="weights_missing",
        remedy="Connect to the network once, or put the files into a folder and name it in CHATTERBOX_MODEL_DIR.",
        retry_after_s=30,
    )
