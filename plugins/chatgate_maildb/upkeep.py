"""Keeping the store sound and small: what `expire` and `integrity` do."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import gevent.threadpool
from chatgate_filedb import forget_saved

from chatgate.api import give_turn
from chatgate_maildb import integrity, purging
from chatgate_maildb.blobs import Blobs
from chatgate_maildb.checkpoints import Checkpoints
from chatgate_maildb.clock import DAY
from chatgate_maildb.database import Reader
from chatgate_maildb.options import MailDbOptions
from chatgate_maildb.removal import Removal
from chatgate_maildb.writer import Transaction, Writer

# Free pages of the database that are kept for new mail, and how many are returned to the disk in one transaction.
_SPARE_PAGES = 1000
_PAGES_AT_ONCE = 50

# Mailboxes that remember more than so many expunged messages. About a thousand rows are read at a time, those of a
# mailbox together: reading all of them at once would block the hub.
_LAST = "SELECT mailbox_id FROM expunged WHERE mailbox_id>? ORDER BY mailbox_id LIMIT 1 OFFSET 1000"
_REMEMBERED = """SELECT mailbox_id, count(*) FROM expunged WHERE mailbox_id>? AND mailbox_id<=?
    GROUP BY mailbox_id HAVING count(*)>?"""

# Age in seconds from which a body file without a row is a leftover: no delivery takes that long.
_LEFTOVER = 3600.0


class Upkeep:
    def __init__(
        self,
        folder: Path,
        options: MailDbOptions,
        reader: Reader,
        writer: Writer,
        blobs: Blobs,
        checkpoints: Checkpoints,
        removal: Removal,
    ) -> None:
        self._folder, self._options, self._reader, self._writer = folder, options, reader, writer
        self._blobs, self._checkpoints, self._removal = blobs, checkpoints, removal

    def integrity(self) -> list[str]:
        threads = gevent.threadpool.ThreadPool(1)
        try:
            return threads.apply(integrity.problems, (self._folder, self._blobs))
        finally:
            threads.kill()

    def expire(self, now: float) -> dict[str, int]:
        """Finish removing deleted mailboxes, forget old expunged messages and tombstones, remove body files left by a
        crash, and return free space to the disk.
        """
        deleted = self._reader.rows("SELECT id FROM mailbox WHERE account_id IS NULL")
        purging.purge(self._writer, [mailbox_id for (mailbox_id,) in deleted])
        self._removal.drop_released()
        forgotten, tombstones = self._forget(), self._forget_tombstones(int(now) // DAY)
        files = self._blobs.sweep(self.wanted, _LEFTOVER)
        counts = {
            "deleted mailboxes": len(deleted),
            "expunged messages forgotten": forgotten,
            "tombstones": tombstones,
            "body files": files,
            "octets given back": self._shrink(),
            "databases saved before a change": forget_saved(
                self._folder / "mail.db", now - self._options.saved_days * DAY
            ),
        }
        return {kind: count for kind, count in counts.items() if count}

    def _forget(self) -> int:
        forgotten, behind, end = 0, 0, 1 << 62
        while behind != end:
            ((last,),) = self._reader.rows(_LAST, (behind,)) or ((end,),)
            for mailbox_id, count in self._reader.rows(_REMEMBERED, (behind, last, self._options.expunged_kept)):
                forgotten += self._forget_of(mailbox_id, count - self._options.expunged_kept)
            behind = last
            give_turn()
        return forgotten

    def _forget_of(self, mailbox_id: int, count: int) -> int:
        forgotten = 0
        while forgotten < count:
            least = min(count - forgotten, purging.FORGOTTEN_AT_ONCE)
            gone = self._writer.run(partial(purging.forget, mailbox_id=mailbox_id, count=least), patient=True)
            if not gone:  # another process was faster
                break
            forgotten += gone
        return forgotten

    def _forget_tombstones(self, today: int) -> int:
        days, forgotten = self._options.tombstone_days, 0
        if not days:
            return 0
        sql = "DELETE FROM tombstone WHERE hash IN (SELECT hash FROM tombstone WHERE day<? LIMIT 1000)"
        while gone := self._writer.run(lambda tx: tx.execute(sql, (today - days,)).rowcount, patient=True):
            forgotten += gone
        return forgotten

    def _shrink(self) -> int:
        """Give free pages of the database, but for some that new mail will need, back to the disk: so many octets."""
        ((size,),) = self._reader.rows("PRAGMA page_size")
        given = 0
        while (free := self._reader.rows("PRAGMA freelist_count")[0][0]) > _SPARE_PAGES:
            pages = min(free - _SPARE_PAGES, _PAGES_AT_ONCE)
            self._writer.run(partial(_vacuum, pages=pages), patient=True)
            left = self._reader.rows("PRAGMA freelist_count")[0][0]
            if left >= free:  # others delete as fast, or this database cannot be made shorter
                break
            given += (free - left) * size
            give_turn()
        if given:
            self._checkpoints.run()  # makes the file itself shorter
        return given

    def wanted(self, name: str) -> bool:
        """Does a body have this file?"""
        return bool(self._reader.rows("SELECT 1 FROM body WHERE file=?", (name,)))


def _vacuum(tx: Transaction, pages: int) -> None:
    """Return so many free pages to the disk."""
    tx.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
