"""The process of the model, or of the watermark, seen from the service: a worker whose losses are errors of core."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from chatterbox_api_core.errors import ChatterboxError, SynthesisFailed, Unavailable
from chatterbox_api_worker.frames import Header, Payload
from chatterbox_api_worker.reply import Result
from chatterbox_api_worker.spec import Timeouts, WorkerExited, WorkerSpec
from chatterbox_api_worker.supervisor import Supervisor

__all__ = ["TIMEOUTS", "ModelSupervisor"]

TIMEOUTS: Final = Timeouts(ping_s=30.0)
"""A ping takes longer than elsewhere: a library may keep the other threads of its process from running for a while."""
_CHECK_S: Final = 2.0
_ENVIRONMENT: Final = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}
"""What the child's libraries read; OpenMP's threads spin while they wait otherwise, and take the service's cores."""


class ModelSupervisor:
    """See the module. Made in a running event loop; `close` it.

    Args:
        config: what the child is told at its start.
        title: what the log calls it.
        environment: for the child, beside that of this process.
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
            module="chatterbox_api_synth_chatterbox.child",
            name="model process",
            title=title,
            config=config,
            environment={**_ENVIRONMENT, **os.environ, **(environment or {})},
            code_prefix="engine",
        )
        self._worker = Supervisor(spec, timeouts=timeouts)

    @property
    def pid(self) -> int | None:
        """Of the child, while there is one."""
        return self._worker.pid

    @property
    def load_failure(self) -> ChatterboxError | None:
        """Why the model cannot be had; None again when the next request would try."""
        return self._worker.load_failure

    async def run(self, header: Header, payload: Payload = b"") -> Result:
        """Have one job done. Cancelling it stops the job at its next step, and returns at once.

        Raises:
            SynthesisFailed: the job failed, hung, or took the process down with it.
            Unavailable, ConfigurationError: the model cannot be loaded, or not soon.
            ChatterboxError: what the job itself raises.
        """
        try:
            return await self._worker.run(header, payload)
        except WorkerExited as error:
            raise SynthesisFailed(str(error), code=error.code) from error

    async def load(self) -> None:
        """Have the model in memory. Raises as `run` does."""
        await self._worker.start()

    async def check(self) -> None:
        """Return where a job could be done. A process that does not respond is replaced; none is started for this.

        Raises:
            Unavailable: the model cannot be loaded, or has been loading for long, or its process does not respond.
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
        """End the child, whatever it is doing. Takes 5 s at the most."""
        await self._worker.close()
