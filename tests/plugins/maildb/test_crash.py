"""A process that uses the store is killed with SIGKILL amid its work, again and again. What it was told is done stays
done, what it was not told is done wholly or not at all, and no UID ever comes back.
"""

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import chatgate_maildb
import pytest
from chatgate_maildb.store import MailStore

import chatgate

KILLS = 30
WORKER = Path(__file__).with_name("crash_worker.py")
_spec = importlib.util.spec_from_file_location("crash_worker", WORKER)
worker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(worker)


class Witness:
    """Knows what must be in the store, from what the killed processes reported."""

    def __init__(self, folder):
        self.folder = folder
        self.kept = {}  # (box, uid) -> token
        self.unsure = []  # what was begun and never answered
        self.done = 0
        store = self.open()
        accounts = [store.create_account(f"{n}@example.org", "") for n in range(3)]
        boxes = [store.mailbox(account.id, name) for account in accounts for name in ("INBOX", "Trash")]
        self.uidvalidity = {box.id: box.uidvalidity for box in boxes}
        self.uidnext = {box.id: box.uidnext for box in boxes}
        store.close()

    def open(self):
        return MailStore(self.folder, worker.OPTIONS, lambda mailbox_id: None)

    def hear(self, lines):
        """Replay one process's report."""
        doing = {}
        for line in lines:
            fact = json.loads(line)
            if "doing" in fact:
                doing[fact["token"]] = fact
            elif "done" in fact:
                self.done += 1
                getattr(self, fact["done"])(doing.pop(fact["token"]), fact)
        self.unsure = list(doing.values())

    def arrived(self, box, uid, token):
        assert uid >= self.uidnext[box], "a UID from before the crash was given again"
        assert (box, uid) not in self.kept
        self.kept[box, uid] = token

    def store(self, asked, answer):
        for box, uid in zip(asked["boxes"], answer["uids"], strict=True):
            self.arrived(box, uid, asked["token"])

    def expunge(self, asked, answer):
        assert sorted(answer["gone"]) == sorted(asked["uids"])
        for uid in asked["uids"]:
            del self.kept[asked["box"], uid]

    def remove(self, asked, answer):
        assert answer["count"] == len(asked["pairs"])
        for box, uid in asked["pairs"]:
            del self.kept[box, uid]

    def copy(self, asked, answer):
        assert answer["uids"] == sorted(asked["uids"])
        for uid, copy in zip(answer["uids"], answer["copies"], strict=True):
            token = self.kept.pop((asked["box"], uid)) if asked["move"] else self.kept[asked["box"], uid]
            self.arrived(asked["target"], copy, token)

    def check(self):
        store = self.open()
        assert store.integrity() == []
        there = {}
        for box, validity in self.uidvalidity.items():
            told = store.changes(box)
            assert store.status(box).uidvalidity == validity
            assert told.uidnext >= self.uidnext[box] and all(m.uid < told.uidnext for m in told.messages)
            for message in told.messages:
                content = store.content(box, message.uid)
                token = content.split(b"\r\n")[0].removeprefix(b"Token: ").decode()
                assert content == worker.content(token)
                there[box, message.uid] = token
        self.settle(there)
        assert there == self.kept
        self.uidnext = {box: store.changes(box).uidnext for box in self.uidvalidity}
        self.clean_up(store)
        store.close()

    def settle(self, there):
        """What was begun and not answered happened as a whole or not at all; a removal up to some message."""
        new = {place: token for place, token in there.items() if place not in self.kept}
        for asked in self.unsure:
            if asked["doing"] == "store":
                copies = [place for place, token in new.items() if token == asked["token"]]
                assert sorted(box for box, _ in copies) in ([], sorted(asked["boxes"]))
            elif asked["doing"] == "remove":
                places = [(box, uid) for box, uid in asked["pairs"]]
                gone = [place for place in places if place not in there]
                assert gone == places[: len(gone)]
                for place in gone:
                    del self.kept[place]
                copies = []
            else:
                sources = [(asked["box"], uid) for uid in asked["uids"]]
                tokens = [self.kept[place] for place in sources]
                gone = [place for place in sources if place not in there]
                copies = []
                if asked["doing"] == "copy":
                    copies = [p for p, token in new.items() if token in tokens and p[0] == asked["target"]]
                    assert sorted(new[place] for place in copies) in ([], sorted(tokens))
                removes = asked["doing"] == "expunge" or asked["move"]
                assert gone == (sources if removes and (copies or asked["doing"] == "expunge" and gone) else [])
                for place in gone:
                    del self.kept[place]
            for box, uid in copies if asked["doing"] != "expunge" else ():
                self.arrived(box, uid, new.pop((box, uid)))
        assert not new, "a message that nobody sent, or one twice"

    def clean_up(self, store):
        """Nothing is left lying about, neither rows nor files."""
        for account in store.accounts():
            for mailbox in store.mailboxes(account.id):
                if mailbox.name.startswith("passing-"):
                    store.delete_mailbox(mailbox.id)
        store.expire(time.time())
        assert store.integrity() == []
        assert store.reader.rows("SELECT count(*) FROM mailbox") == [(15,)]
        named = {name for (name,) in store.reader.rows("SELECT file FROM body WHERE file IS NOT NULL")}
        store.blobs.close()
        assert {path.name for path in (self.folder / "blobs").rglob("*") if path.is_file()} == named


@pytest.fixture
def forker(tmp_path):
    roots = [str(Path(package.__file__).parent.parent) for package in (chatgate, chatgate_maildb)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(roots)}
    command = [sys.executable, str(WORKER), str(tmp_path / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        yield process
        process.stdin.close()


def killed(forker, seed, count, seconds):
    """The lines that one process wrote, which was killed so many seconds after it had written that many."""
    forker.stdin.write(b"%d\n" % seed)
    forker.stdin.flush()
    lines, pid = [], None
    while True:
        line = forker.stdout.readline()
        fact = json.loads(line)
        if "end" in fact:
            assert fact["end"] == signal.SIGKILL
            return lines
        pid = fact.get("pid", pid)
        lines.append(line)
        if len(lines) == count:
            time.sleep(seconds)
            os.kill(pid, signal.SIGKILL)


def test_sigkill_loses_nothing_and_doubles_nothing(tmp_path, forker):
    witness, clock = Witness(tmp_path / "data"), random.Random(1)
    unsure = 0
    for seed in range(KILLS):
        witness.hear(killed(forker, seed, clock.randint(3, 150), clock.uniform(0, 0.005)))
        unsure += len(witness.unsure)
        witness.check()
    # The kills did hit amid work, and much work was done.
    assert unsure > KILLS and witness.done > 20 * KILLS
