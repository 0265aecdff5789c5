"""A queue full of mail for a server that is dead, and mail for many that live: the living wait for nobody.

By counting what is tried and in which order; the ways out are stand-ins, the queue and its worker are real.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import gevent
import gevent.event
import pytest
from chatgate_courier.plugin import Courier
from chatgate_courier.transport import Mail, Outcome

from chatgate.api import QUEUE, Outgoing, Reply
from chatgate.testing import until

DEAD, WAITING = "dead.test", 10_000
LIVING, EACH = 500, 4
TAKEN = Reply(250, "2.0.0", "OK")
LATER = Reply(450, "4.2.1", "not now")
DAY = 86400.0


class Ways:
    """tried: the domain of each try, in order. gone: no server of this domain answers."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.taken: Counter[str] = Counter()
        self.released = gevent.event.Event()
        self.answer = TAKEN
        self.down = 0.0

    def deliver(self, mail: Mail) -> Outcome:
        self.tried.append(mail.domain)
        if mail.domain == DEAD:
            return self.of_the_dead(mail)
        gevent.sleep(0)
        if self.answer.accepts:
            self.taken.update(mail.recipients)
        return Outcome(dict.fromkeys(mail.recipients, self.answer), f"mx.{mail.domain}", "smtp", 0.0)

    def of_the_dead(self, mail: Mail) -> Outcome:
        """Nobody ever says anything."""
        self.released.wait()
        return Outcome(dict.fromkeys(mail.recipients, LATER), "", "", 0.0)

    def down_until(self, domain: str) -> float:
        return self.down if domain == DEAD else 0.0

    def close(self) -> None:
        pass


class Clock:
    def __init__(self) -> None:
        self.now = time.time() + 60  # past the moment of which the store says that messages came

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ways() -> Iterator[Ways]:
    made = Ways()
    yield made
    made.released.set()


@pytest.fixture
def gateway(gateway_factory: Any, ways: Ways) -> Any:
    return running(gateway_factory, ways)


def running(gateway_factory: Any, ways: Ways, clock: Any = None) -> Any:
    """A gateway whose courier has these ways, and whose queue is still empty."""

    class Here(Courier):
        def __init__(self, gateway: Any, options: Any) -> None:
            super().__init__(gateway, options, *([clock] if clock else []), ways=ways)

    return gateway_factory(
        "tls", "maildb", "accounts", "resolver", Here, maildb={"queue_rows": 100_000, "queue_rows_per_account": 100_000}
    )


def queue(gateway: Any, domain: str, count: int) -> None:
    """So many messages, as quickly as the store takes them."""
    for start in range(0, count, 500):
        recipients = [Outgoing(f"r{number}@{domain}", domain) for number in range(start, min(start + 500, count))]
        gateway.store.store(b"From: a@example.org\r\n\r\nhi\r\n", recipients, sender="a@example.org")


def living(gateway: Any) -> None:
    for number in range(EACH):
        recipients = [Outgoing(f"r{number}@d{domain}.test", f"d{domain}.test") for domain in range(LIVING)]
        gateway.store.store(b"From: b@example.org\r\n\r\nhi\r\n", recipients, sender="b@example.org")


def test_a_dead_server_has_one_try_while_all_others_are_served(gateway: Any, ways: Ways) -> None:
    queue(gateway, DEAD, WAITING)
    living(gateway)
    until(lambda: sum(ways.taken.values()) == LIVING * EACH)
    tried = Counter(ways.tried)
    assert tried.pop(DEAD) == 1, "the rest of its mail waits for the end of the first try"
    assert len(tried) == LIVING
    assert sum(tried.values()) == LIVING * EACH, "no other message was tried twice, or held up"
    assert max(ways.taken.values()) == 1


def test_what_a_dead_server_has_waiting_costs_no_try_until_it_may_be_back(gateway_factory: Any, ways: Ways) -> None:
    clock = Clock()
    gateway = running(gateway_factory, ways, clock)

    def refused(mail: Mail) -> Outcome:
        ways.down = clock.now + 60
        return Outcome(dict.fromkeys(mail.recipients, LATER), "", "", ways.down)

    ways.of_the_dead = refused  # type: ignore[method-assign]
    queue(gateway, DEAD, WAITING)
    living(gateway)
    until(lambda: sum(ways.taken.values()) == LIVING * EACH)
    until(lambda: (gateway.store.next_due(clock.now) or clock.now) > clock.now)
    assert ways.tried.count(DEAD) == 1
    clock.now += 61
    ways.down = 0.0
    gateway.board.post(QUEUE)
    until(lambda: ways.tried.count(DEAD) == 2)
    assert gateway.store.count_queue() == WAITING


def test_a_day_of_not_now(gateway_factory: Any, ways: Ways) -> None:
    """A server that puts off all mail is asked less and less often, but at least each hour or so."""
    clock = Clock()
    gateway = running(gateway_factory, ways, clock)
    ways.answer = LATER
    begin, times = clock.now, list[float]()
    queue(gateway, "busy.test", 1)
    until(lambda: len(ways.tried) == 1)
    while clock.now < begin + DAY:
        clock.now += 300
        gateway.board.post(QUEUE)
        gevent.sleep(0.02)
        times += [clock.now] * (len(ways.tried) - 1 - len(times))
    gaps = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
    assert max(gaps) <= 3600 * 1.2 + 600, gaps
    assert len(times) <= 32, "five tries in the first half hour, then one an hour, a fifth more or less"
    ways.answer = TAKEN
    clock.now += 3600 * 1.2
    gateway.board.post(QUEUE)
    until(lambda: gateway.store.count_queue() == 0)
    assert ways.taken == {"r0@busy.test": 1}
