"""Run by test_crash.py: forks a child that uses the store as hard as it can until somebody kills it.

stdin: a line "seed" for each child. stdout: JSON lines. The children say what they are about to do before they do it,
and what was done once the store has answered. The parent says {"pid": …} and, when the child is dead, {"end": …}.
Forking saves the second that starting Python takes; gevent's hub begins in the child.
"""

import hashlib
import json
import os
import random
import sys
from pathlib import Path

import gevent
from chatgate_maildb import MailDbOptions, removal
from chatgate_maildb.store import MailStore

from chatgate.api import Delivery

OPTIONS = MailDbOptions(blob_bytes=2000, expunged_kept=50)


def content(token: str) -> bytes:
    """Content that says which it is and shows any damage; every fourth or so is large enough for a file."""
    digest = hashlib.sha256(token.encode()).digest()
    return f"Token: {token}\r\n\r\n".encode() + digest * (100 if digest[0] < 64 else 3)


def say(**fact) -> None:
    os.write(1, json.dumps(fact).encode() + b"\n")  # one write, so lines of a killed child are whole or not there


class Worker:
    def __init__(self, folder: Path, seed: int) -> None:
        self.store = MailStore(folder, OPTIONS, lambda mailbox_id: None)
        self.random = random.Random(seed)
        self.seed, self.count = seed, 0
        self.boxes = {}  # id -> account id
        self.fresh, self.old = {}, {}  # box -> UIDs nobody works on; only fresh ones are copied: tokens stay unique
        for account in self.store.accounts():
            for mailbox in self.store.mailboxes(account.id):
                if mailbox.name in ("INBOX", "Trash"):
                    self.boxes[mailbox.id] = account.id
                    self.fresh[mailbox.id] = []
                    self.old[mailbox.id] = [m.uid for m in self.store.changes(mailbox.id).messages]

    def run(self) -> None:
        say(ready=True)
        gevent.joinall([gevent.spawn(self.work) for _ in range(12)], raise_error=True)

    def work(self) -> None:
        while True:
            does = (self.deliver, self.expunge, self.remove, self.copy, self.folder)
            self.random.choices(does, (50, 20, 10, 18, 2))[0]()

    def token(self) -> str:
        self.count += 1
        return f"{self.seed}-{self.count}"

    def take(self, lists: dict, box: int) -> list[int]:
        """Some UIDs that nobody else will touch from now on."""
        found = lists[box]
        return [found.pop(self.random.randrange(len(found))) for _ in range(min(len(found), self.random.randint(1, 4)))]

    def deliver(self) -> None:
        token, boxes = self.token(), self.random.sample(sorted(self.boxes), self.random.randint(1, 3))
        say(doing="store", token=token, boxes=boxes)
        stored = self.store.store(content(token), [Delivery("", box, self.boxes[box]) for box in boxes])
        say(done="store", token=token, uids=[s.uid for s in stored])
        for box, s in zip(boxes, stored, strict=True):
            (self.fresh if len(boxes) == 1 else self.old)[box].append(s.uid)

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
        target = self.random.choice([b for b, owner in self.boxes.items() if owner == self.boxes[box]])
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
        """A mailbox comes and goes with its mail; a crash in between leaves rows to clean up."""
        name, account_id = "passing-" + self.token(), next(iter(self.boxes.values()))
        mailbox = self.store.create_mailbox(account_id, name)
        for _ in range(3):
            self.store.store(content(name), [Delivery("", mailbox.id, account_id)])
        self.store.delete_mailbox(mailbox.id)


def main() -> None:
    folder = Path(sys.argv[1])
    # A handful of messages is removed in several transactions, and bodies are worked off amid them.
    removal._LEAST, removal._MOST, removal._NOTES = 1, 3, 4
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            Worker(folder, int(line)).run()
        say(pid=pid)
        say(end=os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
