"""From a window of answers to a row, and from rows to a table, a plot and figures to compare."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from benchmarks.comparing.figures import comparison_row, figures_of_parts, figures_of_serving, judged
from benchmarks.serving.cases import TEXTS, Case, Group, Setup, groups, quick_groups
from benchmarks.serving.http_client import Answer
from benchmarks.serving.load import Window
from benchmarks.serving.plot import svg
from benchmarks.serving.report import COLUMNS, row, table
from benchmarks.serving.results import Beside, Result, summary
from benchmarks.stub_engine.synthesizer import StubTiming

CASE = Case("wav", streaming=False, clients=4)
GROUP = Group("ladder", "one slot", Setup(timing=StubTiming(sound_s=1.0)), (CASE,))


def answer(began_s: float, whole_s: float, *, status: int = 200, complete: bool = True) -> Answer:
    arrivals = [(began_s + whole_s - 0.01, 44), (began_s + whole_s, 1044)]
    return Answer(began_s, status, arrivals, began_s + whole_s, complete)


def result(answers: list[Answer], *, case: Case = CASE, lost: int = 0, beside: Beside | None = None) -> Result:
    window = Window(0.0, 2.0, [], lost=lost)
    for each in answers:
        window.count(each)
    own = GROUP.setup.own_time(TEXTS[case.text])
    return summary("ours", GROUP, case, own, window, beside or Beside(driver_cpu=0.1, driver_stall_s=0.001))


def test_the_ceiling_and_what_is_added_follow_from_the_engines_own_time() -> None:
    """Four clients share a slot of 50 ms: an answer in 200 ms is the best there can be."""
    found = result([answer(0.1 * number, 0.21) for number in range(20)])
    assert found.own_ms == pytest.approx(50)
    assert found.per_s == pytest.approx(10)
    assert found.ceiling_share == pytest.approx(0.5)
    assert found.added_ms == pytest.approx(10)
    assert found.whole_ms[0] == pytest.approx(210)
    assert found.first_ms[0] == pytest.approx(210), "44 bytes are the header of a wav file, and no audio"


def test_refusals_and_failures_are_no_answers() -> None:
    answers = [answer(0, 0.2), answer(0, 0.02, status=503), answer(0, 0.1, complete=False), answer(0, 9, status=500)]
    found = result(answers, lost=2)
    assert (found.answered, found.refused, found.failed) == (1, 1, 4)
    assert found.whole_ms[2] == pytest.approx(200)
    assert found.refused_ms[2] == pytest.approx(20)


def test_a_listener_who_hears_a_gap_is_counted() -> None:
    case = replace(CASE, streaming=True)
    smooth = Answer(0.0, 200, [(0.05, 500), (0.4, 1000)], 0.4, True)
    gap = Answer(0.0, 200, [(0.05, 500), (0.9, 1000)], 0.9, True)
    found = result([smooth, gap, gap], case=case)
    assert found.in_time == pytest.approx(1 / 3)
    assert found.starved == 2


def test_a_listener_begins_with_the_first_audio_and_not_with_a_header() -> None:
    case = Case("opus", streaming=True, clients=4)
    late = Answer(0.0, 200, [(0.05, 150), (0.4, 1200), (0.85, 2200)], 0.85, True)
    found = result([late], case=case)
    assert found.first_ms[0] == pytest.approx(400)
    assert found.starved == 0


def test_the_event_loops_log_counts_from_its_first_line_on() -> None:
    lines = [
        {"at_s": 0.0, "stall_s": 9.0, "calls": 100, "planned_s": 5.0, "late_s": 1.0},
        {"at_s": 0.25, "stall_s": 0.002, "calls": 105, "planned_s": 5.2, "late_s": 1.01},
        {"at_s": 0.5, "stall_s": 0.007, "calls": 110, "planned_s": 5.5, "late_s": 1.02},
    ]
    beside = Beside(driver_cpu=0.9, driver_stall_s=0.0, cpu_s=0.1, memory_bytes=2**20, loop_lines=lines)
    found = result([answer(0, 0.2), answer(0, 0.2)], beside=beside)
    assert found.stall_ms == pytest.approx(7), "the first line is from before"
    assert found.late_ms == pytest.approx(2)
    assert found.cpu_ms == pytest.approx(50)
    assert found.memory_mib == 1
    assert found.limited_by_driver
    assert "LIMIT" in row(found)[-1]


def test_a_case_without_answers_is_a_row_and_json() -> None:
    found = result([])
    assert found.answered == 0
    assert math.isnan(found.whole_ms[0])
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["whole_ms"] == [None, None, None]
    lines = table("title", [found]).splitlines()
    assert all(line.count("|") == len(COLUMNS) + 1 for line in lines[2:])


def test_the_plot_is_xml_with_a_line_for_each_series() -> None:
    found = [result([answer(0, 0.2)], case=replace(CASE, clients=clients)) for clients in (1, 8, 128)]
    found += [replace(each, server="a <peer>") for each in found]
    drawn = svg(found, caption="2 x <processor>")
    root = ElementTree.fromstring(drawn)
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 4, "two servers in two diagrams"
    assert "a &lt;peer&gt;" in drawn
    assert "nan" not in drawn


def test_own_time_counts_segments_and_cold_voices() -> None:
    setup = Setup(timing=StubTiming(delay_s=0.01, sound_s_per_char=0.1, prepare_s=0.1))
    short, long = setup.own_time(TEXTS["short"]), setup.own_time(TEXTS["long"])
    assert short.whole_s == short.first_s == pytest.approx(0.01)
    assert short.sound_s == pytest.approx(0.1 * len(TEXTS["short"]))
    assert long.first_s == pytest.approx(0.01)
    assert long.whole_s > 5 * short.whole_s
    assert setup.own_time(TEXTS["short"], cold=True).first_s == pytest.approx(0.11)


def test_every_group_can_be_chosen_and_is_bounded() -> None:
    every = list(groups(seconds=4))
    assert len({group.name for group in every}) == len(every)
    for group in [*every, *quick_groups()]:
        assert group.cases
        needed = sum(case.max_count for case in group.cases if case.voices == "cold")
        assert needed <= group.voices, "each voice is cold only once"
        for case in group.cases:
            assert case.seconds <= 10
            assert case.text in TEXTS


def test_figures_have_the_same_names_in_every_run() -> None:
    rows = [each.as_json() for each in (result([answer(0, 0.2)]), result([], case=replace(CASE, clients=8)))]
    figures = figures_of_serving({"results": rows})
    assert figures == {
        "ladder, wav, 4 clients: first audio": pytest.approx(200),
        "ladder, wav, 4 clients: whole": pytest.approx(200),
        "ladder, wav, 4 clients: time for each answer": pytest.approx(2000),
    }
    assert figures_of_parts({"parts": [{"name": "a", "median_s": 0.25}]}) == {"a": 250}


def test_what_one_tree_lacks_is_not_compared() -> None:
    ours = [{"a": 2.0, "b": 1.0, "c": 1.0}] * 5
    theirs = [{"a": 1.0, "b": 1.0}] * 4 + [{"a": 1.0}]
    found = judged(ours, theirs)
    assert list(found) == ["a"]
    assert comparison_row("a", found["a"]) == ["a", "slower", "2", "1", "2.00", "2.00 to 2.00"]
    assert comparison_row("baseline: a turn", found["a"])[1] == "(noise)"
    assert judged([], []) == {}
