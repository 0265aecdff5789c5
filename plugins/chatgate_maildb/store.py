"""The store: opened, joined of its parts, and closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from chatgate_filedb import changed

from chatgate.api import Lease, StoreUnavailable
from chatgate_maildb import belongs, database, leases, migrations, way
from chatgate_maildb.accounts import Accounts
from chatgate_maildb.blobs import Blobs
from chatgate_maildb.bodies import Bodies
from chatgate_maildb.checkpoints import Checkpoints
from chatgate_maildb.clock import Clock
from chatgate_maildb.contents import Contents
from chatgate_maildb.copies import Copies
from chatgate_maildb.fetched import Fetched
from chatgate_maildb.mailboxes import Mailboxes
from chatgate_maildb.messages import Messages
from chatgate_maildb.options import MailDbOptions
from chatgate_maildb.queue import Queue
from chatgate_maildb.removal import Removal
from chatgate_maildb.reserve import Reserve
from chatgate_maildb.restoring import Restoring
from chatgate_maildb.retention import Retention
from chatgate_maildb.rows import Quota
from chatgate_maildb.storing import Storing
from chatgate_maildb.upkeep import Upkeep
from chatgate_maildb.writer import Writer

# The folder of the leases' files, inside the store's folder.
LEASES = "leases"


class MailStore:
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
        self.folder, self.options, self._closed = folder, options, False
        self._domains = domains or {}
        belongs.check_there(folder)
        database.make_folder(folder)
        reserve = Reserve(folder, options.reserve_bytes)
        with ExitStack() as opened:  # closed again when something later fails
            self._presence = opened.enter_context(closing(database.Presence(folder)))
            writing = opened.enter_context(closing(database.connect(folder, writing=True)))
            migrations.upgrade(writing, self._presence.alone, save=partial(way.save, folder, options))
            changed(folder / "mail.db")
            belongs.check_same(folder, writing)
            migrations.make_shrinkable(writing)
            self.reader = database.Reader(database.connect(folder, writing=False))
            self.checkpoints = Checkpoints(database.connect(folder, writing=True))
            opened.pop_all()
        self.blobs = Blobs(folder / "blobs")
        self._leases = leases.Leases(folder / LEASES)
        self.writer = Writer(writing, post, self.blobs.remove, self.checkpoints, reserve, options.busy_seconds)
        self.fetched = Fetched(self.writer)
        self.clock = Clock()
        self.quota = _quota(options, self._domains)
        self._join()
        if self._presence.alone:
            self.blobs.sweep(self.upkeep.wanted, age=0)
            self._presence.share()

    def _join(self) -> None:
        """Make the parts, each with what it needs. The methods of the contract are theirs, each bound once."""
        reader, writer = self.reader, self.writer

        accounts = Accounts(reader, writer, self.clock, self.quota)
        self.account, self.recipients, self.accounts = accounts.account, accounts.recipients, accounts.accounts
        self.create_account, self.delete_account = accounts.create_account, accounts.delete_account
        self.set_secret, self.set_disabled, self.set_quota = (
            accounts.set_secret,
            accounts.set_disabled,
            accounts.set_quota,
        )
        self.set_last_login, self.note_present = accounts.set_last_login, accounts.note_present
        self.tombstone, self.forget_tombstone = accounts.tombstone, accounts.forget_tombstone
        self.idle_accounts, self.crowded_accounts = accounts.idle_accounts, accounts.crowded_accounts
        self.count_accounts, self.usage = accounts.count_accounts, accounts.usage

        boxes = Mailboxes(reader, writer, self.quota, self.options)
        self.mailbox, self.mailboxes = boxes.mailbox, boxes.mailboxes
        self.create_mailbox, self.rename_mailbox = boxes.create_mailbox, boxes.rename_mailbox
        self.delete_mailbox = boxes.delete_mailbox
        self.subscriptions, self.subscribe = boxes.subscriptions, boxes.subscribe
        self.annotations, self.annotate = boxes.annotations, boxes.annotate

        bodies = Bodies(writer, self.blobs, self.options.blob_bytes)
        self._copies = copies = Copies(self.clock, self.quota, self.options)
        storing = Storing(bodies, copies, self.clock)
        self.store, self.store_all = storing.store, storing.store_all
        self.restore_messages = Restoring(bodies).restore_messages

        contents = Contents(reader, self.blobs)
        self.content, self.open, self.header = contents.content, contents.open, contents.header

        messages = Messages(reader, writer, self.quota)
        self.status, self.changes, self.pages = messages.status, messages.changes, messages.pages
        self.set_flags, self.expunge, self.copy = messages.set_flags, messages.expunge, messages.copy

        queue = Queue(reader, writer, bodies, copies, contents)
        self.claim, self.next_due, self.open_queued = queue.claim, queue.next_due, queue.open_queued
        self.postpone, self.delay, self.settle = queue.postpone, queue.delay, queue.settle
        self.hold, self.offer, self.drop = queue.hold, queue.offer, queue.drop
        self.queue, self.count_queue = queue.queue, queue.count_queue

        self.removal = Removal(reader, writer, self.checkpoints)
        self.remove = self.removal.remove

        retention = Retention(reader, self.fetched)
        self.old, self.large, self.kept = retention.old, retention.large, retention.kept
        self.note_fetched = retention.note_fetched

        self.upkeep = Upkeep(self.folder, self.options, reader, writer, self.blobs, self.checkpoints, self.removal)
        self.integrity, self.expire = self.upkeep.integrity, self.upkeep.expire
        self.now, self.not_before = self.clock.now, self.clock.not_before

        self.release = self._leases.release

    def options_changed(self) -> None:
        """Live options have other values: take those that were taken at the start."""
        now = _quota(self.options, self._domains)
        self.quota.octets, self.quota.messages, self.quota.domains = now.octets, now.messages, now.domains
        self._copies.options_changed()

    def lease(self, name: str, holder: str, seconds: float) -> bool:
        if self._closed:
            raise StoreUnavailable()
        return self._leases.lease(name, holder, seconds)

    def leases(self) -> list[Lease]:
        return leases.held(self.folder / LEASES)

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


def _quota(options: MailDbOptions, domains: Mapping[str, MailDbOptions]) -> Quota:
    general = Quota(options.quota_bytes, options.quota_messages)
    others = {name: Quota(own.quota_bytes, own.quota_messages) for name, own in domains.items()}
    general.domains = {name: quota for name, quota in others.items() if quota != general}
    return general
