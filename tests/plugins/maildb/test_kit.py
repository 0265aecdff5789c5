"""maildb keeps the contract of a store."""

from contextlib import ExitStack
from unittest import mock

from chatgate_maildb import MailDbOptions, removal, rows
from chatgate_maildb.store import MailStore

from chatgate.testing.store import StoreKit


class TestMailDb(StoreKit):
    def open_store(self, folder, post, octets=0, messages=0):
        options = MailDbOptions(quota_bytes=octets, quota_messages=messages, expunged_kept=100)
        return MailStore(folder, options, post)

    def small(self):
        small = ExitStack()
        small.enter_context(mock.patch.multiple(removal, _LEAST=1, _MOST=3, _NOTES=4))
        small.enter_context(mock.patch.multiple(rows, _DELETED_AT_ONCE=1, _CHUNK=2))
        return small

    def inspect(self, store, folder):
        """No row and no file is left that belongs to nobody. (That each body has a message, `integrity` says.)"""
        assert store.reader.rows("SELECT count(*) FROM mailbox WHERE account_id IS NULL") == [(0,)]
        assert store.reader.rows("SELECT count(*) FROM released") == [(0,)]
        store.blobs.finish()
        named = {name for (name,) in store.reader.rows("SELECT file FROM body WHERE file IS NOT NULL")}
        assert {path.name for path in (folder / "blobs").rglob("*") if path.is_file()} == named
