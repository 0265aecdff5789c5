"""The store: its parts joined."""

from __future__ import annotations

from collections.abc import Callable

from chatgate_memorystore.accounts import Accounts
from chatgate_memorystore.leases import Leases
from chatgate_memorystore.mailboxes import Mailboxes
from chatgate_memorystore.messages import Messages

EXPUNGED_KEPT = 200  # of each mailbox


class MemoryStore(Accounts, Mailboxes, Messages, Leases):
    """See `chatgate.api.Store` for what each method does. post, octets, messages: see `Data`."""

    def __init__(self, post: Callable[[int], None], octets: int = 0, messages: int = 0) -> None:
        super().__init__(post, octets, messages)
        Leases.__init__(self)

    def integrity(self) -> list[str]:
        wrong = [box for box in self.boxes.values() if any(uid >= box.uidnext for uid in box.messages)]
        return [f"a UID is not below UIDNEXT: mailbox {box.id}" for box in wrong]

    def expire(self, now: float) -> dict[str, int]:
        """Forget which messages were expunged, but for the last ones of each mailbox."""
        forgotten = sum(box.forget(EXPUNGED_KEPT) for box in self.boxes.values())
        return {"expunged messages forgotten": forgotten} if forgotten else {}

    def close(self) -> None:
        pass
