"""People with a real Delta Chat core, asked by polling: what counts is the state they reach, not the events between."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty
from typing import TypeVar

from deltachat_rpc_client import Account, DeltaChat, Message
from deltachat_rpc_client._utils import AttrDict

T = TypeVar("T")

OUT_PENDING, OUT_FAILED, OUT_DELIVERED, OUT_READ = 20, 24, 26, 28
IN_FRESH, IN_SEEN = 10, 16


class Late(AssertionError):
    """Something did not happen in time."""


def until(what: str, condition: Callable[[], T], seconds: float = 60, pause: float = 0.03) -> T:
    """The first true answer. pause: seconds from one question to the next. Raises Late."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise Late(f"after {seconds} s still not: {what}")
        time.sleep(pause)
    return answer


class Person:
    """One profile on one device."""

    def __init__(self, name: str, account: Account) -> None:
        self.name, self.account = name, account
        self._rpc = account.manager.rpc
        self._past: list[dict[str, object]] = []

    @property
    def transport(self) -> AttrDict:
        """addr, password and servers as the core keeps them."""
        return AttrDict(self.account.list_transports()[0])

    def find(self, text: str) -> list[Message]:
        """Messages with this text, in whatever chat."""
        found = self._rpc.search_messages(self.account.id, text, None)
        return [Message(self.account, number) for number in found]

    def has(self, text: str, seconds: float = 60) -> Message:
        """The message with this text, once it is there completely."""

        def there() -> Message | None:
            messages = self.find(text)
            return messages[0] if messages and messages[0].get_snapshot().download_state == "Done" else None

        return until(f"{self.name} has {text!r}", there, seconds)

    def state(self, message: Message, *states: int, seconds: float = 60) -> None:
        """Wait until the message is in one of these states."""

        def reached() -> bool:
            now = message.get_snapshot().state
            assert now != OUT_FAILED or OUT_FAILED in states, message.get_snapshot().error
            return now in states

        until(f"{self.name}'s message is in state {states}", reached, seconds)

    def sends(self, chat: object, text: str, **more: str) -> Message:
        return chat.send_message(text=text, **more)  # type: ignore[attr-defined,no-any-return]

    def event(self, kind: str, seconds: float = 60, **facts: object) -> None:
        """Wait for an event that no state tells of. Each is met once."""
        end = time.monotonic() + seconds
        queue = self._rpc.get_queue(self.account.id)
        while True:
            try:
                event = queue.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                raise Late(f"after {seconds} s still no {kind} {facts} for {self.name}") from None
            self._past.append(event)
            if event["kind"] == kind and facts.items() <= event.items():
                return

    def content(self) -> None:
        """Until now no connection broke, and no answer was one that the core could not read."""
        events = [*self._past, *self._rpc.get_queue(self.account.id).queue]
        warnings = [str(event["msg"]) for event in events if event["kind"] in ("Warning", "Error")]
        complaints = [text for text in warnings if text.startswith(("src/imap", "src/smtp", "src/sched"))]
        assert not complaints, f"{self.name}: {complaints}"


def arrive(deltachat: DeltaChat, invitations: dict[str, str]) -> dict[str, Person]:
    """New profiles from QR texts, all at the same time as on a first evening, and online."""
    accounts = {name: deltachat.add_account() for name in invitations}
    coming = [accounts[name].add_transport_from_qr.future(text) for name, text in invitations.items()]
    for future in coming:
        future()
    for name, account in accounts.items():
        account.set_config("displayname", name)
    return _online(accounts)


def awake(deltachat: DeltaChat) -> dict[str, Person]:
    """The profiles of an earlier core process, online again."""
    return _online({str(account.get_config("displayname")): account for account in deltachat.get_all_accounts()})


def _online(accounts: dict[str, Account]) -> dict[str, Person]:
    for account in accounts.values():
        account.start_io()
    for account in accounts.values():
        account.manager.rpc.wait_for_all_work_done(account.id)
    return {name: Person(name, account) for name, account in accounts.items()}
