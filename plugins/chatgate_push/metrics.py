"""Counters, and a histogram of the time from storing a message to the acceptance of its notification."""

from __future__ import annotations

import json
from typing import Any

from chatgate.api import Distribution

# Upper bounds in seconds; one more bucket holds everything that took longer.
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 18000.0)

COUNTERS = {
    "queued": "notifications that had to be sent",
    "coalesced": "new mail that a waiting notification tells of too",
    "dropped": "notifications dropped as too many were waiting",
    "requests": "requests to the service",
    "accepted": "accepted by the service",
    "gone": "tokens the service does not know any more",
    "failed": "requests that failed",
    "given_up": "notifications given up after all retries",
    "pauses": "times the service was left alone for a while",
}


class Metrics:
    """Counted since the database was made: `data` is saved, and `load`ed at the start."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(COUNTERS, 0)
        self.took_seconds = Distribution(BOUNDS)

    def add(self, name: str, count: int = 1) -> None:
        self.counts[name] += count

    def took(self, seconds: float) -> None:
        self.took_seconds.add(seconds)

    def data(self) -> dict[str, Any]:
        """All values. Buckets are not cumulative: each counts what took up to its bound, but over the one before."""
        took = self.took_seconds
        return {
            **self.counts,
            "stored_to_accepted": {"bounds": list(BOUNDS), "buckets": list(took.counts), "sum": took.total},
        }

    def load(self, text: str) -> None:
        """Add the values of a JSON text of `data`; unknown counters and buckets with other bounds are left out."""
        found = json.loads(text)
        for name in COUNTERS:
            self.counts[name] += found.get(name, 0)
        histogram = found.get("stored_to_accepted", {})
        if histogram.get("bounds") == list(BOUNDS):
            loaded = Distribution(BOUNDS)
            loaded.counts, loaded.total = list(histogram["buckets"]), histogram["sum"]
            self.took_seconds = self.took_seconds.joined(loaded)


def within(data: dict[str, Any], share: float) -> float | None:
    """The bound under which at least this share of all notifications was accepted; None: there is none."""
    histogram = data["stored_to_accepted"]
    wanted, found = share * sum(histogram["buckets"]), 0
    for bound, count in zip(histogram["bounds"], histogram["buckets"], strict=False):
        found += count
        if found and found >= wanted:
            return bound
    return None
