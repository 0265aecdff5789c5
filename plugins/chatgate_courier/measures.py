"""What the courier counts and measures: the queue by age, what became of mail, and the servers that are left alone."""

from __future__ import annotations

import time
from collections.abc import Callable

from chatgate.api import Counter, Gateway, Metric, give_turn
from chatgate_courier.sending.handing import Handing, Ways
from chatgate_courier.transport import Transports

# Seconds for which an answer about the queue is kept, and rows that are read for one at most.
_KEPT = 30.0
_MOST, _AT_ONCE = 5000, 500
_AGES = (("minute", 60.0), ("hour", 3600.0), ("day", 86400.0))


class Measures:
    """clock: Unix seconds."""

    def __init__(self, gateway: Gateway, clock: Callable[[], float]) -> None:
        self._gateway, self._clock = gateway, clock
        self._looked = -_KEPT
        self._ages: dict[tuple[str], int] = {}
        self._oldest = 0.0

    def metrics(self, handing: Handing, ways: Ways) -> list[Metric]:
        """Raises StoreError."""
        if time.monotonic() - self._looked >= _KEPT:
            self._look()
        breakers = ways.breakers() if isinstance(ways, Transports) else {}
        return [
            Metric(
                "chatgate_courier_queue",
                "Recipients elsewhere whose mail waits, by its age: less than a minute, an hour, a day, or older",
                "gauge",
                ("age",),
                dict(self._ages),
                across="one",
            ),
            Metric(
                "chatgate_courier_oldest_seconds",
                "The age of what waits for longest",
                "gauge",
                (),
                {(): self._oldest},
                "seconds",
                "one",
            ),
            Metric(
                "chatgate_courier_recipients",
                "What became of attempts to hand mail on, for each recipient, by the way: of TLS over SMTP, or HTTPS",
                "counter",
                ("outcome", "way"),
                dict(handing.counted.counts),
            ),
            Metric.single(
                "chatgate_courier_delivery_seconds",
                "From the moment mail was stored to the one when the other server took it",
                "histogram",
                handing.took,
                "seconds",
            ),
            Metric(
                "chatgate_courier_breakers",
                "Other servers that were spoken with lately: closed, open (left alone), half-open (one try)",
                "gauge",
                ("state",),
                {(state,): count for state, count in breakers.items()},
            ),
        ]

    def _look(self) -> None:
        """The rows come by age, the oldest first. Of a very long queue only these are read: the rest is no older than
        the last of them.
        """
        store, now = self._gateway.store, self._clock()
        count, after, ages = store.count_queue(), 0, Counter()
        for name, _ in _AGES:
            ages.add(name, by=0)
        seen, age, self._oldest = 0, 0.0, 0.0
        while seen < _MOST and (rows := store.queue(after, _AT_ONCE)):
            for row in rows:
                age = max(0.0, now - row.came)
                self._oldest = max(self._oldest, age)
                ages.add(_class(age))
            seen, after = seen + len(rows), rows[-1].id
            give_turn()
        ages.add(_class(age), by=max(0, count - seen))
        self._ages = {(values[0],): int(number) for values, number in ages.counts.items()}
        self._looked = time.monotonic()


def _class(age: float) -> str:
    return next((name for name, most in _AGES if age < most), "older")
