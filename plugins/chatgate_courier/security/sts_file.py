"""mta-sts.db: the policies of other domains, so that a restart does not forget them before their time."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import peewee
from chatgate_filedb import ERRORS, FileDatabase

from chatgate.api import PluginError
from chatgate_courier.security.sts_policy import StsPolicy, parse

log = logging.getLogger("chatgate.courier")


class Kept(NamedTuple):
    """A policy that was fetched. id: of the record then. fetched: Unix seconds."""

    id: str
    policy: StsPolicy
    fetched: float

    def holds(self, now: float) -> bool:
        return now < self.fetched + self.policy.max_age


class _Row(peewee.Model):
    """until: Unix seconds after which the policy does not hold any more."""

    domain = peewee.TextField(primary_key=True)
    id = peewee.TextField()
    document = peewee.TextField()
    fetched = peewee.FloatField(index=True)
    until = peewee.FloatField(index=True)

    class Meta:
        table_name = "policy"
        without_rowid = True


class StsFile:
    """It may be lost, and what cannot be read or written is fetched again; so its errors are only logged."""

    def __init__(self, path: Path, most: int) -> None:
        """most: policies to keep; those fetched longest ago go first."""
        self.database = FileDatabase("courier", path, [_Row], durable=False, replaceable=True)
        self._most = most

    def get(self, domain: str) -> Kept | None:
        query = _Row.select().where(_Row.domain == domain).tuples()
        try:
            rows = self.database.run(lambda database: list(query.execute(database)), writes=False)
            return next((Kept(row[1], parse(row[2].encode()), row[3]) for row in rows), None)
        except (*ERRORS, PluginError, ValueError) as error:
            log.warning("policies of other domains cannot be read: %s", error)
            return None

    def put(self, domain: str, kept: Kept) -> None:
        until = kept.fetched + kept.policy.max_age
        row = _Row.replace(domain=domain, id=kept.id, document=str(kept.policy), fetched=kept.fetched, until=until)
        over = _Row.delete().where(_Row.until <= kept.fetched)
        newest = _Row.select(_Row.domain).order_by(_Row.fetched.desc(), _Row.domain).limit(self._most)
        oldest = _Row.delete().where(_Row.domain.not_in(newest))

        def write(database: peewee.SqliteDatabase) -> None:
            over.execute(database)
            row.execute(database)
            if _Row.select().count(database) > self._most:
                oldest.execute(database)

        try:
            self.database.run(write)
        except (*ERRORS, PluginError) as error:
            log.warning("the policy of another domain cannot be kept: %s", error)
