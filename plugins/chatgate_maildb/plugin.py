"""The hooks: the store, its wake-ups and its upkeep."""

from __future__ import annotations

import gevent

from chatgate.api import (
    Board,
    Domain,
    Facts,
    FolderBoard,
    Gateway,
    KeptFiles,
    Metric,
    Problem,
    Service,
    Store,
    Trouble,
    free_octets,
    hookimpl,
)
from chatgate_maildb import integrity, leases, measures
from chatgate_maildb.blobs import Blobs
from chatgate_maildb.kept import KeptMail
from chatgate_maildb.options import MailDbOptions
from chatgate_maildb.store import LEASES, MailStore


class MailDb:
    """The mail store on SQLite: accounts, mailboxes and messages, durable before every 250."""

    Options = MailDbOptions
    order = 60
    requires = ("accounts",)  # used to be a part of this plugin: folders of that time have no file for it

    def __init__(self, gateway: Gateway, options: MailDbOptions) -> None:
        self.gateway, self.options = gateway, options
        self._folder = gateway.path(options.folder)
        self._board = FolderBoard(self._folder)
        self._store: MailStore | None = None

    @hookimpl
    def chatgate_backup(self) -> list[KeptFiles]:
        return [KeptMail(self._folder)]

    @hookimpl
    def chatgate_board(self) -> Board:
        return self._board

    @hookimpl
    def chatgate_facts(self, domain: Domain) -> Facts:
        own = domain.options(self.options)
        return Facts(quota_octets=own.quota_bytes, quota_messages=own.quota_messages, tombstone_days=own.tombstone_days)

    @hookimpl
    def chatgate_open_store(self) -> Store:
        domains = {domain.name: domain.options(self.options) for domain in self.gateway.domains}
        self._store = MailStore(self._folder, self.options, self.gateway.board.post, domains)
        return self._store

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        return measures.metrics(self._store) if self._store is not None else []

    @hookimpl
    def chatgate_troubles(self) -> list[Trouble]:
        return measures.troubles(self._store) if self._store is not None else []

    @hookimpl
    def chatgate_reloaded(self) -> None:
        if self._store is not None:
            self._store.options_changed()

    @hookimpl
    def chatgate_services(self) -> list[Service]:
        return [self._board.others] if self.gateway.board is self._board else []

    @hookimpl
    def chatgate_check(self, gateway: Gateway) -> list[Problem]:
        if gateway.read_only:
            blobs = Blobs(self._folder / "blobs")
            lines = gevent.get_hub().threadpool.apply(integrity.look, (self._folder, blobs))
        else:
            lines = gateway.store.integrity()
        found = [Problem("error", f"maildb: {line}") for line in lines]
        ours = [domain.name for domain in gateway.domains]
        if others := gevent.get_hub().threadpool.apply(integrity.of_other_domains, (self._folder, ours)):
            than = ours[0] if len(ours) == 1 else "all of this gateway"
            text = f"maildb: {others} accounts are of another mail domain than {than}: nobody can log in to them"
            found.append(Problem("warning", text))
        free = free_octets(self._folder if self._folder.exists() else gateway.path())
        if free < self.options.min_free_bytes:
            found.append(Problem("warning", f"maildb: only {free // 1_000_000} MB are free on the disk with the mail"))
        for lease in leases.held(self._folder / LEASES):
            found.append(Problem("note", f"maildb: {lease.name} runs in {lease.holder}"))
        return found

    @hookimpl
    def chatgate_expire(self, now: float) -> dict[str, int]:
        return self.gateway.store.expire(now)
