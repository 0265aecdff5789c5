"""What was measured lately, from the history that the plugin metrics keeps; without that plugin there is none."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from chatgate.api import Gateway

DAY, WEEK = 86400.0, 7 * 86400.0

Points = list[tuple[float, float]]

_GAP = 3 * 3600.0  # seconds between two samples of a counter, above which nothing can be said of the time between
_SPAN = 6 * 3600.0  # seconds of samples that a forecast needs


def series(gateway: Gateway, name: str, labels: Mapping[str, str] | None = None, seconds: float = DAY) -> Points:
    """A metric over the last so many seconds, as (Unix seconds, value). name: as Prometheus has it."""
    metrics: Any = gateway.hub.plugin("metrics")
    if metrics is None:
        return []
    return [(float(at), float(value)) for at, value in metrics.series(name, labels or {}, time.time() - seconds)]


def rates(gateway: Gateway, name: str, labels: Mapping[str, str] | None = None, seconds: float = DAY) -> Points:
    """How much a counter grew a minute, between each two samples."""
    return growth(series(gateway, name, labels, seconds))


def growth(points: Sequence[tuple[float, float]]) -> Points:
    """A minute. A counter that is less than before began anew."""
    found = []
    for (before, old), (at, new) in zip(points, points[1:], strict=False):
        if 0 < at - before <= _GAP:
            found.append((at, (new - old if new >= old else new) / (at - before) * 60))
    return found


def means(gateway: Gateway, name: str, seconds: float = DAY) -> Points:
    """The mean of what a histogram measured between each two samples."""
    sums = dict(rates(gateway, f"{name}_sum", None, seconds))
    counts = rates(gateway, f"{name}_count", None, seconds)
    return [(at, sums[at] / count) for at, count in counts if count > 0 and at in sums]


def until_zero(points: Sequence[tuple[float, float]]) -> float | None:
    """After how many seconds something is used up that shrinks as it did lately, by the line of least squares; None: it
    does not shrink, or too little is known.
    """
    if len(points) < 3 or points[-1][0] - points[0][0] < _SPAN:
        return None
    mean_at = sum(at for at, _ in points) / len(points)
    mean = sum(value for _, value in points) / len(points)
    square = sum((at - mean_at) ** 2 for at, _ in points)
    slope = sum((at - mean_at) * (value - mean) for at, value in points) / square
    return points[-1][1] / -slope if slope < 0 else None
