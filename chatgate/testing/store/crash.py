"""A process that uses the store is killed with SIGKILL amid its work, again and again. What it was told is done stays
done, what it was not told is done wholly or not at all, and no UID ever comes back.
"""

from __future__ import annotations

import inspect
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chatgate.store.contract import Store
from chatgate.testing.store import crashing
from chatgate.testing.store.kit import Kit, person

Place = tuple[int, int]
Fact = dict[str, Any]


class Witness:
    """Knows what must be in the store, from what the killed processes reported."""

    def __init__(self, kit: Kit, folder: Path) -> None:
        self.kit, self.folder = kit, folder
        self.kept: dict[Place, str] = {}  # (box, uid) -> token
        self.unsure: list[Fact] = []  # what was begun and never answered
        self.done = 0
        store = self.open()
        people = [person(store, str(number)) for number in range(3)]
        found = [store.mailbox(one.id, name) for one in people for name in ("INBOX", "Trash")]
        boxes = [box for box in found if box is not None]
        self.uidvalidity = {box.id: box.uidvalidity for box in boxes}
        self.uidnext = {box.id: box.uidnext for box in boxes}
        store.close()

    def open(self) -> Store:
        return self.kit.open_store(self.folder, lambda key: None)

    def hear(self, lines: Iterable[bytes]) -> None:
        """Replay one process's report."""
        doing: dict[str, Fact] = {}
        for line in lines:
            fact = json.loads(line)
            if "doing" in fact:
                doing[fact["token"]] = fact
            elif "done" in fact:
                self.done += 1
                getattr(self, fact["done"])(doing.pop(fact["token"]), fact)
        self.unsure = list(doing.values())

    def arrived(self, box: int, uid: int, token: str) -> None:
        assert uid >= self.uidnext[box], "a UID from before the crash was given again"
        assert (box, uid) not in self.kept
        self.kept[box, uid] = token

    def store(self, asked: Fact, answer: Fact) -> None:
        for box, uid in zip(asked["boxes"], answer["uids"], strict=True):
            self.arrived(box, uid, asked["token"])

    def expunge(self, asked: Fact, answer: Fact) -> None:
        assert sorted(answer["gone"]) == sorted(asked["uids"])
        for uid in asked["uids"]:
            del self.kept[asked["box"], uid]

    def remove(self, asked: Fact, answer: Fact) -> None:
        assert answer["count"] == len(asked["pairs"])
        for box, uid in asked["pairs"]:
            del self.kept[box, uid]

    def copy(self, asked: Fact, answer: Fact) -> None:
        assert answer["uids"] == sorted(asked["uids"])
        for uid, copy in zip(answer["uids"], answer["copies"], strict=True):
            token = self.kept.pop((asked["box"], uid)) if asked["move"] else self.kept[asked["box"], uid]
            self.arrived(asked["target"], copy, token)

    def check(self) -> None:
        store = self.open()
        assert store.integrity() == []
        there: dict[Place, str] = {}
        for box, validity in self.uidvalidity.items():
            told = store.changes(box)
            assert store.status(box).uidvalidity == validity
            assert told.uidnext >= self.uidnext[box]
            for message in told.messages:
                content = store.content(box, message.uid) or b""
                token = content.split(b"\r\n")[0].removeprefix(b"Token: ").decode()
                assert message.uid < told.uidnext and content == crashing.content(token)
                there[box, message.uid] = token
        self.settle(there)
        assert there == self.kept
        self.uidnext = {box: store.status(box).uidnext for box in self.uidvalidity}
        self.clean_up(store)
        store.close()

    def settle(self, there: dict[Place, str]) -> None:
        """What was begun and not answered happened as a whole or not at all; a removal up to some message."""
        new = {place: token for place, token in there.items() if place not in self.kept}
        for asked in self.unsure:
            copies = self.begun(asked, there, new)
            for box, uid in copies:
                self.arrived(box, uid, new.pop((box, uid)))
        assert not new, "a message that nobody sent, or one twice"

    def begun(self, asked: Fact, there: dict[Place, str], new: dict[Place, str]) -> list[Place]:
        """The new messages that it made. Those that it removed are not expected any more."""
        if asked["doing"] == "store":
            copies = [place for place, token in new.items() if token == asked["token"]]
            assert sorted(box for box, _ in copies) in ([], sorted(asked["boxes"]))
            return copies
        if asked["doing"] == "remove":
            places = [(box, uid) for box, uid in asked["pairs"]]
            gone = [place for place in places if place not in there]
            assert gone == places[: len(gone)]
            copies = []
        else:
            sources = [(asked["box"], uid) for uid in asked["uids"]]
            tokens = [self.kept[place] for place in sources]
            gone = [place for place in sources if place not in there]
            copies = []
            if asked["doing"] == "copy":
                copies = [p for p, token in new.items() if token in tokens and p[0] == asked["target"]]
                assert sorted(new[place] for place in copies) in ([], sorted(tokens))
            removes = bool(gone) if asked["doing"] == "expunge" else asked["move"] and bool(copies)
            assert gone == (sources if removes else [])
        for place in gone:
            del self.kept[place]
        return copies

    def clean_up(self, store: Store) -> None:
        """What the killed processes left is cleaned up."""
        for account in store.accounts():
            for mailbox in store.mailboxes(account.id):
                if mailbox.name.startswith("passing-"):
                    store.delete_mailbox(mailbox.id)
        store.expire(time.time())
        assert store.integrity() == []
        self.kit.inspect(store, self.folder)


def killed(forker: subprocess.Popen[bytes], seed: int, count: int, seconds: float) -> list[bytes]:
    """The lines that one process wrote, which was killed so many seconds after it had written that many."""
    assert forker.stdin is not None and forker.stdout is not None
    forker.stdin.write(b"%d\n" % seed)
    forker.stdin.flush()
    lines: list[bytes] = []
    pid = 0
    for line in forker.stdout:
        fact = json.loads(line)
        if "end" in fact:
            assert fact["end"] == signal.SIGKILL, "the store failed before it was killed"
            return lines
        pid = fact.get("pid", pid)
        lines.append(line)
        if len(lines) == count:
            time.sleep(seconds)
            os.kill(pid, signal.SIGKILL)
    raise AssertionError("the process with the store could not be started")


class CrashTests(Kit):
    """kills: how often. The file with the author's class is imported by itself in the process that is killed."""

    kills = 30

    @pytest.fixture
    def forker(self, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
        self.needs(persistent=True)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-m", "chatgate.testing.store.crashing"]
        command += [inspect.getfile(type(self)), type(self).__qualname__, str(folder)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
            yield process
            assert process.stdin is not None
            process.stdin.close()

    def test_sigkill_loses_nothing_and_doubles_nothing(self, forker: subprocess.Popen[bytes], folder: Path) -> None:
        witness, clock = Witness(self, folder), random.Random(1)
        unsure = 0
        for seed in range(self.kills):
            witness.hear(killed(forker, seed, clock.randint(3, 150), clock.uniform(0, 0.005)))
            unsure += len(witness.unsure)
            witness.check()
        # The test is worth something only if the kills came in the middle of work, and much work was done.
        assert unsure > self.kills and witness.done > 20 * self.kills
