"""Removing what deleted mailboxes leave behind, and forgetting old expunged messages of the other mailboxes."""

from __future__ import annotations

from functools import partial

from chatgate_maildb import rows
from chatgate_maildb.writer import Transaction, Writer

FORGOTTEN_AT_ONCE = 1000

# Empty mailboxes removed in one transaction, as those of an account that had no mail.
_PURGED_AT_ONCE = 20


def purge(writer: Writer, mailbox_ids: list[int]) -> None:
    """Remove the contents of deleted mailboxes, some rows in each transaction, as others want to write, too. After a
    crash `expire` finishes the work.
    """

    def work(tx: Transaction, left: list[int]) -> list[int]:
        for done, mailbox_id in enumerate(left[:_PURGED_AT_ONCE]):
            if rows.delete_some(tx, mailbox_id) or forget(tx, mailbox_id, FORGOTTEN_AT_ONCE):
                return left[done:]
            tx.execute("DELETE FROM mailbox WHERE id=? AND account_id IS NULL", (mailbox_id,))
        return left[_PURGED_AT_ONCE:]

    while mailbox_ids:
        mailbox_ids = writer.run(partial(work, left=mailbox_ids), patient=True)


def forget(tx: Transaction, mailbox_id: int, count: int) -> int:
    """Forget the oldest `count` expunged messages, or more if several have the same modseq; returns how many."""
    oldest = "SELECT modseq FROM expunged WHERE mailbox_id=? ORDER BY modseq LIMIT ?"
    found = tx.execute(oldest, (mailbox_id, count)).fetchall()
    if not found:
        return 0
    tx.execute("UPDATE mailbox SET history=max(history, ?) WHERE id=?", (*found[-1], mailbox_id))
    return tx.execute("DELETE FROM expunged WHERE mailbox_id=? AND modseq<=?", (mailbox_id, *found[-1])).rowcount
