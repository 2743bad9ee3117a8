"""The results as one SVG: share of the ceiling, and first audio, over the number of clients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from benchmarks.serving.results import Result

__all__ = ["svg"]

_WIDTH: Final = 460
_HEIGHT: Final = 300
_MARGIN: Final = 56
_COLOURS: Final = ("#1b6ca8", "#d1495b", "#2e8b57", "#b8860b", "#6a4c93", "#444444")
_DASHES: Final = ("", "6 3", "2 3", "8 3 2 3")


def svg(results: Sequence[Result], *, caption: str) -> str:
    """A plot of the closed loops of complete bodies; a line for each server, group and format."""
    lines: dict[tuple[str, str, str], list[Result]] = {}
    for each in results:
        if each.clients and each.case == f"{each.clients} clients":
            lines.setdefault((each.server, each.group, each.audio_format), []).append(each)
    shown = {key: sorted(line, key=lambda each: each.clients) for key, line in lines.items() if len(line) > 1}
    height = _HEIGHT + 60 + 16 * len(shown)
    first_ms = [each.first_ms[1] for line in shown.values() for each in line if not math.isnan(each.first_ms[1])]
    top_ms = max([1.0, *first_ms])
    left = _Panel(0, "share of the ceiling", 1.0, "")
    right = _Panel(_WIDTH, "first audio, p95, ms", top_ms, " ms")
    parts = [left.frame(), right.frame()]
    for number, (key, line) in enumerate(shown.items()):
        style = _style(number)
        parts += [
            left.line([(each.clients, each.ceiling_share) for each in line], style),
            right.line([(each.clients, each.first_ms[1]) for each in line], style),
            _key(number, " ".join(key), style),
        ]
    parts.append(f'<text x="{_MARGIN}" y="{height - 8}" font-size="10">{escape(caption)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * _WIDTH} {height}" '
        'font-family="sans-serif" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{"".join(parts)}</svg>\n'
    )


class _Panel:
    """One diagram: clients from 1 to 128 on a logarithmic axis, values from 0 to `top`."""

    def __init__(self, x: int, title: str, top: float, unit: str) -> None:
        self._x, self._title, self._top, self._unit = x, title, top, unit

    def frame(self) -> str:
        parts = [f'<text x="{self._x + _MARGIN}" y="20" font-size="13">{self._title}, by clients</text>\n']
        for clients in (1, 2, 4, 8, 16, 32, 64, 128):
            x, y = self._at(clients, 0)
            parts.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{clients}</text>\n')
        for step in range(5):
            value = self._top * step / 4
            (x, y), (end, _) = self._at(1, value), self._at(128, value)
            parts.append(f'<path d="M{x:.1f} {y:.1f}H{end:.1f}" stroke="#dddddd"/>\n')
            parts.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>\n')
        return "".join(parts)

    def line(self, points: Sequence[tuple[int, float]], style: str) -> str:
        known = [(clients, value) for clients, value in points if not math.isnan(value)]
        places = [self._at(clients, min(value, self._top)) for clients, value in known]
        return f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}" fill="none" {style}/>\n'

    def _at(self, clients: int, value: float) -> tuple[float, float]:
        x = self._x + _MARGIN + math.log2(clients) / 7 * (_WIDTH - 1.5 * _MARGIN)
        return x, _HEIGHT - (value / self._top) * (_HEIGHT - _MARGIN)


def _style(number: int) -> str:
    colour, dash = _COLOURS[number % len(_COLOURS)], _DASHES[number // len(_COLOURS) % len(_DASHES)]
    return f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'


def _key(number: int, name: str, style: str) -> str:
    y = _HEIGHT + 36 + 16 * number
    return f'<path d="M{_MARGIN} {y}h24" {style}/>\n<text x="{_MARGIN + 32}" y="{y + 4}">{escape(name)}</text>\n'
