"""A circuit breaker for each host: one that cannot be reached gets a single try now and then; nobody waits for it."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from chatgate.api import Episode
from chatgate_courier.transport.options import TransportOptions

# Seconds without a try after which nobody seems to want anything from the host any more.
_ASKED = 4 * 3600.0


class Breaker:
    """Closed: all may try. Open: nobody may until the pause is over; then a single one may, the probe, and the others
    are told to wait for what it finds. down: since when it is open, as long as it is tried again now and then.
    """

    __slots__ = ("_options", "_clock", "_failures", "_pause", "_until", "_probing", "open", "down")

    def __init__(self, options: TransportOptions, clock: Callable[[], float]) -> None:
        self._options, self._clock = options, clock
        self._failures = 0  # in a row, while closed
        self._pause = self._until = 0.0
        self._probing = 0.0  # when the probe began
        self.open = False
        self.down: Episode | None = None  # most hosts need none

    def until(self) -> float:
        """Unix seconds before which no try makes sense; 0: now one does."""
        if not self.open:
            return 0.0
        now = self._clock()
        if self._probing:  # should it never come back, the next one may try after the time that it may take
            wait = self._probing + self._options.try_seconds
            return min(now + self._options.pause_seconds, wait) if now < wait else 0.0
        return self._until if now < self._until else 0.0

    def begin(self) -> bool | None:
        """A try begins, if one may; None: none may. Returns whether it is the probe, the argument for what ends it:
        `succeeded`, `failed` or `abandoned`.
        """
        if self.until():
            return None
        if self.open:
            self._probing = self._clock()
        return self.open

    def succeeded(self) -> bool:
        """The host can be reached. Returns whether the breaker was open."""
        was_open, self.open, self._probing = self.open, False, 0.0
        self._failures, self._pause, self.down = 0, 0.0, None
        return was_open

    def failed(self, probe: bool) -> float:
        """A try failed. Returns the seconds of the pause that begins, 0 if none does."""
        if self.open and not probe:
            return 0.0  # it began before the pause, so it tells nothing new
        self._failures += 1
        if not self.open and self._failures < self._options.failures_in_a_row:
            return 0.0
        self._pause = min(self._pause * 2 or self._options.pause_seconds, self._options.max_pause_seconds)
        pause = min(self._pause * random.uniform(0.8, 1.2), self._options.max_pause_seconds)
        self.open, self._probing, self._until = True, 0.0, self._clock() + pause
        self.down = self.down or Episode(_ASKED)
        self.down.happened()
        return pause

    def abandoned(self, probe: bool) -> None:
        """A try ended without a result."""
        if probe:
            self._probing = 0.0


class Memory:
    """What is remembered of hosts, and of domains, by name; the one that was not asked for longest makes room."""

    def __init__(self, options: TransportOptions, clock: Callable[[], float]) -> None:
        self._options, self._clock = options, clock
        self._breakers: OrderedDict[str, Breaker] = OrderedDict()
        self._smtp_only: OrderedDict[str, float] = OrderedDict()
        self._hosts: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def breaker(self, name: str) -> Breaker:
        found = self._breakers.get(name)
        if found is None:
            found = self._breakers[name] = Breaker(self._options, self._clock)
            self._bound(self._breakers)
        else:
            self._breakers.move_to_end(name)
        return found

    def down_until(self, *names: str) -> float:
        """Unix seconds before which none of these is worth a try, 0 if one is now."""
        return min((self._breakers[name].until() if name in self._breakers else 0.0 for name in names), default=0.0)

    def unreachable(self) -> list[tuple[str, float, tuple[str, ...]]]:
        """What cannot be reached: name, Unix seconds since when, and the domains of a host."""
        open_ = {name: one.down for name, one in self._breakers.items() if one.down is not None}
        found = [(name, since) for name, down in open_.items() if (since := down.since()) is not None]
        if not found:
            return []
        domains: dict[str, list[str]] = {name: [] for name, _ in found}
        for domain, hosts in self._hosts.items():
            for host in hosts:
                if host in domains:
                    domains[host].append(domain)
        return [(name, since, tuple(domains[name])) for name, since in found]

    def states(self) -> dict[str, int]:
        """How many breakers are in each state."""
        counts = {"closed": 0, "open": 0, "half-open": 0}
        for one in self._breakers.values():
            counts["closed" if not one.open else "open" if one.until() else "half-open"] += 1
        return counts

    def smtp_only(self, host: str) -> bool:
        """Did this host take mail by SMTP, and not by /mxdeliv, lately?"""
        until = self._smtp_only.get(host)
        if until is not None and self._clock() >= until:
            del self._smtp_only[host]
            return False
        return until is not None

    def mark_smtp_only(self, host: str) -> None:
        self._smtp_only[host] = self._clock() + self._options.smtp_only_seconds
        self._smtp_only.move_to_end(host)
        self._bound(self._smtp_only)

    def unmark(self, host: str) -> None:
        self._smtp_only.pop(host, None)

    def hosts(self, domain: str) -> tuple[str, ...]:
        """The hosts of a domain, as they were found last."""
        return self._hosts.get(domain, ())

    def learn_hosts(self, domain: str, hosts: tuple[str, ...]) -> None:
        if self._hosts.get(domain) != hosts:
            self._hosts[domain] = hosts
        self._hosts.move_to_end(domain)
        self._bound(self._hosts)

    def _bound(self, names: OrderedDict[str, Any]) -> None:
        if len(names) > self._options.known_hosts:
            names.popitem(last=False)
