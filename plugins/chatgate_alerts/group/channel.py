"""The group as a channel, and the service that reads what comes to its account."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import gevent
import gevent.event

from chatgate.api import Gateway, Leased, PluginError, StoreError
from chatgate_alerts.channels import NotSent
from chatgate_alerts.group.joining import Joining
from chatgate_alerts.group.members import Members
from chatgate_alerts.group.post import Post
from chatgate_alerts.words import Message

log = logging.getLogger("chatgate.alerts")

_AGAIN = 10.0  # seconds between looks for a group that a command makes, and after something failed
_LONGEST = 60.0  # seconds without a look at the mailbox: a wake-up may get lost
_PACE = 0.5  # seconds between two messages that are read, as strangers can send any number
_LARGE = 200_000  # octets; nothing that counts is larger
_DAY = 86400


class Group:
    """A channel."""

    name = "group"

    def __init__(self, members: Members, post: Post) -> None:
        self._members, self._post = members, post

    def ready(self) -> bool:
        return self._members.us() is not None and bool(self._members.all())

    def send(self, message: Message, seconds: float) -> None:
        us, members = self._members.us(), self._members.all()
        if us is None or not members:
            return  # they left a moment ago
        try:
            self._post.say(us, members, message.text, f"alert-{message.id}")
        except StoreError as error:
            raise NotSent(f"the message cannot be kept: {type(error).__name__}") from None


class Door(Leased):
    """Lets people in, and notices who leaves."""

    def __init__(
        self, gateway: Gateway, members: Members, joining: Joining, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__("alerts-group", self._run, store=lambda: gateway.store)
        self._gateway, self._members, self._joining, self._clock = gateway, members, joining, clock
        self._wake = gevent.event.Event()

    def _run(self) -> None:
        while True:
            try:
                us = self._members.us()
                inbox = self._inbox(us.address) if us else None
                if inbox is None:
                    gevent.sleep(_AGAIN)
                else:
                    self._serve(inbox)
            except (PluginError, StoreError) as error:
                log.error("nobody can join the group of the operators: %s", error)
                gevent.sleep(_AGAIN)

    def _inbox(self, address: str) -> int | None:
        """The account's INBOX. Nobody logs in to the account, and it must not be taken for idle."""
        store = self._gateway.store
        account = store.account(address)
        if account is None:
            return None
        today = int(self._clock()) // _DAY
        if account.last_login < today:
            store.set_last_login(account.id, today)
        inbox = store.mailbox(account.id, "INBOX")
        return inbox.id if inbox else None

    def _serve(self, inbox: int) -> None:
        watch = self._gateway.board.watch(inbox, self._wake.set)
        try:
            self.read(inbox)
            self._wake.wait(_LONGEST)
            self._wake.clear()
        finally:
            watch.cancel()

    def read(self, inbox: int) -> None:
        """All that is there. What cannot be worked on now stays."""
        store = self._gateway.store
        for row in list(store.changes(inbox).messages):
            us = self._members.us()
            content = store.content(inbox, row.uid) if row.size <= _LARGE else b""
            if us is not None and content:
                try:
                    self._joining.take(us, content)
                except NotSent as error:
                    log.warning("a step of joining is tried again: %s", error)
                    gevent.sleep(_AGAIN)
                    return
            store.expunge(inbox, [row.uid], only_deleted=False)
            gevent.sleep(_PACE)
