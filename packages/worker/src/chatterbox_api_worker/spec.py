"""How a worker is started, how long it may take, and why it exited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

__all__ = ["NO_LIMITS", "Cause", "JobLimits", "Timeouts", "WorkerExited", "WorkerSpec"]


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """How a worker is started and what messages call it.

    Attributes:
        module: the module that `python -m` runs; it calls `serving.serve`.
        name: the process in messages, without an article: "model process".
        title: the product in messages and in the log: "Chatterbox".
        config: the configuration that the worker's `load` gets; JSON must be able to hold it.
        environment: environment variables of the worker, in addition to those that it inherits.
        inherit: patterns of the environment variables that the worker inherits, such as `LC_*`; None means all. A
            worker that reads files of strangers should inherit no secret.
        code_prefix: begins the codes of errors: "engine" makes `engine_died`, `engine_hung`, `engine_unavailable`.
    """

    module: str
    name: str
    title: str
    config: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    inherit: tuple[str, ...] | None = None
    code_prefix: str = "worker"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a worker may take for each step, in seconds.

    Attributes:
        load_s: the longest silence while the worker loads.
        wait_s: how long a job waits for loading to end before it is refused. The loading goes on.
        stall_s: the longest silence during a job.
        ping_s: the time for an answer to a ping, and for a job to start where no other runs.
        cancel_s: the time for a cancelled job of a pool to stop; then the worker is killed.
        idle_s: the time without a job after which the worker is stopped; 0 means never.
        retry_s: the time after a failed load before the next attempt.
    """

    load_s: float = 300.0
    wait_s: float = 60.0
    stall_s: float = 120.0
    ping_s: float = 5.0
    cancel_s: float = 0.5
    idle_s: float = 0.0
    retry_s: float = 10.0


@dataclass(frozen=True, slots=True)
class JobLimits:
    """The limits of one job. A worker that exceeds one is killed, and the caller gets WorkerExited at once.

    Attributes:
        deadline_s: the longest duration, counted from the start of the job in the worker; None means no limit.
        max_answer_bytes: the most bytes of all payloads of the answer together.
    """

    deadline_s: float | None = None
    max_answer_bytes: int = 2**30


NO_LIMITS: Final = JobLimits()
"""No deadline, and answers of up to 1 GiB."""


class Cause(Enum):
    """Why a worker exited or was killed."""

    CRASHED = "crashed"
    INVALID_FRAME = "invalid frame"
    ANSWER_TOO_LARGE = "answer too large"
    UNRESPONSIVE = "unresponsive"
    DEADLINE = "deadline"
    LOAD_FAILED = "load failed"
    CLOSED = "closed"

    def code(self, prefix: str) -> str:
        """The code of the error: `_hung`, `_unavailable` or `_died` after the prefix."""
        if self in (Cause.UNRESPONSIVE, Cause.DEADLINE):
            return f"{prefix}_hung"
        return f"{prefix}_unavailable" if self in (Cause.LOAD_FAILED, Cause.CLOSED) else f"{prefix}_died"


class WorkerExited(Exception):
    """The worker exited before it had answered. It is an error between this package and its callers, never core's.

    Attributes:
        cause: why it exited.
        code: the code for an error of core, made by `Cause.code`.
        started: whether this job was running. The job may then be the reason.
        other_started: whether another job was running. That job may then be the reason.
    """

    def __init__(
        self, reason: str, *, cause: Cause, code: str, started: bool = False, other_started: bool = False
    ) -> None:
        super().__init__(reason)
        self.cause, self.code, self.started, self.other_started = cause, code, started, other_started
