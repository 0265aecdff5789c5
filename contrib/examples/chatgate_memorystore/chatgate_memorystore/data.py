"""The stored data as plain objects, and what the parts of the store share.

No method of this store ever waits while it changes something, so no other greenlet runs in between: a check and the
change that follows it are atomic. A store that waits for a disk needs transactions for that.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from chatgate.api import Account, Mailbox, NoSuchMailbox, Usage

AT_ONCE = 500  # messages after which others get a turn


@dataclass
class Mail:
    """One message of a mailbox. Copies share the content, as octets never change."""

    content: bytes
    flags: frozenset[str]
    date: int
    modseq: int
    fetched: int = 0


@dataclass
class Box:
    """messages: by UID, ascending, as a higher UID always comes later. gone: the modseqs at which UIDs
    were expunged; known for all modseqs above `forgotten`.
    """

    id: int
    account_id: int
    name: str
    uidvalidity: int
    special_use: str
    uidnext: int = 1
    modseq: int = 1
    messages: dict[int, Mail] = field(default_factory=dict)
    gone: dict[int, int] = field(default_factory=dict)
    forgotten: int = 0

    def record(self) -> Mailbox:
        return Mailbox(
            self.id, self.account_id, self.name, self.uidvalidity, self.uidnext, self.modseq, self.special_use
        )

    def add(self, mail: Mail) -> int:
        """Its UID."""
        uid, self.uidnext = self.uidnext, self.uidnext + 1
        self.messages[uid] = mail
        return uid

    def remove(self, uids: Iterable[int]) -> list[int]:
        """Those that were there, which get one modseq."""
        found = [uid for uid in uids if self.messages.pop(uid, None) is not None]
        if found:
            self.modseq += 1
            self.gone.update(dict.fromkeys(found, self.modseq))
        return found

    def forget(self, kept: int) -> int:
        """Which UIDs went, but for the last ones; how many."""
        oldest = list(self.gone)[: max(0, len(self.gone) - kept)]
        for uid in oldest:
            self.forgotten = max(self.forgotten, self.gone.pop(uid))
        return len(oldest)


@dataclass
class Person:
    """An account with what it has. annotations: by the name of the mailbox, "" for the account."""

    account: Account
    boxes: dict[str, Box] = field(default_factory=dict)
    subscriptions: set[str] = field(default_factory=set)
    annotations: dict[str, dict[str, bytes]] = field(default_factory=dict)


class Data:
    """post: of the gateway's board. octets, messages: what an account may keep; 0: no limit."""

    def __init__(self, post: Callable[[int], None], octets: int = 0, messages: int = 0) -> None:
        self.post, self.octets, self.most_messages = post, octets, messages
        self.people: dict[int, Person] = {}
        self.by_address: dict[str, int] = {}
        self.boxes: dict[int, Box] = {}
        self.account_ids, self.box_ids = itertools.count(1), itertools.count(1)
        self.last_uidvalidity = 0
        self.least = 0.0  # Unix seconds

    def not_before(self, now: float) -> None:
        self.least = now

    def now(self) -> int:
        return int(max(time.time(), self.least))

    def note_uidvalidity(self, value: int) -> None:
        """A mailbox has this one, from elsewhere. Above 2**31 it is no time, and counting on would come to an end."""
        if value < 1 << 31:
            self.last_uidvalidity = max(self.last_uidvalidity, value)

    def uidvalidity(self) -> int:
        """Always higher than the one before."""
        self.last_uidvalidity = max(self.last_uidvalidity + 1, int(time.time()))
        return self.last_uidvalidity

    def box(self, mailbox_id: int) -> Box:
        """Raises NoSuchMailbox."""
        if mailbox_id not in self.boxes:
            raise NoSuchMailbox()
        return self.boxes[mailbox_id]

    def messages(self, mailbox_id: int) -> dict[int, Mail]:
        """Those of a mailbox; none where there is no mailbox."""
        found = self.boxes.get(mailbox_id)
        return found.messages if found else {}

    def usage_of(self, account_id: int) -> Usage:
        person = self.people.get(account_id)
        kept = [mail for box in person.boxes.values() for mail in box.messages.values()] if person else []
        own = person.account.quota if person else None
        limit = self.octets if own is None else own
        return Usage(sum(len(mail.content) for mail in kept), len(kept), limit, self.most_messages)
