"""Messages as another store had them: with their UIDs, in a mailbox that gets that one's UIDVALIDITY."""

from __future__ import annotations

import json
from collections.abc import Sequence

from chatgate.api import Former, NoSuchMailbox, normal_flags, well_numbered
from chatgate_maildb import bodies, mailboxes, rows
from chatgate_maildb.bodies import Bodies
from chatgate_maildb.flags import SEEN, text
from chatgate_maildb.writer import Transaction

_BOX = "SELECT uidvalidity, uidnext FROM mailbox WHERE id=? AND account_id IS NOT NULL"
_THERE = "SELECT uid FROM message WHERE mailbox_id=? AND uid IN (SELECT value FROM json_each(?))"
_GROW = """UPDATE mailbox SET uidvalidity=?1, uidnext=max(uidnext, ?2), modseq=modseq+min(?3, 1), messages=messages+?3,
    unseen=unseen+?4, octets=octets+?5 WHERE id=?6 RETURNING modseq"""


class Restoring:
    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies

    def restore_messages(
        self, mailbox_id: int, uidvalidity: int, uidnext: int, messages: Sequence[Former]
    ) -> list[int]:
        columns: list[bodies.Body] = []

        def work(tx: Transaction) -> list[int]:
            found = tx.execute(_BOX, (mailbox_id,)).fetchall()
            if not found:
                raise NoSuchMailbox()
            well_numbered(uidvalidity, uidnext, messages, *found[0])
            numbers = json.dumps([message.uid for message in messages])
            there = {uid for (uid,) in tx.execute(_THERE, (mailbox_id, numbers)).fetchall()}
            new = [pair for pair in zip(messages, columns, strict=True) if pair[0].uid not in there]
            unseen = sum(SEEN not in normal_flags(message.flags) for message, _ in new)
            octets = sum(len(message.content) for message, _ in new)
            facts = (uidvalidity, uidnext, len(new), unseen, octets, mailbox_id)
            ((modseq,),) = tx.execute(_GROW, facts).fetchall()
            for message, body in new:
                body_id = bodies.insert(tx, body)
                flags = text(normal_flags(message.flags))
                size = len(message.content)
                tx.execute(rows.INSERT, (mailbox_id, message.uid, body_id, modseq, flags, size, message.date))
                tx.breathe()
            mailboxes.note_uidvalidity(tx, uidvalidity)
            tx.dropped += [
                body[2]
                for message, body in zip(messages, columns, strict=True)
                if message.uid in there and body[2] is not None
            ]
            if new:
                tx.changed.add(mailbox_id)
            return [message.uid for message, _ in new]

        for message in messages:
            normal_flags(message.flags)
        well_numbered(uidvalidity, uidnext, messages)
        try:
            for message in messages:
                columns.append(self._bodies.columns(message.content))
        except Exception:
            self._bodies.drop(columns)
            raise
        return self._bodies.written(columns, work, patient=rows.many(columns))
