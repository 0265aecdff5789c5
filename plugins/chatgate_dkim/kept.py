"""The keys in a backup; when they are restored, the DNS must have the same."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from chatgate_resolver import Absent, Trouble

from chatgate.api import Copy, KeptFiles, PluginError, Problem
from chatgate_dkim.keyring import Keyring, published
from chatgate_dkim.proof import Resolver


class KeptKeys(KeptFiles):
    """rings: by domain; their folders are in `path`. resolver: called when other servers are to be asked."""

    def __init__(self, path: Path, rings: Mapping[str, Keyring], resolver: Callable[[], Resolver]) -> None:
        super().__init__("keys", path)
        self._rings, self._resolver = rings, resolver

    @contextmanager
    def opened(self, room: Path, mail: bool) -> Iterator[Copy]:
        """Copied while nobody changes them: keys.json and the files that it names belong together."""
        copies = KeptFiles(self.name, room)
        with ExitStack() as locked:
            for ring in self._rings.values():
                lock = ring.folder / ".lock"
                if lock.exists():
                    fcntl.flock(locked.enter_context(lock.open("rb")), fcntl.LOCK_SH)
            if self.path.is_dir():
                shutil.copytree(self.path, room, dirs_exist_ok=True)
        with copies.opened(room, mail) as copy:
            yield copy

    def proof(self, mail: bool, dns: bool) -> list[Problem]:
        found = []
        for ring in self._rings.values():
            if ring.exists:
                try:
                    ring.signers()
                    found += self._compared(ring) if dns else []
                except PluginError as error:
                    found.append(Problem("error", str(error)))
        return found

    def _compared(self, ring: Keyring) -> list[Problem]:
        """A key that signs and of which the DNS has another proves that these are not the domain's keys any more."""
        found = []
        for key in ring.keys():
            if key.state != "signs":
                continue
            name, text = ring.record(key)
            try:
                if not published(text, self._resolver().txt(name, True).values):
                    found.append(Problem("error", f"dkim: {name}: the DNS has another key than this backup"))
            except Absent:
                found.append(Problem("warning", f"dkim: {name} is not in the DNS (yet)"))
            except Trouble as error:
                found.append(Problem("warning", f"dkim: the DNS cannot be asked: {error}"))
        return found
