"""Who is in the group, what the gateway is there, and the links into it: the rows of alerts.db."""

from __future__ import annotations

import secrets
from typing import NamedTuple
from urllib.parse import quote

import peewee

from chatgate_alerts.database import Database, Invitation, Member, Own

_ALL = [Own, Member, Invitation]


class Us(NamedTuple):
    """The gateway in the group. secret, public: its key. group: the id."""

    address: str
    fingerprint: str
    secret: bytes
    public: bytes
    group: str


class Person(NamedTuple):
    """A member. since: Unix seconds."""

    address: str
    fingerprint: str
    key: bytes
    since: float


class Members:
    """All methods raise PluginError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def us(self) -> Us | None:
        """None: there is no group."""

        def work(db: peewee.SqliteDatabase) -> Us | None:
            rows = Own.select().execute(db)
            found = [Us(one.address, one.fingerprint, bytes(one.secret), bytes(one.public), one.group) for one in rows]
            return found[0] if found else None

        return self._database.run(work, writes=False)

    def begin(self, us: Us) -> None:
        self._database.run(lambda db: Own.insert(**us._asdict()).execute(db))

    def end(self) -> None:
        """Forget the group, with all keys."""
        self._database.run(lambda db: [model.delete().execute(db) for model in _ALL])

    def all(self) -> list[Person]:
        """The oldest first."""

        def work(db: peewee.SqliteDatabase) -> list[Person]:
            rows = Member.select().order_by(Member.since, Member.address).execute(db)
            return [Person(row.address, row.fingerprint, bytes(row.key), row.since) for row in rows]

        return self._database.run(work, writes=False)

    def put(self, person: Person) -> None:
        """Add a member, or change the key of one."""
        self._database.run(lambda db: Member.replace(**person._asdict()).execute(db))

    def remove(self, address: str) -> bool:
        return bool(self._database.run(lambda db: Member.delete().where(Member.address == address).execute(db)))

    def invite(self, until: float) -> tuple[str, str]:
        """Number and secret of a new link. The older links stay good as long as they are."""
        number, auth = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
        self._database.run(lambda db: Invitation.insert(auth=auth, number=number, until=until).execute(db))
        return number, auth

    def invited(self, now: float, number: str = "", auth: str = "") -> bool:
        """Is this one of a link that is still good?"""

        def work(db: peewee.SqliteDatabase) -> bool:
            Invitation.delete().where(Invitation.until < now).execute(db)
            rows = list(Invitation.select().execute(db))
            return any(
                secrets.compare_digest(number or auth, row.number if number else row.auth)
                for row in rows
                if (number or auth).isascii()
            )

        return self._database.run(work)

    def open(self, now: float) -> bool:
        """Is any link good?"""
        return self._database.run(
            lambda db: Invitation.select().where(Invitation.until >= now).exists(db), writes=False
        )


def link(us: Us, name: str, number: str, auth: str) -> tuple[str, str]:
    """(what a QR code holds, a link to tap on). name: of the group. Older and newer apps take both forms; without a
    version in it the app asks for the key by the invitation number.
    """
    facts = {"a": us.address, "g": name, "x": us.group, "i": number, "s": auth, "n": name}
    fragment = "&".join(f"{key}={quote(value, safe='')}" for key, value in facts.items())
    return f"OPENPGP4FPR:{us.fingerprint}#{fragment}", f"https://i.delta.chat/#{us.fingerprint}&{fragment}"
