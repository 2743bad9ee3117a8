"""What the service adds to an engine whose own time is known, at many loads.

    hatch run bench:serve [--quick] [--groups ladder open ...] [--seconds 4] [--json FILE] [--svg FILE]
                          [--against http://127.0.0.1:8004=NAME ...]

Starts the service by its command line with the stub engine and drives it over loopback from this process. Another
server with an OpenAI-compatible `POST /v1/audio/speech` can be measured beside it in the same run, by its URL; its
engine must be set up as the group says: one slot that takes 50 ms for 4.7 s of sound.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.serving.cases import Group, groups, quick_groups
from benchmarks.serving.http_client import Connection, json_request
from benchmarks.serving.machine import machine, machine_line
from benchmarks.serving.measure import measured
from benchmarks.serving.plot import svg
from benchmarks.serving.report import legend, table
from benchmarks.serving.results import Result
from benchmarks.serving.server import Server, health, running
from benchmarks.serving.statistics import percentile
from benchmarks.serving.voices import add_voices

_IDLE_S: Final = 15.0
_PROBES: Final = 100


def main() -> None:
    arguments = _arguments()
    deadline_s = time.monotonic() + 60 * arguments.max_minutes
    others = [Server.at(url, name or url) for url, _, name in (each.partition("=") for each in arguments.against)]
    wanted = list(quick_groups() if arguments.quick else groups(seconds=arguments.seconds))
    if arguments.groups:
        wanted = [each for each in wanted if each.name in arguments.groups]
    here = machine()
    print(machine_line(here), flush=True)
    results: list[Result] = []
    baselines: list[dict[str, Any]] = []
    for group in wanted:
        found = asyncio.run(_group(group, others, deadline_s, baselines))
        results += found
        print("\n" + table(f"{group.name}: {group.about}", found), flush=True)
    print("\n" + "\n".join(f"{each['server']}: GET /health {each['health_ms']:.2f} ms" for each in baselines))
    print(legend())
    if arguments.json:
        values = {"machine": here, "baselines": baselines, "results": [each.as_json() for each in results]}
        arguments.json.write_text(json.dumps(values, indent=1) + "\n")
    if arguments.svg:
        arguments.svg.write_text(svg(results, caption=machine_line(here)))


async def _group(
    group: Group, others: list[Server], deadline_s: float, baselines: list[dict[str, Any]]
) -> list[Result]:
    """Our server through its cases, each beside the other servers. Voices are added, and the server started again."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        voices: list[str] = []
        if group.voices:
            with running(group.setup.environment(), Path(folder)) as ours:
                voices = await add_voices(ours, group.voices)
        with running(group.setup.environment(), Path(folder)) as ours:
            servers = [ours, *(others if group.for_others else ())]
            baselines += [{"server": each.name, "health_ms": await _health_ms(each)} for each in servers]
            used = 0
            for case in group.cases:
                for server in servers:
                    if time.monotonic() > deadline_s:
                        print(f"{group.name}: the time is up, the rest is left out", flush=True)
                        return results
                    results.append(await measured(server, group, case, voices=voices[used:]))
                    await _until_idle(server)
                used += case.max_count if case.voices == "cold" else 0
    return results


async def _health_ms(server: Server) -> float:
    """The median of a request without any work: the baseline of client, server and machine."""
    connection, request = Connection(server.address), json_request(server.address, "/health")
    taken = []
    for _ in range(_PROBES):
        answer = await connection.send(request)
        taken.append(1e3 * (answer.ended_s - answer.began_s))
    connection.close()
    return percentile(taken, 0.5)


async def _until_idle(server: Server) -> None:
    """Those whose clients have left must not be in the way of the next case."""
    deadline_s = time.monotonic() + _IDLE_S
    while server.loop_log and time.monotonic() < deadline_s:
        requests = (await asyncio.to_thread(health, server))["requests"]
        if not requests["running"] and not requests["waiting"]:
            return
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a look at everything in a few seconds")
    parser.add_argument("--groups", nargs="+", metavar="NAME", help="only these groups")
    parser.add_argument("--seconds", type=float, default=4.0, help="the window of a case")
    parser.add_argument("--max-minutes", type=float, default=20.0, help="no case begins later")
    parser.add_argument("--against", nargs="+", default=[], metavar="URL=NAME", help="another server, in the same run")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--svg", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
