"""The result of a ping, in the format of ping(8)."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Trip:
    """One message. submit: milliseconds until the server had taken it; idle: from then until it was announced.
    error: why it did not arrive intact, or "".
    """

    number: int
    submit: float = 0.0
    idle: float = 0.0
    error: str = ""

    @property
    def total(self) -> float:
        return self.submit + self.idle

    def __str__(self) -> str:
        if self.error:
            return f"{self.number}: lost: {self.error}"
        return f"{self.number}: {self.total:.1f} ms (submit {self.submit:.1f}, to IDLE {self.idle:.1f})"


@dataclass
class Report:
    """elapsed: milliseconds from the first to the last message."""

    sender: str
    recipient: str
    trips: list[Trip] = field(default_factory=list)
    elapsed: float = 0.0

    @property
    def arrived(self) -> list[Trip]:
        return [trip for trip in self.trips if not trip.error]

    @property
    def all_arrived(self) -> bool:
        return bool(self.trips) and len(self.arrived) == len(self.trips)

    @property
    def loss(self) -> float:
        """Percent."""
        return 100 * (1 - len(self.arrived) / len(self.trips)) if self.trips else 0.0

    def round_trip(self) -> dict[str, float]:
        """Milliseconds; mdev as in ping(8): the standard deviation of all round trips."""
        totals = [trip.total for trip in self.arrived]
        if not totals:
            return {}
        return {
            "min": min(totals),
            "avg": statistics.fmean(totals),
            "max": max(totals),
            "mdev": statistics.pstdev(totals),
        }

    def lines(self) -> list[str]:
        """The summary."""
        lines = [
            f"--- {self.recipient} ping statistics ---",
            f"{len(self.trips)} messages sent, {len(self.arrived)} received, {self.loss:g}% lost, "
            f"time {self.elapsed:.0f} ms",
        ]
        if times := self.round_trip():
            lines.append(f"rtt {'/'.join(times)} = {'/'.join(f'{value:.1f}' for value in times.values())} ms")
        return lines

    def data(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "from": self.sender,
            "to": self.recipient,
            "messages": [
                {"number": trip.number, "error": trip.error}
                if trip.error
                else {"number": trip.number, "submit_ms": round(trip.submit, 3), "idle_ms": round(trip.idle, 3)}
                for trip in self.trips
            ],
            "sent": len(self.trips),
            "received": len(self.arrived),
            "loss_percent": round(self.loss, 2),
            "elapsed_ms": round(self.elapsed, 3),
            "rtt_ms": {name: round(value, 3) for name, value in self.round_trip().items()},
        }
