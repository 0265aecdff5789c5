"""maildb keeps the contract of a store."""

import errno
import sqlite3
from contextlib import ExitStack, contextmanager
from unittest import mock

from chatgate_maildb import MailDbOptions, removal, rows
from chatgate_maildb.blobs import Blobs
from chatgate_maildb.reserve import Reserve
from chatgate_maildb.store import MailStore

from chatgate.testing.store import StoreKit


def pages(store, most):
    """Set how many pages the database may have."""
    store.writer.run(lambda tx: tx.execute(f"PRAGMA max_page_count={most}").fetchall())


class TestMailDb(StoreKit):
    def open_store(self, folder, post, octets=0, messages=0):
        options = MailDbOptions(quota_bytes=octets, quota_messages=messages, expunged_kept=100)
        return MailStore(folder, options, post)

    def small(self):
        small = ExitStack()
        small.enter_context(mock.patch.multiple(removal, _LEAST=1, _MOST=3, _NOTES=4))
        small.enter_context(mock.patch.multiple(rows, _DELETED_AT_ONCE=1, _CHUNK=2))
        return small

    @contextmanager
    def full_disk(self, store, folder):
        """For SQLite, for files and for the reserve; the real thing is in full_disk.py."""
        no_space = OSError(errno.ENOSPC, "No space left on device")
        with (
            mock.patch.object(Reserve, "_free", return_value=0),
            mock.patch.object(Blobs, "_write", side_effect=no_space),
        ):
            pages(store, 1)  # as many as there are
            yield
        pages(store, 1 << 30)

    @contextmanager
    def broken_disk(self, store, folder):
        def fails():
            raise sqlite3.OperationalError("disk I/O error")

        with (
            mock.patch.object(Blobs, "_write", side_effect=OSError(errno.EIO, "Input/output error")),
            mock.patch.object(store.writer, "_commit", fails),
        ):
            yield

    def inspect(self, store, folder):
        """No row and no file is left that belongs to nobody. (That each body has a message, `integrity` says.)"""
        assert store.reader.rows("SELECT count(*) FROM mailbox WHERE account_id IS NULL") == [(0,)]
        assert store.reader.rows("SELECT count(*) FROM released") == [(0,)]
        store.blobs.finish()
        named = {name for (name,) in store.reader.rows("SELECT file FROM body WHERE file IS NOT NULL")}
        assert {path.name for path in (folder / "blobs").rglob("*") if path.is_file()} == named
