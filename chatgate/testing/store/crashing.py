"""Run by crash.py, as `python -m chatgate.testing.store.crashing FILE CLASS FOLDER`: forks a child that uses the store
as hard as it can until somebody kills it.

stdin: a line with a seed for each child. stdout: JSON lines. The children say what they are about to do before they do
it, and what was done once the store has answered. The parent says {"pid": …} and, when the child is dead, {"end": …}.
Forking saves the second that starting Python takes; gevent's hub begins in the child.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import gevent

from chatgate.store.contract import Store
from chatgate.store.records import Delivery, Stored
from chatgate.testing.store.kit import Kit

Lists = dict[int, list[int]]


def content(token: str) -> bytes:
    """Content that says which it is and shows any damage; every fourth or so is larger than 65536 octets."""
    digest = hashlib.sha256(token.encode()).digest()
    return f"Token: {token}\r\n\r\n".encode() + digest * (2100 if digest[0] < 64 else 3)


def say(**fact: Any) -> None:
    os.write(1, json.dumps(fact).encode() + b"\n")  # one write, so lines of a killed child are whole or not there


class Worker:
    def __init__(self, store: Store, seed: int) -> None:
        self.store, self.random = store, random.Random(seed)
        self.seed, self.count = seed, 0
        self.boxes: dict[int, int] = {}  # id -> account id
        # box -> UIDs that nobody works on; only fresh ones are copied, so that tokens stay unique
        self.fresh: Lists = {}
        self.old: Lists = {}
        for account in self.store.accounts():
            for mailbox in self.store.mailboxes(account.id):
                if mailbox.name in ("INBOX", "Trash"):
                    self.boxes[mailbox.id] = account.id
                    self.fresh[mailbox.id] = []
                    self.old[mailbox.id] = [message.uid for message in self.store.changes(mailbox.id).messages]

    def run(self) -> None:
        say(ready=True)
        gevent.joinall([gevent.spawn(self.work) for _ in range(12)], raise_error=True)

    def work(self) -> None:
        does = (self.deliver, self.expunge, self.remove, self.copy, self.folder)
        while True:
            self.random.choices(does, (50, 20, 10, 18, 2))[0]()

    def token(self) -> str:
        self.count += 1
        return f"{self.seed}-{self.count}"

    def take(self, lists: Lists, box: int) -> list[int]:
        """Some UIDs that nobody else will touch from now on."""
        found = lists[box]
        return [found.pop(self.random.randrange(len(found))) for _ in range(min(len(found), self.random.randint(1, 4)))]

    def deliver(self) -> None:
        token, boxes = self.token(), self.random.sample(sorted(self.boxes), self.random.randint(1, 3))
        say(doing="store", token=token, boxes=boxes)
        stored = self.store.store(content(token), [Delivery("", box, self.boxes[box]) for box in boxes])
        uids = [one.uid for one in stored if isinstance(one, Stored)]
        say(done="store", token=token, uids=uids)
        for box, uid in zip(boxes, uids, strict=True):
            (self.fresh if len(boxes) == 1 else self.old)[box].append(uid)

    def expunge(self) -> None:
        box = self.random.choice(sorted(self.boxes))
        uids = self.take(self.random.choice((self.fresh, self.old)), box)
        if uids:
            name = self.token()
            say(doing="expunge", token=name, box=box, uids=uids)
            gone = self.store.expunge(box, uids, only_deleted=False)
            say(done="expunge", token=name, gone=gone)

    def remove(self) -> None:
        """As the sweeper does, from several mailboxes at once."""
        boxes = self.random.sample(sorted(self.boxes), 3)
        pairs = [(box, uid) for box in boxes for uid in self.take(self.random.choice((self.fresh, self.old)), box)]
        if pairs:
            name = self.token()
            say(doing="remove", token=name, pairs=pairs)
            say(done="remove", token=name, count=self.store.remove(pairs))

    def copy(self) -> None:
        box = self.random.choice(sorted(self.boxes))
        target = self.random.choice([other for other, owner in self.boxes.items() if owner == self.boxes[box]])
        uids, move = self.take(self.fresh, box), self.random.random() < 0.5
        if uids:
            name = self.token()
            say(doing="copy", token=name, box=box, uids=uids, target=target, move=move)
            copied = self.store.copy(box, uids, target, move)
            say(done="copy", token=name, uids=list(copied.uids), copies=list(copied.copies))
            if move:
                self.fresh[target] += copied.copies
            else:
                self.old[box] += uids
                self.old[target] += copied.copies

    def folder(self) -> None:
        """A mailbox comes and goes with its mail; a crash in between leaves what has to be cleaned up."""
        name, account_id = "passing-" + self.token(), next(iter(self.boxes.values()))
        mailbox = self.store.create_mailbox(account_id, name)
        for _ in range(3):
            self.store.store(content(name), [Delivery("", mailbox.id, account_id)])
        self.store.delete_mailbox(mailbox.id)


def kit(file: str, name: str) -> Kit:
    """The author's class, from the file with its tests."""
    sys.path.insert(0, str(Path(file).parent))
    spec = importlib.util.spec_from_file_location("kit_under_test", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found = getattr(module, name)()
    assert isinstance(found, Kit)
    return found


def main(file: str, name: str, folder: str) -> None:
    made = kit(file, name)
    made.small().__enter__()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            Worker(made.open_store(Path(folder), lambda key: None), int(line)).run()
        say(pid=pid)
        say(end=os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
