"""chatmail/relay: Dovecot's Maildirs, one folder for each account, with the files of chatmaild in it."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from chatgate_movein import maildir, names
from chatgate_movein.places import Place
from chatgate_movein.records import Folder, Invited, Person, SigningKey, Unreadable

_DAY = 86400
_MOST_FOLDERS = 1000


class Relay:
    """path: the folder of a mail domain (/home/vmail/mail/DOMAIN), of several (/home/vmail/mail), or a copy of the
    machine's root with home/vmail/mail and etc/dkimkeys in it. most: octets of a message.
    """

    kind = "relay"

    def __init__(self, path: Path, most: int) -> None:
        self._path, self._most = path, most
        self.faults: list[str] = []

    def people(self) -> Sequence[Person]:
        below = self._path / "home/vmail/mail"
        root = below if below.is_dir() else self._path
        found: list[Person] = []
        with Place(root) as place:
            for folder, inner in self._domains(place):
                for name in inner.names():
                    if "@" in name and inner.has(name):
                        found += self._person(inner, folder / name, name)
        if not found and not self.faults:
            raise Unreadable(
                f"{root}: there are no accounts here: no folders of the name of an address with a password"
            )
        # Dovecot writes names in lower case: those come before others that differ in case only.
        return sorted(found, key=lambda person: person.name != person.name.lower())

    def _domains(self, place: Place) -> Iterator[tuple[Path, Place]]:
        yield place.path, place
        for name in place.names():
            if "@" not in name and not name.startswith("."):
                with contextlib.suppress(Unreadable), place.sub(name) as inner:
                    yield inner.path, inner

    def _person(self, domain: Place, path: Path, name: str) -> list[Person]:
        try:
            with domain.sub(name) as home:
                if not home.has("password"):
                    if home.has("cur") or home.has("new"):
                        self.faults.append(f"{names.shown(name)}: no password: nobody could log in to it there either")
                    return []
                secret = home.read("password", 4096).decode("ascii", "replace")
                seen = int(home.stat("password").st_mtime) // _DAY
                tokens = _tokens(home)
                cleartext = not home.has("enforceE2EEincoming")
        except Unreadable as error:
            self.faults.append(f"{names.shown(name)}: {error}")
            return []
        folders = partial(self._folders, path)
        return [Person(name, secret, folders, last_login=seen, tokens=tokens, cleartext=cleartext)]

    def _folders(self, path: Path) -> Iterator[Folder]:
        with Place(path.parent) as domain, domain.sub(path.name) as home:
            subscribed = _subscribed(home)
            inside = [name for name in home.names() if name.startswith(".") and len(name) > 1]
            if len(inside) > _MOST_FOLDERS:
                raise Unreadable(f"more than {_MOST_FOLDERS} mailboxes")
            yield maildir.folder(home, "INBOX", self._most, "dovecot-uidlist", maildir.dovecot)
            for name in inside:
                try:
                    with home.sub(name) as inner:
                        if not inner.has("cur"):
                            continue
                        there = names.levels(names.modified_utf7(name[1:]))
                        box = maildir.folder(inner, there, self._most, "dovecot-uidlist", maildir.dovecot)
                        yield replace(box, subscribed=name[1:] in subscribed)
                except Unreadable as error:
                    yield Folder(names.shown(name[1:]), 0, 1, lambda _: iter(()), faults=[str(error)])

    def keys(self) -> Sequence[SigningKey]:
        """Those of OpenDKIM's KeyTable: NAME DOMAIN:SELECTOR:FILE."""
        folder = self._path / "etc/dkimkeys"
        if not folder.is_dir():
            return []
        with Place(folder) as place:
            table = place.read("KeyTable", 1 << 20).decode("ascii", "replace") if place.has("KeyTable") else ""
            found = re.findall(r"^\S+ +([^\s:]+):([^\s:]+):\S*/([^\s/]+)$", table, re.M)
            return [SigningKey(domain, selector, folder / file) for domain, selector, file in found]

    def invitations(self) -> Sequence[Invited]:
        return []

    def aliases(self) -> Sequence[tuple[str, str]]:
        return []

    def close(self) -> None:
        pass


def _tokens(home: Place) -> list[tuple[bytes, int]]:
    """The device tokens of metadata.json: a list, or an object with the Unix seconds of each."""
    try:
        data: Any = json.loads(home.read("metadata.json", 1 << 20))
    except (Unreadable, ValueError, RecursionError):
        return []
    kept = data.get("devicetoken") if isinstance(data, dict) else None
    if isinstance(kept, list):
        kept = dict.fromkeys((one for one in kept if isinstance(one, str)), time.time())
    if not isinstance(kept, dict):
        return []
    pairs = [(token, when) for token, when in kept.items() if isinstance(when, int | float) and 0 < when < 1e11]
    return [(token.encode("utf-8", "replace"), int(when) // _DAY) for token, when in pairs]


def _subscribed(home: Place) -> set[str]:
    """Names in modified UTF-7, with dots between levels in version 1 of the file and tabs in version 2."""
    try:
        lines = home.read("subscriptions", 1 << 20).decode("ascii", "replace").splitlines()
    except Unreadable:
        return set()
    return {line.replace("\t", ".") for line in lines}
