"""What the sources (one module for each kind of server) tell of another server, in words that all have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

# A UID beyond is a mistake: the mailbox would soon have none left for new mail (RFC 9051 §2.3.1.1: below 2^32).
LARGEST_UID = (1 << 32) - (1 << 24)


class Unreadable(Exception):
    """Something of the other server cannot be read. str(): why, for the operator, without its contents."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message. uid: 0 if it has none yet. date: INTERNALDATE, Unix seconds. flags: as they stand there.
    read: the whole content, with the line ends that clients saw; raises Unreadable.
    """

    uid: int
    date: int
    flags: Sequence[str]
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Folder:
    """A mailbox. name: "/" between levels. uidvalidity: 0 if it has none. uidnext: above all UIDs. letters: by
    ascending UID, those above a UID; raises Unreadable. faults: what is wrong with it as a whole.
    """

    name: str
    uidvalidity: int
    uidnext: int
    letters: Callable[[int], Iterator[Letter]]
    special_use: str = ""
    subscribed: bool = True
    faults: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """An account. name: its address, as it stands there. secret: a hash of the password as it stands there, "" for
    none. last_login, created: days since 1970-01-01, 0 if it is not known. quota: octets, None for the default.
    tokens: device tokens, with the day on which each was set. cleartext: it took unencrypted mail. blocked: nobody may
    have this address. folders: raises Unreadable.
    """

    name: str
    secret: str = field(repr=False)
    folders: Callable[[], Iterator[Folder]] = lambda: iter(())
    last_login: int = 0
    created: int = 0
    quota: int | None = None
    tokens: Sequence[tuple[bytes, int]] = field(default=(), repr=False)
    cleartext: bool = False
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private DKIM key in a PEM file, with the name it has in the DNS (SELECTOR._domainkey.DOMAIN)."""

    domain: str
    selector: str
    file: Path


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation. token: as it stands there. uses: 0 for any number. expires: Unix seconds, 0 for never."""

    token: str = field(repr=False)
    uses: int
    used: int
    expires: int
    note: str


class Source(Protocol):
    """One other server. All methods may raise Unreadable.

    kind: the word for it in the command line. aliases: (alias, target) pairs. faults: what is told of the server as a
    whole, when everything was read.
    """

    kind: str
    faults: list[str]

    def people(self) -> Sequence[Person]: ...

    def keys(self) -> Sequence[SigningKey]: ...

    def invitations(self) -> Sequence[Invited]: ...

    def aliases(self) -> Sequence[tuple[str, str]]: ...

    def close(self) -> None: ...
