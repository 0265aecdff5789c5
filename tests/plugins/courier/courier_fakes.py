"""Other servers as the courier sees them, and a clock that a test sets."""

from __future__ import annotations

import time
from collections import Counter

import gevent
import gevent.event
from chatgate_courier.options import CourierOptions
from chatgate_courier.plugin import Courier as Real
from chatgate_courier.transport import Mail, Outcome

from chatgate.api import Outgoing, Reply
from chatgate.testing import until

TAKEN = Reply(250, "2.0.0", "OK")
LATER = Reply(451, "4.3.0", "mx.far.test: come again")
NOBODY = Reply(550, "5.1.1", "mx.far.test: nobody <zoe@far.test> here")


class Clock:
    """Unix seconds, which a test lets go by faster."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self._ahead

    def forward(self, seconds: float) -> None:
        self._ahead += seconds


class Ways:
    """replies: what a domain or a recipient is answered, if not that it is taken. down: domains that nobody answers
    for, and until when no try makes sense. gates: domains whose answer waits for an event. got: what was taken. tried:
    how often a domain was.
    """

    def __init__(self, clock) -> None:
        self.clock = clock
        self.replies: dict[str, Reply] = {}
        self.down: dict[str, float] = {}
        self.gates: dict[str, gevent.event.Event] = {}
        self.got: list[Mail] = []
        self.tried: Counter[str] = Counter()
        self.now = self.most = 0  # at the same time
        self.closed = False

    def deliver(self, mail: Mail) -> Outcome:
        self.tried[mail.domain] += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if gate := self.gates.get(mail.domain):
                gate.wait()
            gevent.sleep(0)
        finally:
            self.now -= 1
        host = f"mx.{mail.domain}"
        if (until := self.down.get(mail.domain, 0.0)) > self.clock():
            reply = Reply(451, "4.4.1", f"{host} cannot be reached")
            return Outcome(dict.fromkeys(mail.recipients, reply), host, "", until)
        replies = {one: self.replies.get(one) or self.replies.get(mail.domain, TAKEN) for one in mail.recipients}
        taken = tuple(one for one in mail.recipients if replies[one].accepts)
        if taken:
            self.got.append(mail._replace(recipients=taken))
        return Outcome(replies, host, "smtp", 0.0)

    def down_until(self, domain: str) -> float:
        # Like a breaker: it opens with the first failure.
        found = self.down.get(domain, 0.0)
        return found if self.tried[domain] and found > self.clock() else 0.0

    def close(self) -> None:
        self.closed = True

    @property
    def recipients(self) -> list[str]:
        return [one for mail in self.got for one in mail.recipients]


def plugin(clock, ways) -> type:
    """The courier with these."""

    class Courier(Real):
        requires = ()

        def __init__(self, gateway, options: CourierOptions) -> None:
            super().__init__(gateway, options, clock, ways)

    return Courier


class World:
    """A running gateway with the courier, and accounts of it."""

    def __init__(self, gateway, clock, ways) -> None:
        self.gateway, self.clock, self.ways = gateway, clock, ways
        self.store = gateway.store
        self.courier = gateway.hub.plugin("courier")

    def account(self, name="alice"):
        address = f"{name}@example.org"
        return self.store.account(address) or self.store.create_account(address, "secret")

    def send(self, *to, sender="alice", content=b"Message-ID: <1@x>\r\nSubject: [...]\r\n\r\nbody\r\n", trace="t1"):
        account = self.account(sender) if sender else None
        address = account.address if account else ""
        goes = [Outgoing(one, one.rpartition("@")[2]) for one in to]
        return self.store.store(content, goes, True, address, account.id if account else None, trace)

    def forward(self, seconds) -> None:
        """Let time go by, and have the dispatcher look."""
        self.clock.forward(seconds)
        self.courier.dispatcher._wake.set()

    def inbox(self, name="alice"):
        """The messages in an INBOX."""
        box = self.store.mailbox(self.account(name).id, "INBOX").id
        return [self.store.content(box, one.uid) for one in self.store.changes(box).messages]

    def idle(self) -> None:
        """Wait until nothing is worked on and nothing is due."""
        store, still = self.store, 0

        def nothing():  # for some turns: what is being claimed is not seen for a moment
            nonlocal still
            due = store.next_due()
            busy = len(self.courier.dispatcher.taken) or (due is not None and due <= self.clock())
            still = 0 if busy else still + 1
            return still > 5

        until(nothing)

    def empty(self) -> None:
        until(lambda: not self.store.count_queue())
