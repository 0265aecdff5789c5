"""What was measured lately, from the history that the plugin metrics keeps; without that plugin there is none."""

from __future__ import annotations

import time
from typing import Any

from chatgate.api import Gateway

DAY, WEEK = 86400.0, 7 * 86400.0

Points = list[tuple[float, float]]


class History:
    """Over the last so many seconds; all as (Unix seconds, value), in order of time. Names are those of Prometheus."""

    def __init__(self, gateway: Gateway, seconds: float) -> None:
        self.seconds = seconds
        self._metrics: Any = gateway.hub.plugin("metrics")
        self._since = time.time() - seconds

    def __bool__(self) -> bool:
        """Is there any?"""
        return self._metrics is not None

    def values(self, name: str) -> Points:
        """Of a gauge."""
        return list(self._metrics.series(name, {}, self._since)) if self else []

    def rates(self, name: str, **labels: str) -> Points:
        """How much a counter grew a minute."""
        return [(at, rate * 60) for at, rate in self._metrics.rates(name, labels, self._since)] if self else []

    def means(self, name: str) -> Points:
        """The mean of what a histogram measured, between each two samples."""
        sums = dict(self.rates(f"{name}_sum"))
        return [(at, sums[at] / count) for at, count in self.rates(f"{name}_count") if count > 0 and at in sums]
