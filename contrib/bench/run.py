"""One run: how much of everything, against which server, with which accounts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from .connection import Refused
from .imap import Mailbox
from .probe import Probe
from .report import Faults
from .server import Account, Server

MS = 1000.0
AT_ONCE = 10  # clients that log in or ask for accounts side by side


@dataclass(frozen=True)
class Plan:
    """How much of everything. seconds: of the steady rate. full: messages of the saturation run. sizes: octets of the
    messages, about. waits: idle connections, spread over the accounts as devices of a person are. wakes: of those.
    """

    sizes: tuple[int, ...] = (4096,)
    senders: int = 20
    readers: int = 20
    rate: float = 50.0
    seconds: float = 10.0
    full: int = 3000
    bursts: int = 10
    group: int = 50
    accounts: int = 100
    requests: int = 500
    waits: int = 2000
    wakes: int = 10
    hold: float = 5.0


# Enough to meet a body that a store keeps in a file of its own, and little enough for every change of the code.
QUICK = Plan(
    sizes=(4096, 150_000, 700),
    senders=4,
    readers=4,
    seconds=1.0,
    full=150,
    bursts=2,
    group=12,
    accounts=16,
    requests=10,
    waits=40,
    wakes=4,
    hold=0.2,
)


@dataclass
class Bench:
    """One run against one server. status: told in a few words what goes on, for a person who waits."""

    server: Server
    plan: Plan
    status: Callable[[str], None]
    pool: list[Account] = field(default_factory=list)

    @property
    def probe(self) -> Probe:
        return Probe(self.server.pid)

    async def accounts(self, count: int) -> list[Account]:
        """That many accounts that exist. Raises Refused when they cannot be had."""
        if (missing := count - len(self.pool)) > 0:
            self.status(f"creating {missing} accounts")
            faults, created = Faults(), [self.server.invent() for _ in range(missing)]
            await side_by_side([partial(log_in, self.server, account) for account in created], faults)
            if faults.counts:
                raise Refused(f"no accounts to measure with: {faults.samples[0]}")
            self.pool += created
        return self.pool[:count]


async def log_in(server: Server, account: Account) -> None:
    box = await Mailbox.login(server.host, server.imap, *account)
    box.close()


async def side_by_side(
    jobs: Sequence[Callable[[], Awaitable[None]]], faults: Faults, at_once: int = AT_ONCE
) -> list[float]:
    """Run the jobs, so many at once; the seconds each took that did not fail."""
    times, queue = [], iter(jobs)

    async def work() -> None:
        for job in queue:
            begun = time.monotonic()
            try:
                await job()
                times.append(time.monotonic() - begun)
            except (OSError, TimeoutError, Refused) as error:
                faults.add("failed", str(error) or type(error).__name__)

    await asyncio.gather(*(work() for _ in range(at_once)))
    return times
