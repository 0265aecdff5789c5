"""The keys of one domain, in a folder of its own: which sign, which wait until the DNS has them, which leave."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from chatgate.api import PluginError, replace_file
from chatgate_dkim import pem, record
from chatgate_dkim.signing import PrivateKey
from chatgate_dkim.tags import Malformed

KINDS = ("rsa", "ed25519")  # in the order in which they sign: who knows only RSA finds that first

State = Literal["signs", "waits", "leaves"]
_STATES = ("signs", "waits", "leaves")


class Key(NamedTuple):
    """state: "signs"; "waits" until its record is in the DNS; "leaves", and only its record stays for a while. since:
    Unix seconds.
    """

    kind: str
    selector: str
    state: State
    since: int


class Keyring:
    """folder: holds SELECTOR.KIND.pem for each key, and keys.json, which says what is done with them. Several processes
    may use it at the same time: changes are made under a lock, and seen by everybody at the next use.

    All methods raise PluginError, with a line for the operator, if files cannot be read or written.
    """

    def __init__(self, folder: Path, domain: str, clock: Callable[[], float] = time.time) -> None:
        """clock: Unix seconds."""
        self.folder, self.domain, self._clock = folder, domain, clock
        self._state = folder / "keys.json"
        self._signers: list[tuple[str, PrivateKey]] = []
        self._seen: list[tuple[Path, int, int]] = []  # of the files that they were loaded from

    # ------------------------------------------------------------------------------------------ looking

    @property
    def exists(self) -> bool:
        """Are there any keys?"""
        return self._state.exists()

    def keys(self) -> list[Key]:
        """All keys: RSA first; of one kind in the order in which they were added."""
        try:
            return self._read()
        except OSError as error:
            raise PluginError(f"dkim: {self._state}: {error.strerror}") from None

    def path(self, key: Key) -> Path:
        """The file with the private key."""
        return self.folder / f"{key.selector}.{key.kind}.pem"

    def record(self, key: Key) -> tuple[str, str]:
        """The name and the text of its TXT record."""
        return f"{key.selector}._domainkey.{self.domain}", pem.record(pem.load(self.path(key)))

    def signers(self) -> list[tuple[str, PrivateKey]]:
        """(selector, key) of each that signs. Costs a look at each file if nothing has changed."""
        try:
            if not self._seen or self._seen != [self._look(path) for path, _, _ in self._seen]:
                self._load()
        except OSError as error:
            self._seen = []
            raise PluginError(f"dkim: {error.filename}: {error.strerror}") from None
        return self._signers

    def _load(self) -> None:
        seen, signers = [self._look(self._state)], []
        for key in self.keys():
            if key.state == "signs":
                seen.append(self._look(self.path(key)))
                signers.append((key.selector, pem.load(self.path(key))))
        if not signers:
            raise PluginError(f"dkim: {self._state}: no key signs")
        self._seen, self._signers = seen, signers

    def _look(self, path: Path) -> tuple[Path, int, int]:
        found = os.stat(path)
        return path, found.st_mtime_ns, found.st_ino

    def _read(self) -> list[Key]:
        """Raises OSError too."""
        try:
            found = [Key(one["kind"], one["selector"], one["state"], int(one["since"])) for one in self._json()]
        except (KeyError, TypeError, ValueError):
            raise PluginError(f"dkim: {self._state}: not as this program writes it") from None
        if not all(key.kind in KINDS and key.state in _STATES and "/" not in key.selector for key in found):
            raise PluginError(f"dkim: {self._state}: not as this program writes it")
        return sorted(found, key=lambda key: KINDS.index(key.kind))

    def _json(self) -> Any:
        return json.loads(self._state.read_bytes())["keys"]

    # ------------------------------------------------------------------------------------------ changing

    def make(self, selector: str) -> None:
        """A key of each kind, which sign at once; nothing if there are keys already. Files with keys that are there
        without keys.json, as from a backup, are not replaced: their records may be in the DNS.
        """
        with self._change() as keys:
            for kind in KINDS if not keys else ():
                found = sorted(path.name.removesuffix(f".{kind}.pem") for path in self.folder.glob(f"*.{kind}.pem"))
                wanted = _named(selector, kind)
                if not found:
                    keys.append(self._new(kind, wanted, "signs"))
                else:
                    first = wanted if wanted in found else found[-1]
                    now = int(self._clock())
                    keys += [Key(kind, one, "signs" if one == first else "leaves", now) for one in found]

    def rotate(self, selector: str) -> list[Key]:
        """Add a new key of each kind, which waits. Raises PluginError if others wait already."""
        with self._change() as keys:
            if waiting := [key for key in keys if key.state == "waits"]:
                since = time.strftime("%Y-%m-%d", time.gmtime(waiting[0].since))
                raise PluginError(f"{self.domain}: new keys wait for their records in the DNS already, since {since}")
            day = time.strftime("%Y%m%d", time.gmtime(self._clock()))
            taken = {key.selector for key in keys}
            stamp = next(text for text in (day, *(f"{day}-{n}" for n in range(2, 1000))) if not _meets(text, taken))
            new = [self._new(kind, f"{_named(selector, kind)}-{stamp}", "waits") for kind in KINDS]
            keys += new
        return new

    def activate(self, waiting: Sequence[Key]) -> None:
        """These keys sign from now on, in place of those of their kind; which leave."""
        with self._change() as keys:
            now = int(self._clock())
            for new in waiting:
                if new in keys:
                    _retire(keys, new.kind, now)
                    keys[keys.index(new)] = new._replace(state="signs", since=now)

    def adopt(self, source: Path, selector: str) -> Key:
        """A key that was in use elsewhere, under the selector it had: signs at once in place of that of its kind."""
        private = pem.load(source)
        kind = pem.kind_of(private)
        with self._change() as keys:
            if any(key.selector == selector for key in keys):
                raise PluginError(f"{self.domain}: there is a key with the selector {selector} already")
            now = int(self._clock())
            _retire(keys, kind, now)
            new = Key(kind, selector, "signs", now)
            pem.save(self.path(new), private)
            keys.append(new)
        return new

    def drop(self, seconds: float) -> list[Key]:
        """Remove the keys that have been leaving for so long; returns them."""
        end = self._clock() - seconds
        if not any(key.state == "leaves" and key.since < end for key in self.keys()):
            return []
        with self._change() as keys:
            old = [key for key in keys if key.state == "leaves" and key.since < end]
            keys[:] = [key for key in keys if key not in old]
        for key in old:
            self.path(key).unlink(missing_ok=True)
        return old

    def _new(self, kind: str, selector: str, state: State) -> Key:
        key = Key(kind, selector, state, int(self._clock()))
        pem.save(self.path(key), pem.make(kind))
        return key

    @contextlib.contextmanager
    def _change(self) -> Iterator[list[Key]]:
        """The keys, to be changed; saved at the end if nothing was raised."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600), "wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                before = self._read() if self.exists else []
                keys = list(before)
                yield keys
                if keys != before:
                    data = {"keys": [key._asdict() for key in keys]}
                    replace_file(self._state, json.dumps(data, indent=1).encode())
        except OSError as error:
            raise PluginError(f"dkim: {error.filename or self.folder}: {error.strerror}") from error


def published(text: str, found: Sequence[bytes]) -> bool:
    """Is the key of this record's text among the records that the DNS has?"""
    ours = record.parse(text.encode())
    for one in found:
        try:
            if record.parse(one).key == ours.key:
                return True
        except Malformed:
            continue
    return False


def _retire(keys: list[Key], kind: str, now: int) -> None:
    for n, key in enumerate(keys):
        if key.kind == kind and key.state == "signs":
            keys[n] = key._replace(state="leaves", since=now)


def _named(selector: str, kind: str) -> str:
    """A name in the DNS holds one key (RFC 6376 §3.6.2.2), so the second kind has a selector of its own."""
    return selector if kind == "rsa" else f"{selector}-{kind}"


def _meets(stamp: str, taken: set[str]) -> bool:
    return any(selector.endswith(f"-{stamp}") for selector in taken)
