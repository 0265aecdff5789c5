"""The store: its parts joined, opened, kept clean and closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import gevent
import gevent.threadpool

from chatgate.api import Lease, StoreUnavailable, give_turn
from chatgate_maildb import belongs, database, integrity, leases, migrations, purging
from chatgate_maildb.accounts import DAY, Accounts
from chatgate_maildb.blobs import Blobs
from chatgate_maildb.checkpoints import Checkpoints
from chatgate_maildb.fetched import Fetched
from chatgate_maildb.mailboxes import Mailboxes
from chatgate_maildb.options import MailDbOptions
from chatgate_maildb.queue import Queue
from chatgate_maildb.removal import Removal
from chatgate_maildb.reserve import Reserve
from chatgate_maildb.retention import Retention
from chatgate_maildb.rows import Quota
from chatgate_maildb.writer import Transaction, Writer

# Free pages of the database that are kept for new mail, and how many are returned to the disk in one transaction.
_SPARE_PAGES = 1000
_PAGES_AT_ONCE = 50

# Mailboxes that remember more than so many expunged messages. About a thousand rows are read at a time, those of a
# mailbox together: reading all of them at once would block the hub.
_LAST = "SELECT mailbox_id FROM expunged WHERE mailbox_id>? ORDER BY mailbox_id LIMIT 1 OFFSET 1000"
_REMEMBERED = """SELECT mailbox_id, count(*) FROM expunged WHERE mailbox_id>? AND mailbox_id<=?
    GROUP BY mailbox_id HAVING count(*)>?"""

# The folder of the leases' files, inside the store's folder.
LEASES = "leases"

# Age in seconds from which a body file without a row is a leftover: no delivery takes that long.
_LEFTOVER = 3600.0


class MailStore(Accounts, Mailboxes, Queue, Removal, Retention):
    """The gateway's `Store`. folder: made if missing. post: told each changed mailbox id after the commit.

    Several processes may have one folder open. They see each other's changes at once, but are not woken by them.
    Raises PluginError when the folder or the database cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        options: MailDbOptions,
        post: Callable[[int], None],
        domains: Mapping[str, MailDbOptions] | None = None,
    ) -> None:
        """domains: the options of domains, by name, where they are others."""
        quotas = {name: Quota(own.quota_bytes, own.quota_messages) for name, own in (domains or {}).items()}
        general = Quota(options.quota_bytes, options.quota_messages)
        self.quotas = {name: quota for name, quota in quotas.items() if quota != general}
        self.folder, self.options, self._closed = folder, options, False
        belongs.check_there(folder)
        database.make_folder(folder)
        reserve = Reserve(folder, options.reserve_bytes)
        with ExitStack() as opened:  # closed again when something later fails
            self._presence = opened.enter_context(closing(database.Presence(folder)))
            writing = opened.enter_context(closing(database.connect(folder, writing=True)))
            migrations.upgrade(writing, self._presence.alone)
            belongs.check_same(folder, writing)
            migrations.make_shrinkable(writing)
            self.reader = database.Reader(database.connect(folder, writing=False))
            self.checkpoints = Checkpoints(database.connect(folder, writing=True))
            opened.pop_all()
        self.blobs = Blobs(folder / "blobs")
        self._leases = leases.Leases(folder / LEASES)
        self.writer = Writer(writing, post, self.blobs.remove, self.checkpoints, reserve, options.busy_seconds)
        self.fetched = Fetched(self.writer)
        if self._presence.alone:
            self.blobs.sweep(self._wanted, age=0)
            self._presence.share()

    def integrity(self) -> list[str]:
        threads = gevent.threadpool.ThreadPool(1)
        try:
            return threads.apply(integrity.problems, (self.folder, self.blobs))
        finally:
            threads.kill()

    def expire(self, now: float) -> dict[str, int]:
        """Finish removing deleted mailboxes, forget old expunged messages and tombstones, remove body files left by a
        crash, and return free space to the disk.
        """
        deleted = self.reader.rows("SELECT id FROM mailbox WHERE account_id IS NULL")
        purging.purge(self.writer, [mailbox_id for (mailbox_id,) in deleted])
        self.drop_released()
        forgotten, tombstones = self._forget(), self._forget_tombstones(int(now) // DAY)
        files = self.blobs.sweep(self._wanted, _LEFTOVER)
        counts = {
            "deleted mailboxes": len(deleted),
            "expunged messages forgotten": forgotten,
            "tombstones": tombstones,
            "body files": files,
            "octets given back": self._shrink(),
        }
        return {kind: count for kind, count in counts.items() if count}

    def lease(self, name: str, holder: str, seconds: float) -> bool:
        if self._closed:
            raise StoreUnavailable()
        return self._leases.lease(name, holder, seconds)

    def release(self, name: str, holder: str) -> None:
        self._leases.release(name, holder)

    def leases(self) -> list[Lease]:
        return leases.held(self.folder / LEASES)

    def _forget(self) -> int:
        forgotten, behind, end = 0, 0, 1 << 62
        while behind != end:
            ((last,),) = self.reader.rows(_LAST, (behind,)) or ((end,),)
            for mailbox_id, count in self.reader.rows(_REMEMBERED, (behind, last, self.options.expunged_kept)):
                forgotten += self._forget_of(mailbox_id, count - self.options.expunged_kept)
            behind = last
            give_turn()
        return forgotten

    def _forget_of(self, mailbox_id: int, count: int) -> int:
        forgotten = 0
        while forgotten < count:
            least = min(count - forgotten, purging.FORGOTTEN_AT_ONCE)
            gone = self.writer.run(partial(purging.forget, mailbox_id=mailbox_id, count=least), patient=True)
            if not gone:  # another process was faster
                break
            forgotten += gone
        return forgotten

    def _forget_tombstones(self, today: int) -> int:
        days, forgotten = self.options.tombstone_days, 0
        if not days:
            return 0
        sql = "DELETE FROM tombstone WHERE hash IN (SELECT hash FROM tombstone WHERE day<? LIMIT 1000)"
        while gone := self.writer.run(lambda tx: tx.execute(sql, (today - days,)).rowcount, patient=True):
            forgotten += gone
        return forgotten

    def _shrink(self) -> int:
        """Give free pages of the database, but for some that new mail will need, back to the disk: so many octets."""
        ((size,),) = self.reader.rows("PRAGMA page_size")
        given = 0
        while (free := self.reader.rows("PRAGMA freelist_count")[0][0]) > _SPARE_PAGES:
            pages = min(free - _SPARE_PAGES, _PAGES_AT_ONCE)
            self.writer.run(partial(_vacuum, pages=pages), patient=True)
            left = self.reader.rows("PRAGMA freelist_count")[0][0]
            if left >= free:  # others delete as fast, or this database cannot be made shorter
                break
            given += (free - left) * size
            give_turn()
        if given:
            self.checkpoints.run()  # makes the file itself shorter
        return given

    def _wanted(self, name: str) -> bool:
        return bool(self.reader.rows("SELECT 1 FROM body WHERE file=?", (name,)))

    def close(self) -> None:
        """Finish all pending work, then close. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._leases.close()
        self.writer.close()
        self.blobs.close()
        self.reader.close()
        self._presence.close()


def _vacuum(tx: Transaction, pages: int) -> None:
    """Return so many free pages to the disk."""
    tx.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
