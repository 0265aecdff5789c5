"""maddy, and what madmail adds to it: the folder with its state, or databases elsewhere."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from chatgate_movein import maildir, names
from chatgate_movein.imapsql import Mailboxes
from chatgate_movein.places import Place
from chatgate_movein.records import Folder, Invited, Person, SigningKey, Unreadable
from chatgate_movein.sql import Database, number, text

T = TypeVar("T")

_DAY = 86400
_MOST_TEXT = 1 << 20


@dataclass(frozen=True, slots=True)
class Where:
    """path: the folder with the state (/var/lib/maddy). Others: None for what is usual below it. storage, credentials:
    a SQLite file or what libpq takes. table: of the credentials.
    """

    path: Path
    storage: str | None = None
    credentials: str | None = None
    messages: Path | None = None
    aliases: Path | None = None
    table: str = "passwords"


class Maddy:
    """most: octets of a message."""

    def __init__(self, kind: str, where: Where, most: int) -> None:
        self.kind, self._where, self._most = kind, where, most
        self.faults: list[str] = []
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", where.table):
            raise Unreadable(f"{where.table}: not the name of a table")
        self._opened: dict[str, Database] = {}
        storage = where.storage or self._there("imapsql.db")
        credentials = where.credentials or self._there("credentials.db", "chatmail.db") or storage
        self._storage = self._open(storage) if storage else None
        if not credentials:
            raise Unreadable(f"{where.path}: no credentials.db here; --credentials says where it is")
        self._credentials = self._open(credentials)
        self._mailboxes = None
        if self._storage is not None and "msgs" in self._storage.tables:
            messages = where.messages or where.path / "messages"
            self._mailboxes = Mailboxes(self._storage, messages, most)

    def _there(self, *files: str) -> str | None:
        return next((str(self._where.path / file) for file in files if (self._where.path / file).is_file()), None)

    def _open(self, where: str) -> Database:
        if where not in self._opened:
            self._opened[where] = Database(where)
        return self._opened[where]

    def people(self) -> Sequence[Person]:
        secrets = self._secrets()
        users = self._mailboxes.users() if self._mailboxes else {}
        facts = self._quotas()
        tokens = self._tokens()
        blocked = set(self._column("blocked_users", "username"))
        maildirs = self._maildirs()
        found = {}
        ids = self._by_name(users.items())
        for name in {**secrets, **dict.fromkeys(ids, ""), **dict.fromkeys(maildirs, ""), **dict.fromkeys(blocked, "")}:
            found[name] = Person(
                name,
                secrets.get(name, ""),
                partial(self._folders, ids.get(name), maildirs.get(name)),
                tokens=tokens.get(name, ()),
                blocked=name in blocked,
                **facts.get(name, {}),
            )
        return [found[name] for name in sorted(found)]

    def _secrets(self) -> dict[str, str]:
        table = self._where.table
        if table not in self._credentials.tables:
            raise Unreadable(f"{self._credentials.name}: it has no table {table}; --table says how it is called")
        columns = self._credentials.columns(table)
        fields = "username, hash" if "hash" in columns else "key, value"
        rows = self._credentials.rows(f"SELECT {fields} FROM {table}")
        return self._by_name((text(name), text(value)) for name, value in rows if text(name))

    def _by_name(self, pairs: Iterable[tuple[str, T]]) -> dict[str, T]:
        """By names in lower case, in which such a server writes and compares them."""
        found: dict[str, T] = {}
        for name, value in sorted(pairs, key=lambda pair: pair[0] != pair[0].lower()):
            if name.lower() in found:
                self.faults.append(f"{names.shown(name)}: another name differs in case only")
            found.setdefault(name.lower(), value)
        return found

    def _databases(self) -> list[Database]:
        return list(self._opened.values())

    def _holding(self, table: str) -> Database | None:
        return next((one for one in self._databases() if table in one.tables), None)

    def _column(self, table: str, column: str) -> list[str]:
        held = self._holding(table)
        rows = held.rows(f"SELECT {column} FROM {table}") if held else []
        return [text(name).lower() for (name,) in rows if "@" in text(name)]

    def _quotas(self) -> dict[str, dict[str, Any]]:
        held = self._holding("quotas")
        if held is None:
            return {}
        facts: dict[str, dict[str, Any]] = {}
        for name, most, made, seen in held.rows("SELECT username, max_storage, created_at, last_login_at FROM quotas"):
            octets = number(most, 1, (1 << 62))
            facts[text(name).lower()] = {
                "quota": octets,
                "created": (number(made, 0, 1 << 40) or 0) // _DAY,
                "last_login": (number(seen, 0, 1 << 40) or 0) // _DAY,
            }
        return facts

    def _tokens(self) -> dict[str, list[tuple[bytes, int]]]:
        held = self._holding("push_tokens")
        rows = held.rows("SELECT username, device_token, updated_at FROM push_tokens") if held else []
        tokens: dict[str, list[tuple[bytes, int]]] = {}
        for name, token, when in rows:
            tokens.setdefault(text(name).lower(), []).append((text(token).encode(), _seconds(when) // _DAY))
        return tokens

    def _maildirs(self) -> dict[str, Path]:
        """madmail 2 keeps mail in mail/ADDRESS/Maildir and mail/ADDRESS/folders/NAME/Maildir."""
        root = self._where.path / "mail"
        if not root.is_dir():
            return {}
        with Place(root) as place:
            return {name.lower(): root / name for name in place.names() if "@" in name}

    def _folders(self, user: int | None, home: Path | None) -> Iterator[Folder]:
        if user is not None and self._mailboxes is not None:
            yield from self._mailboxes.folders(user)
        if home is None:
            return
        with Place(home.parent) as mail, mail.sub(home.name) as own:
            if own.has("Maildir"):
                with own.sub("Maildir") as place:
                    yield self._maildir(place, "INBOX")
            if own.has("folders"):
                with own.sub("folders") as folders:
                    for name in folders.names():
                        with contextlib.suppress(Unreadable), folders.sub(name) as inner, inner.sub("Maildir") as place:
                            yield self._maildir(place, name)

    def _maildir(self, place: Place, name: str) -> Folder:
        return maildir.folder(place, name, self._most, "chatmail-uidlist", maildir.chatmail, cur_is_seen=True)

    def keys(self) -> Sequence[SigningKey]:
        """DOMAIN_SELECTOR.key in dkim_keys."""
        folder = self._where.path / "dkim_keys"
        if not folder.is_dir():
            return []
        with Place(folder) as place:
            found = [re.fullmatch(r"([^_].*)_([^_]+)\.key", name) for name in place.names()]
        return [SigningKey(match[1], match[2], folder / match[0]) for match in found if match]

    def invitations(self) -> Sequence[Invited]:
        held = self._holding("registration_tokens")
        if held is None:
            return []
        statement = "SELECT token, max_uses, used_count, comment, expires_at FROM registration_tokens"
        found = []
        for token, most, used, comment, end in held.rows(statement):
            # What cannot be read is taken for spent, or over: an invitation must not come to let in more than before.
            uses, gone = number(most, 1, 1 << 30), number(used, 0, 1 << 30)
            if text(token) and uses and gone is not None and gone < uses:
                expires = 0 if end is None else _seconds(end) or 1
                found.append(Invited(text(token), uses, gone, expires, text(comment)))
            else:
                self.faults.append("invitation: it is used up")
        return found

    def aliases(self) -> Sequence[tuple[str, str]]:
        """Those of a table.file: "alias: target, target", and of a table called aliases."""
        file = self._where.aliases or self._where.path / "aliases"
        found: list[tuple[str, str]] = []
        if file.is_file():
            with Place(file.parent) as place:
                lines = place.read(file.name, _MOST_TEXT).decode("utf-8", "replace").splitlines()
            for line in lines:
                alias, _, targets = line.partition("#")[0].partition(":")
                found += [(alias.strip(), target.strip()) for target in targets.split(",") if target.strip()]
        if (held := self._holding("aliases")) is not None:
            found += [(text(alias), text(target)) for alias, target in held.rows("SELECT key, value FROM aliases")]
        return found

    def close(self) -> None:
        for database in self._databases():
            database.close()


def _seconds(when: Any) -> int:
    """Unix seconds of a time, which is a number, a text or a datetime; 0 for none."""
    if isinstance(when, str):
        try:
            when = datetime.fromisoformat(when)
        except ValueError:
            return 0
    if isinstance(when, datetime):
        when = int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
    return number(when, 0, 1 << 40) or 0
