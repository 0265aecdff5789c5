"""Leases, by the clock of this machine."""

from __future__ import annotations

import time

from chatgate.api import Lease


class Leases:
    def __init__(self) -> None:
        self._held: dict[str, tuple[str, float]] = {}  # the holder, and the end

    def lease(self, name: str, holder: str, seconds: float) -> bool:
        now = time.monotonic()
        has, ends = self._held.get(name, ("", 0.0))
        if has != holder and ends > now:
            return False
        self._held[name] = holder, now + seconds
        return True

    def release(self, name: str, holder: str) -> None:
        if self._held.get(name, ("", 0.0))[0] == holder:
            del self._held[name]

    def leases(self) -> list[Lease]:
        now = time.monotonic()
        return [Lease(name, holder) for name, (holder, ends) in sorted(self._held.items()) if ends > now]
