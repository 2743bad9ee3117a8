"""The row of one case: what its answers, and what was seen beside them, come to."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.serving.cases import Case, Group, OwnTime
from benchmarks.serving.http_client import Answer
from benchmarks.serving.load import Window
from benchmarks.serving.statistics import percentile, playback, throughput

__all__ = ["LISTENER_BUFFER_S", "Beside", "Result", "summary"]

LISTENER_BUFFER_S: Final = 0.1
"""What any player keeps before it begins; a listener without would hear every delay of a millisecond."""
_HEADER_BYTES: Final = {"wav": 44, "wav-24": 80, "wav-float": 80, "mp3": 128, "opus": 200, "ogg": 4200, "webm": 300}
"""About what comes before the first sound, which is no audio yet."""
_DRIVER_LIMIT: Final = 0.8


@dataclass(frozen=True, slots=True)
class Result:
    """One row. Times are in milliseconds; None is what cannot be known of this server or in this case.

    Attributes:
        ceiling_share: of what the engine alone could answer: to so many clients, or in an open loop with all its slots.
        first_ms, whole_ms: median, 95th and 99th percentile from the request to the first byte of audio, to the last.
        added_ms: of the median of `whole_ms`, what the engine and the queue before it do not account for.
        in_time: share of parts of streamed bodies that came before a listener in real time needed them.
        starved: listeners that heard a gap.
        stall_ms, driver_stall_ms: the longest in which the server's, and the driver's, event loop ran nothing.
        late_ms: how late the engine's first sounds were, on average, because the event loop was busy.
        cpu_ms: processor time of the server's processes for each good answer.
        memory_mib: the most that they had in memory.
        driver_cpu: share of one processor that the driver took; where it is high, the driver was the limit.
    """

    server: str
    group: str
    case: str
    audio_format: str
    streaming: bool
    clients: int
    share: float
    own_first_ms: float
    own_ms: float
    answered: int
    refused: int
    failed: int
    per_s: float
    ceiling_share: float
    first_ms: tuple[float, float, float]
    whole_ms: tuple[float, float, float]
    refused_ms: tuple[float, float, float]
    added_ms: float | None
    in_time: float | None
    starved: int
    stall_ms: float | None
    driver_stall_ms: float
    late_ms: float | None
    cpu_ms: float | None
    memory_mib: float | None
    driver_cpu: float

    @property
    def limited_by_driver(self) -> bool:
        return self.driver_cpu > _DRIVER_LIMIT

    def as_json(self) -> dict[str, Any]:
        """The values, with None where a number is not defined, as JSON has no NaN."""

        def plain(value: Any) -> Any:
            if isinstance(value, tuple):
                return [plain(each) for each in value]
            return None if isinstance(value, float) and math.isnan(value) else value

        return {name: plain(value) for name, value in asdict(self).items()} | {
            "limited_by_driver": self.limited_by_driver
        }


@dataclass(frozen=True, slots=True)
class Beside:
    """What happened beside a load.

    Attributes:
        cpu_s, memory_bytes: of the server's processes: processor time, and the most that they had in memory.
        loop_lines: of the log of the server's event loop, the one before the window first.
    """

    driver_cpu: float
    driver_stall_s: float
    cpu_s: float | None = None
    memory_bytes: int = 0
    loop_lines: Sequence[Mapping[str, float]] = ()


def summary(name: str, group: Group, case: Case, own: OwnTime, window: Window, beside: Beside) -> Result:
    """The row of a window."""
    good = [each for each in window.answers if each.status == 200 and each.complete]
    refused = [each for each in window.answers if each.status in (429, 503)]
    at_once = min(case.clients, group.setup.slots)
    per_s = throughput(window.ends_s, seconds=window.ended_s - window.began_s, at_once=at_once)
    whole_ms = _spread([each.ended_s - each.began_s for each in good])
    expected_s = own.whole_s * max(1.0, case.clients / group.setup.slots)
    header = _HEADER_BYTES.get(case.audio_format, 0)
    in_time, starved = _heard(good, own, header) if case.streaming else (None, 0)
    stall_ms, late_ms = _loop(beside.loop_lines)
    return Result(
        server=name,
        group=group.name,
        case=_case_name(case),
        audio_format=case.audio_format,
        streaming=case.streaming,
        clients=case.clients,
        share=case.share,
        own_first_ms=1e3 * own.first_s,
        own_ms=1e3 * own.whole_s,
        answered=window.completed,
        refused=len(refused),
        failed=len(window.answers) - len(good) - len(refused) + window.lost,
        per_s=per_s,
        ceiling_share=per_s * own.whole_s / (at_once or group.setup.slots),
        first_ms=_spread([_first_audio_s(each, header) for each in good]),
        whole_ms=whole_ms,
        refused_ms=_spread([each.ended_s - each.began_s for each in refused]),
        added_ms=whole_ms[0] - 1e3 * expected_s if case.clients and good else None,
        in_time=in_time,
        starved=starved,
        stall_ms=stall_ms,
        driver_stall_ms=1e3 * beside.driver_stall_s,
        late_ms=late_ms,
        cpu_ms=1e3 * beside.cpu_s / window.completed if beside.cpu_s is not None and window.completed else None,
        memory_mib=beside.memory_bytes / 2**20 if beside.memory_bytes else None,
        driver_cpu=beside.driver_cpu,
    )


def _heard(answers: Sequence[Answer], own: OwnTime, header_bytes: int) -> tuple[float | None, int]:
    """The share of parts that came in time, and the listeners that heard a gap."""
    heard = [
        playback(each.arrivals_after(header_bytes), sound_s=own.sound_s, buffer_s=LISTENER_BUFFER_S) for each in answers
    ]
    parts = sum(each.parts for each in heard)
    in_time = sum(each.parts_in_time for each in heard) / parts if parts else None
    return in_time, sum(each.gap_s > 0 for each in heard)


def _loop(lines: Sequence[Mapping[str, float]]) -> tuple[float | None, float | None]:
    """The longest stall of the server's event loop, and how late the engine was on average, in ms."""
    if len(lines) < 2:
        return None, None
    calls = lines[-1]["calls"] - lines[0]["calls"]
    late_ms = 1e3 * (lines[-1]["late_s"] - lines[0]["late_s"]) / calls if calls else None
    return 1e3 * max(line["stall_s"] for line in lines[1:]), late_ms


def _case_name(case: Case) -> str:
    voices = "" if case.voices == "none" else f", {case.voices} voices"
    text = "" if case.text == "short" else f", {case.text} text"
    return f"{case.load}{', streamed' if case.streaming else ''}{text}{voices}"


def _first_audio_s(answer: Answer, header_bytes: int) -> float:
    """To the first byte of audio; where all came in one part, to that part."""
    first_s = answer.first_after(header_bytes)
    return (answer.ended_s if first_s is None else first_s) - answer.began_s


def _spread(seconds: list[float]) -> tuple[float, float, float]:
    if not seconds:
        return math.nan, math.nan, math.nan
    return 1e3 * statistics.median(seconds), 1e3 * percentile(seconds, 0.95), 1e3 * percentile(seconds, 0.99)
