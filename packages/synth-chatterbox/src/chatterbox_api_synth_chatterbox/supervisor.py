"""The service's handle of the model process, or of the watermark process: a worker whose exits are errors of core."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from chatterbox_api_core.errors import ChatterboxError, Unavailable
from chatterbox_api_synth_chatterbox.errors import map_worker_exit
from chatterbox_api_worker.frames import Header, Payload
from chatterbox_api_worker.reply import Result
from chatterbox_api_worker.spec import Timeouts, WorkerSpec
from chatterbox_api_worker.supervisor import Supervisor

__all__ = ["TIMEOUTS", "ModelSupervisor"]

TIMEOUTS: Final = Timeouts(ping_s=30.0)
"""`ping_s` is longer than the default, since a library may keep the thread that answers pings from running."""
_CHECK_S: Final = 2.0
_ENVIRONMENT: Final = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}
"""Variables for the libraries of the process. Without PASSIVE the threads of OpenMP spin while they wait."""


class ModelSupervisor:
    """Does jobs in a model process, which it starts with the first job. Make it in a running event loop; `close` it.

        process = ModelSupervisor({"role": "watermark"}, title="Perth")
        answer, payload = await process.run({"do": "detect", "sample_rate_hz": 24_000}, samples)
        await process.close()

    Args:
        config: the configuration that `child.main.load` gets.
        title: the name of the model in messages and in the log.
        timeouts: how long each step of the process may take.
        environment: environment variables of the process, in addition to those of this process.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        title: str,
        timeouts: Timeouts = TIMEOUTS,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        spec = WorkerSpec(
            module="chatterbox_api_synth_chatterbox.child.main",
            name="model process",
            title=title,
            config=config,
            environment={**_ENVIRONMENT, **os.environ, **(environment or {})},
            code_prefix="engine",
        )
        self._worker = Supervisor(spec, timeouts=timeouts)

    @property
    def pid(self) -> int | None:
        """The id of the process; None while there is none."""
        return self._worker.pid

    @property
    def worker(self) -> Supervisor:
        """The supervisor of the process, for what it tells of its state."""
        return self._worker

    @property
    def load_failure(self) -> ChatterboxError | None:
        """The error of the last load; None once the next job would try again."""
        return self._worker.load_failure

    async def run(self, header: Header, payload: Payload = b"") -> Result:
        """Do one job and return its answer. Cancelling it returns at once and ends the job at its next checkpoint.

        Args:
            header: "do" names the job; the rest belongs to the job.
            payload: bytes for the job.

        Raises:
            SynthesisFailed: the job failed or hung, or the process exited during it.
            Unavailable: the model cannot be loaded now, or loading takes longer than `wait_s`.
            ConfigurationError: the model cannot be loaded until something is changed.
            ChatterboxError: what the job raises.
        """
        with map_worker_exit():
            return await self._worker.run(header, payload)

    async def load(self) -> None:
        """Start the process and wait until the model is loaded. Raises what loading raises, as `run` does."""
        await self._worker.start()

    async def check(self) -> None:
        """Return if a job could be done now. A process that does not respond is replaced.

        No process is started for this.

        Raises:
            Unavailable: the last load failed, loading takes longer than `wait_s`, or the process does not respond.
        """
        if (reason := self._worker.load_failure or self._worker.slow_load) is not None:
            if isinstance(reason, Unavailable):
                raise reason
            raise Unavailable(
                reason.message, code=reason.code, field=reason.field, remedy=reason.remedy, retry_after_s=10
            ) from reason
        if self._worker.usable:
            await self._worker.check(within_s=_CHECK_S)

    async def close(self) -> None:
        """End the process, whatever it is doing. Jobs that run or wait fail. Takes at most 5 s."""
        await self._worker.close()
