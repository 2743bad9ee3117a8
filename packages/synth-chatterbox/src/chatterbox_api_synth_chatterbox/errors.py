"""The errors of this package's libraries as errors of core: of the worker, and of the Hugging Face Hub."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, SynthesisFailed, Unavailable
from chatterbox_api_synth_chatterbox.models import Model
from chatterbox_api_worker.spec import WorkerExited

__all__ = ["error_from_hub", "hub_unreachable", "map_worker_exit"]

_DISK: Final = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EACCES, errno.EROFS}


@contextmanager
def map_worker_exit() -> Iterator[None]:
    """Raise the exit of the model process as SynthesisFailed with the worker's reason and code."""
    try:
        yield
    except WorkerExited as error:
        raise SynthesisFailed(str(error), code=error.code) from error


def error_from_hub(model: Model, error: Exception) -> ChatterboxError:
    """The error for an exception of a download: ConfigurationError where a retry cannot help, else Unavailable."""
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RepositoryNotFoundError

    absent = isinstance(error, (RepositoryNotFoundError, EntryNotFoundError))
    if absent and not isinstance(error, LocalEntryNotFoundError):
        return ConfigurationError(
            f"{model.repository} on the Hugging Face Hub lacks files that {model.title} needs.",
            code="weights_missing",
            remedy="Update chatterbox-tts, or set HF_TOKEN where the repository requires a login.",
        )
    if isinstance(error, OSError) and error.errno in _DISK:
        return ConfigurationError(
            f"The weights of {model.title} cannot be written to disk: {error.strerror}.",
            code="weights_missing",
            remedy=f"The weights take {model.weights_bytes / 1e9:.1f} GB; HF_HOME sets the folder of the Hub's cache.",
        )
    return hub_unreachable(model, type(error).__name__)


def hub_unreachable(model: Model, reason: str) -> Unavailable:
    """The error for weights that are not on this machine and cannot be downloaded now."""
    return Unavailable(
        f"The weights of {model.title} are not on this machine, and the Hugging Face Hub cannot be reached ({reason}).",
        code="weights_missing",
        remedy="Connect to the network once, or put the files into a folder and set CHATTERBOX_MODEL_DIR to it.",
        retry_after_s=30,
    )
