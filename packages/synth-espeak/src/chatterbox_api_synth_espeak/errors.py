"""The exits of workers and the exceptions of espeak-ng and Praat as errors of core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, SynthesisFailed
from chatterbox_api_worker.spec import WorkerExited

__all__ = ["error_from_espeak", "error_from_exit", "error_from_praat", "map_start_errors"]


def error_from_exit(error: WorkerExited) -> SynthesisFailed:
    """The error for a worker that exited during a request, with the worker's reason and code."""
    return SynthesisFailed(str(error), code=error.code)


@contextmanager
def map_start_errors(*, data_path: str) -> Iterator[None]:
    """Raise what keeps a worker from starting as ConfigurationError, which names the data folder where one is set."""
    try:
        yield
    except (ChatterboxError, WorkerExited) as error:
        raise ConfigurationError(
            getattr(error, "message", str(error)),
            field="ESPEAK_DATA_PATH" if data_path else None,
            remedy="See the lines above in the log, or reinstall chatterbox-api-synth-espeak.",
        ) from error


def error_from_espeak(error: Exception) -> tuple[SynthesisFailed, bool]:
    """The error that answers an exception of a speech job. The process can do another job."""
    return SynthesisFailed(f"espeak-ng failed: {type(error).__name__}: {error}."), True


def error_from_praat(error: Exception) -> tuple[SynthesisFailed, bool]:
    """The error that answers an exception of a pitch job. The process can do another job."""
    return SynthesisFailed(f"The clip's pitch cannot be measured: {type(error).__name__}: {error}."), True
