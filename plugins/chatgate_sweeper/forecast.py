"""When the disk will be full, if it goes on as in the last days."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from chatgate.api import Gateway

_LOOKED_BACK = 3 * 86400.0  # seconds: a day's mail comes by day, and sweeps remove the mail of a day
_LEAST = 6 * 3600.0  # seconds of history without which nothing is said
_FRESH = 600.0  # seconds for which a forecast is good
_NAME = "chatgate_maildb_free_bytes"


class Forecast:
    """gateway: whose plugin metrics, if it is there, has the history. clock: Unix seconds."""

    def __init__(self, gateway: Gateway, clock: Callable[[], float] = time.time) -> None:
        self._gateway, self._clock = gateway, clock
        self._made, self._at = 0.0, 0.0

    def full_at(self, octets: int, days: float) -> float:
        """Unix seconds at which no more than these octets will be free, if that is within so many days; else 0."""
        now, steady = self._clock(), time.monotonic()
        if not self._made or steady - self._made > _FRESH:
            metrics = self._gateway.hub.plugin("metrics")
            points = metrics.series(_NAME, since=now - _LOOKED_BACK) if metrics is not None else []
            self._made, self._at = steady, reaches(points, octets, now)
        return self._at if 0 < self._at <= now + days * 86400 else 0.0


def reaches(points: Sequence[tuple[float, float]], level: float, now: float) -> float:
    """Unix seconds at which what falls comes down to this level, along a straight line through the points; 0 if it does
    not fall, or if that cannot be told. points: (Unix seconds, value).
    """
    points = [(at, value) for at, value in points if now - _LOOKED_BACK <= at <= now]
    if len(points) < 3 or points[-1][0] - points[0][0] < _LEAST:
        return 0.0
    count = len(points)
    middle, mean = sum(at for at, _ in points) / count, sum(value for _, value in points) / count
    spread = sum((at - middle) ** 2 for at, _ in points)
    slope = sum((at - middle) * (value - mean) for at, value in points) / spread
    left = points[-1][1] - level
    return now + left / -slope if slope < 0 < left else 0.0
