"""The program of the model's process: `python -m chatterbox_api_synth_chatterbox.child.main CONFIG`, a worker.

The model has a process of its own for three reasons. It can hang, fill the memory or leave its device unusable, and
only a process can be ended then. What it held is free once the process has exited. And it computes without holding up
the service.
"""

from __future__ import annotations

from chatterbox_api_synth_chatterbox.child.errors import error_from_exception
from chatterbox_api_worker.frames import Header
from chatterbox_api_worker.serving import Job, Progress, serve

__all__ = ["load"]


def load(config: Header, report: Progress) -> dict[str, Job]:
    """The jobs of the role that the configuration names: "watermark" or "speech".

    Raises:
        ConfigurationError, Unavailable: the model of that role cannot be loaded.
    """
    if config["role"] == "watermark":
        from chatterbox_api_synth_chatterbox.child.watermark_jobs import load as load_jobs
    else:
        from chatterbox_api_synth_chatterbox.child.speech_jobs import load as load_jobs
    return load_jobs(config, report)


if __name__ == "__main__":
    serve(load, on_failure=error_from_exception)
