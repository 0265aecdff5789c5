"""Plots as SVG: no script draws them, and the style sheet gives them the colours of the page."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from gettext import gettext as english
from html import escape
from typing import NamedTuple

_WIDTH, _HEIGHT = 400, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 6, 8, 20  # around the lines
_COLOURS = 6  # lines that have a colour of their own; no plot has more lines
_MOST_POINTS = 200  # of a line: more cannot be told apart


class Line(NamedTuple):
    """values: (Unix seconds, value) in order of time."""

    name: str
    values: Sequence[tuple[float, float]]


def plot(title: str, lines: Sequence[Line], unit: str, now: float, seconds: float) -> str:
    """A figure with the picture and a legend, which tells the last values in words, too."""
    begin = now - seconds
    shown = [
        Line(one.name, _fewer([(at, value) for at, value in one.values if at >= begin and math.isfinite(value)]))
        for one in lines[:_COLOURS]
    ]
    shown = [one for one in shown if one.values]
    if not shown:
        nothing = escape(english("No figures yet."))
        return f'<figure class="plot"><figcaption>{escape(title)}</figcaption><p class="hint">{nothing}</p></figure>'
    top = _round_up(max(value for one in shown for _, value in one.values))

    def x(at: float) -> float:
        return _LEFT + (at - begin) / seconds * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _TOP + (1 - value / top) * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    for value in (0.0, top / 2, top):
        parts.append(f'<path class="grid" d="M{_LEFT} {y(value):.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y(value) + 4:.1f}" text-anchor="end">{_short(value)}</text>')
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        at = begin + share * seconds
        form = "%H:%M" if seconds <= 2 * 86400 else "%d.%m."
        label = time.strftime(form, time.gmtime(at))
        parts.append(f'<text x="{x(at):.1f}" y="{_HEIGHT - 4}" text-anchor="{anchor}">{label}</text>')
    for number, one in enumerate(shown):
        points = " ".join(f"{x(at):.1f},{y(max(0.0, value)):.1f}" for at, value in one.values)
        parts.append(f'<polyline class="line c{number}" points="{points}"/>')
    told = [
        f"{one.name or english('Latest')}: {_short(one.values[-1][1])}{' ' + unit if unit else ''}" for one in shown
    ]
    legend = "".join(f'<li class="c{number}">{escape(text)}</li>' for number, text in enumerate(told))
    return (
        f'<figure class="plot"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
        f"<ul>{legend}</ul></figure>"
    )


def _fewer(values: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The largest of each few, as a peak must not be lost."""
    if len(values) <= _MOST_POINTS:
        return values
    step = math.ceil(len(values) / _MOST_POINTS)
    return [max(values[n : n + step], key=lambda one: one[1]) for n in range(0, len(values), step)]


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20 …, so that the labels are round numbers."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * factor for factor in (1, 2, 5, 10) if value <= unit * factor * 1.0001)


def _short(value: float) -> str:
    for unit, number in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= number:
            return f"{value / number:.3g}{unit}"
    return f"{value:.3g}"
