"""What a worker is, how long it may take, and how it was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

__all__ = ["NO_LIMITS", "Cause", "JobLimits", "Timeouts", "WorkerExited", "WorkerSpec"]


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """How a worker is started, and what it is called.

    Attributes:
        module: is run by `python -m`; it calls `serving.serve`.
        name: in messages, after "the": "model process".
        title: in the log, and where the name of the product is meant: "Chatterbox".
        config: what the child is told at its start; anything that JSON can hold.
        environment: variables of the child, beside those of this process.
        inherit: names of the variables of this process that the child gets, with `*` for any ending; None for all. A
            child that strangers may take over should see no secret.
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
    """How long a worker may take for what, in seconds.

    Attributes:
        load_s: the longest silence before it is ready.
        wait_s: for that to end, before a job is refused for now; the loading goes on.
        stall_s: the longest silence during a job.
        ping_s: for an answer to a ping, and for a job to begin where no other is in work.
        cancel_s: for a cancelled job of a pool to stop, before the worker is killed.
        idle_s: without a job before the worker is stopped; 0 is for ever.
        retry_s: before what could not be loaded is tried again.
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
    """What a job may take; a worker that goes beyond is killed, and the caller told at once.

    Attributes:
        deadline_s: from when the worker begins the job; None for ever.
        max_answer_bytes: of all payloads that come back.
    """

    deadline_s: float | None = None
    max_answer_bytes: int = 2**30


NO_LIMITS: Final = JobLimits()


class Cause(Enum):
    """Why a worker is no longer there."""

    CRASHED = "crashed"
    INVALID_FRAME = "invalid frame"
    ANSWER_TOO_LARGE = "answer too large"
    UNRESPONSIVE = "unresponsive"
    DEADLINE = "deadline"
    LOAD_FAILED = "load failed"
    CLOSED = "closed"

    def code(self, prefix: str) -> str:
        """A word for programs: three things can be done about it."""
        if self in (Cause.UNRESPONSIVE, Cause.DEADLINE):
            return f"{prefix}_hung"
        return f"{prefix}_unavailable" if self in (Cause.LOAD_FAILED, Cause.CLOSED) else f"{prefix}_died"


class WorkerExited(Exception):
    """The worker was lost before it had answered.

    Attributes:
        cause: why it was lost.
        code: a word for programs, made by `Cause.code`.
        started: whether it had begun this job, which may be the reason.
        other_started: whether it had begun another job, which may be the reason.
    """

    def __init__(
        self, reason: str, *, cause: Cause, code: str, started: bool = False, other_started: bool = False
    ) -> None:
        super().__init__(reason)
        self.cause, self.code, self.started, self.other_started = cause, code, started, other_started
