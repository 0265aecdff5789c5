"""Who is logged in: a random cookie for each login, of which the file knows the hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

import peewee

from chatgate_admin.database import Database, Login
from chatgate_admin.options import AdminOptions

_SEEN_SECONDS = 60.0  # for which it is not written anew that a login is used
_LONGEST_MESSAGE = 2000


def new_token() -> str:
    """A value for a cookie: 256 random bits."""
    return secrets.token_urlsafe(32)


def form_token(token: str) -> str:
    """What each form of this browser must hold: whoever cannot read the cookie cannot know it."""
    return hmac.digest(token.encode("utf-8", "replace"), b"form", "sha256").hex()


class Seen(NamedTuple):
    """A login that is good. message: what the next page is to show."""

    token: str
    message: str


class Logins:
    """In the file, so that all processes know of them. clock: Unix seconds."""

    def __init__(self, database: Database, options: AdminOptions, clock: Callable[[], float] = time.time) -> None:
        self._database, self._options, self._clock = database, options, clock

    def begin(self) -> str:
        """Somebody has proven to be the operator. Returns the token."""
        token, now, most = new_token(), self._clock(), self._options.max_sessions

        def work(database: peewee.SqliteDatabase) -> None:
            Login.delete().where(~self._good(now)).execute(database)
            newest = Login.select(Login.digest).order_by(Login.began.desc()).limit(most - 1).tuples()
            kept = [digest for (digest,) in newest.execute(database)]
            Login.delete().where(Login.digest.not_in(kept)).execute(database)
            Login.insert(digest=_digest(token), began=now, seen=now).execute(database)

        self._database.run(work)
        return token

    def find(self, token: str, used: bool = True) -> Seen | None:
        """The login of this token, if it is good. used: by a person, which keeps it from ending; not by a page that
        comes again by itself.
        """
        if not token:
            return None
        mine, now = Login.digest == _digest(token), self._clock()

        def look(database: peewee.SqliteDatabase) -> tuple[float, str] | None:
            query = Login.select(Login.seen, Login.message).where(mine, self._good(now))
            return next(iter(query.tuples().execute(database)), None)

        found = self._database.run(look, writes=False)
        if found is None:
            return None
        seen, message = found
        if message or (used and now - seen > _SEEN_SECONDS):
            update = Login.update(message="", seen=now if used else seen)
            self._database.run(update.where(mine).execute)
        return Seen(token, message)

    def tell(self, token: str, message: str) -> None:
        """Have the next page of this login show a message."""
        self._database.run(
            Login.update(message=message[:_LONGEST_MESSAGE]).where(Login.digest == _digest(token)).execute
        )

    def end(self, token: str) -> None:
        self._database.run(Login.delete().where(Login.digest == _digest(token)).execute)

    def end_all(self) -> int:
        """Returns how many there were."""
        return self._database.run(Login.delete().execute)

    def count(self) -> int:
        good = self._good(self._clock())
        return self._database.run(lambda database: Login.select().where(good).count(database), writes=False)

    def _good(self, now: float) -> peewee.Expression:
        idle, all_of_it = self._options.idle_minutes * 60, self._options.session_hours * 3600
        return (Login.seen > now - idle) & (Login.began > now - all_of_it) & (Login.began <= now + 60)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
