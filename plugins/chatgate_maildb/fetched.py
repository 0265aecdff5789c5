"""Notes of which messages clients have read, collected until the next transaction writes them along with its own."""

from __future__ import annotations

import collections
import json
from collections.abc import Collection

import gevent

from chatgate_maildb import rows
from chatgate_maildb.writer import Transaction, Writer

# Notes kept in memory, some hundred KB, before they get a transaction of their own.
_MOST = 5000

_FETCHED = """UPDATE message SET fetched=fetched+?
    WHERE mailbox_id=? AND uid IN (SELECT value FROM json_each(?))"""


class Fetched:
    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._noted: dict[int, collections.Counter[int]] = {}  # UIDs to be written, by mailbox
        self._count = 0

    def note(self, mailbox_id: int, uids: Collection[int]) -> None:
        """Returns at once."""
        if not self._noted:
            self._writer.later(self._write)
        self._noted.setdefault(mailbox_id, collections.Counter()).update(uids)
        self._count += len(uids)
        if self._count > _MOST:
            self._count = 0
            gevent.spawn(self.flush)

    def flush(self) -> None:
        """Write the notes in a transaction, and wait for it."""
        if self._noted:
            self._writer.run(lambda tx: None)

    def _write(self, tx: Transaction) -> None:
        noted, self._noted, self._count = self._noted, {}, 0
        for mailbox_id, counted in noted.items():
            for times in set(counted.values()):
                uids = [uid for uid, count in counted.items() if count == times]
                for chunk in rows.chunks(tx, uids):
                    tx.execute(_FETCHED, (times, mailbox_id, json.dumps(chunk)))
