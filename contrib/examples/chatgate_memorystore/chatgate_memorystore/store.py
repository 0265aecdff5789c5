"""The store: its parts joined."""

from __future__ import annotations

from collections.abc import Callable

from chatgate_memorystore.accounts import Accounts
from chatgate_memorystore.data import Data
from chatgate_memorystore.leases import Leases
from chatgate_memorystore.mailboxes import Mailboxes
from chatgate_memorystore.messages import Messages
from chatgate_memorystore.queue import Queue

EXPUNGED_KEPT = 200  # of each mailbox


class MemoryStore:
    """See `chatgate.api.Store` for what each method does, and `Data` for the arguments. The methods are those of the
    parts, which share the data.
    """

    def __init__(self, post: Callable[[int], None], octets: int = 0, messages: int = 0) -> None:
        data = self._data = Data(post, octets, messages)
        self.now, self.not_before = data.now, data.not_before

        people = Accounts(data)
        self.account, self.recipients, self.accounts = people.account, people.recipients, people.accounts
        self.create_account, self.delete_account = people.create_account, people.delete_account
        self.set_secret, self.set_disabled, self.set_quota = people.set_secret, people.set_disabled, people.set_quota
        self.set_last_login, self.note_present = people.set_last_login, people.note_present
        self.tombstone, self.forget_tombstone = people.tombstone, people.forget_tombstone
        self.idle_accounts, self.crowded_accounts = people.idle_accounts, people.crowded_accounts
        self.count_accounts, self.usage = people.count_accounts, people.usage

        boxes = Mailboxes(data)
        self.mailbox, self.mailboxes, self.status = boxes.mailbox, boxes.mailboxes, boxes.status
        self.create_mailbox, self.rename_mailbox = boxes.create_mailbox, boxes.rename_mailbox
        self.delete_mailbox = boxes.delete_mailbox
        self.subscriptions, self.subscribe = boxes.subscriptions, boxes.subscribe
        self.annotations, self.annotate = boxes.annotations, boxes.annotate

        queue = Queue(data)
        self.claim, self.next_due, self.open_queued = queue.claim, queue.next_due, queue.open_queued
        self.postpone, self.delay, self.hold, self.offer = queue.postpone, queue.delay, queue.hold, queue.offer
        self.queue, self.count_queue, self.drop = queue.queue, queue.count_queue, queue.drop

        mail = Messages(data, queue)
        self.store, self.store_all, self.settle = mail.store, mail.store_all, mail.settle
        self.restore_messages = mail.restore_messages
        self.changes, self.pages = mail.changes, mail.pages
        self.content, self.open, self.header = mail.content, mail.open, mail.header
        self.set_flags, self.expunge, self.copy = mail.set_flags, mail.expunge, mail.copy
        self.old, self.large, self.kept = mail.old, mail.large, mail.kept
        self.remove, self.note_fetched = mail.remove, mail.note_fetched

        leases = Leases()
        self.lease, self.release, self.leases = leases.lease, leases.release, leases.leases

    def integrity(self) -> list[str]:
        boxes = self._data.boxes.values()
        wrong = [box for box in boxes if any(uid >= box.uidnext for uid in box.messages)]
        return [f"a UID is not below UIDNEXT: mailbox {box.id}" for box in wrong]

    def expire(self, now: float) -> dict[str, int]:
        """Forget which messages were expunged, but for the last ones of each mailbox."""
        forgotten = sum(box.forget(EXPUNGED_KEPT) for box in self._data.boxes.values())
        return {"expunged messages forgotten": forgotten} if forgotten else {}

    def close(self) -> None:
        pass
