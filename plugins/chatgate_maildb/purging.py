"""What deleted mailboxes leave, and what is forgotten of those that stay."""

from __future__ import annotations

from functools import partial

from chatgate_maildb import rows
from chatgate_maildb.writer import Transaction, Writer

FORGOTTEN_AT_ONCE = 1000

# Mailboxes without messages: those of an account that had no mail go together.
_PURGED_AT_ONCE = 20


def purge(writer: Writer, mailbox_ids: list[int]) -> None:
    """Remove what deleted mailboxes had, some rows in each transaction, as others want to write too. What a crash
    leaves is taken up by `expire`.
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
    """Forget the oldest `count` expunged messages, or more where several went together; how many were forgotten."""
    oldest = "SELECT modseq FROM expunged WHERE mailbox_id=? ORDER BY modseq LIMIT ?"
    found = tx.execute(oldest, (mailbox_id, count)).fetchall()
    if not found:
        return 0
    tx.execute("UPDATE mailbox SET history=max(history, ?) WHERE id=?", (*found[-1], mailbox_id))
    return tx.execute("DELETE FROM expunged WHERE mailbox_id=? AND modseq<=?", (mailbox_id, *found[-1])).rowcount
