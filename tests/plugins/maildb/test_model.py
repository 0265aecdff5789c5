"""The store against a model of dicts: whatever is done in whatever order, both agree, and so does a client that only
ever asks "what changed since?".
"""

import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import gevent
from chatgate_maildb import MailDbOptions, removal, rows
from chatgate_maildb.store import MailStore
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chatgate.api import Delivery

FLAGS = ("\\Seen", "\\Deleted", "\\Flagged", "$Forwarded")
BOXES = ("INBOX", "Sent", "Trash")

boxes = st.sampled_from(BOXES)
owners = st.sampled_from((0, 1))
flag_sets = st.frozensets(st.sampled_from(FLAGS))
uid_sets = st.frozensets(st.integers(1, 12), max_size=6)
picks = st.frozensets(st.integers(0, 3), min_size=1)


class Stop(Exception):
    pass


class Box:
    """What a mailbox should be. client: what somebody thinks it is who last looked at modseq `since`."""

    def __init__(self):
        self.messages, self.used, self.client, self.since = {}, 0, {}, 0

    def add(self, content, flags):
        self.used += 1
        self.messages[self.used] = (content, flags)
        return self.used

    def picked(self, picks):
        """Some of the messages there are; UIDs drawn at random mostly meet none."""
        return [uid for n, uid in enumerate(sorted(self.messages)) if n % 4 in picks]


class MailMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.count = 0

        self.small = ExitStack()  # so that a handful of messages takes several transactions
        self.small.enter_context(mock.patch.multiple(removal, _LEAST=1, _MOST=3, _NOTES=4))
        self.small.enter_context(mock.patch.multiple(rows, _DELETED_AT_ONCE=1, _CHUNK=2))

    def open(self):
        """Two stores on one folder, as of two processes; either may be the one that does the next thing."""
        options = MailDbOptions(blob_bytes=50, expunged_kept=2)
        self.store, self.other = (MailStore(self.folder / "data", options, lambda mailbox_id: None) for _ in range(2))

    def close(self):
        self.store.close(), self.other.close()

    def id(self, owner, name):
        return self.store.mailbox(self.accounts[owner].id, name).id

    @initialize()
    def start(self):
        self.open()
        self.accounts = [self.store.create_account(f"{n}@example.org", "") for n in range(2)]
        self.model = {(owner, name): Box() for owner in (0, 1) for name in BOXES}
        self.validity = {key: self.store.mailbox(self.accounts[key[0]].id, key[1]).uidvalidity for key in self.model}

        self.fill(0), self.fill(1)

    def fill(self, owner):
        """Something to begin with: hypothesis alone hardly gets beyond empty mailboxes."""
        for name in BOXES:
            for large in (False, True):
                self.deliver({(owner, name)}, frozenset(), large)
        self.deliver({(owner, name) for name in BOXES}, frozenset(), True)

    @rule(to=st.sets(st.tuples(owners, boxes), min_size=1, max_size=3), flags=flag_sets, large=st.booleans())
    def deliver(self, to, flags, large):
        self.count += 1
        content = b"N: %d\r\n\r\n" % self.count + bytes(60 * large)
        to = sorted(to)
        deliveries = [Delivery("", self.id(*key), self.accounts[key[0]].id, flags) for key in to]
        stored = self.store.store(content, deliveries)
        assert [s.uid for s in stored] == [self.model[key].add(content, flags) for key in to]

    @rule(owner=owners, name=boxes, uids=uid_sets, how=st.sampled_from(("add", "remove", "replace")), flags=flag_sets)
    def flag(self, owner, name, uids, how, flags):
        box, changed = self.model[owner, name], []
        for uid in sorted(uids & box.messages.keys()):
            content, old = box.messages[uid]
            new = {"add": old | flags, "remove": old - flags, "replace": flags}[how]
            if new != old:
                changed.append(uid)
                box.messages[uid] = (content, new)
        assert self.store.set_flags(self.id(owner, name), uids, how, flags).changed == changed

    @rule(owner=owners, name=boxes, uids=st.none() | uid_sets, only_deleted=st.booleans())
    def expunge(self, owner, name, uids, only_deleted):
        box = self.model[owner, name]
        gone = [uid for uid in sorted(box.messages) if uids is None or uid in uids]
        gone = [uid for uid in gone if not only_deleted or "\\Deleted" in box.messages[uid][1]]
        assert self.store.expunge(self.id(owner, name), uids, only_deleted) == gone
        for uid in gone:
            del box.messages[uid]

    @rule(owner=owners, name=boxes, other=boxes, picks=picks, move=st.booleans())
    def copy(self, owner, name, other, picks, move):
        source, box = self.model[owner, name], self.model[owner, other]
        found = source.picked(picks)
        copies = [box.add(*source.messages[uid]) for uid in found]
        if move:
            for uid in found:
                del source.messages[uid]
        assert not self.store.copy(self.id(owner, name), [*found, 99], self.id(owner, other), move).uids
        copied = self.store.copy(self.id(owner, name), found, self.id(owner, other), move)
        assert (list(copied.uids), list(copied.copies)) == (found, copies)

    @rule(
        chosen=st.dictionaries(st.tuples(owners, boxes), picks, min_size=1),
        stop=st.none() | st.tuples(st.integers(1, 3), st.sampled_from((gevent.GreenletExit, Stop))),
    )
    def remove(self, chosen, stop):
        """The sweeper's way; also broken off after some transactions."""
        told = []

        def tell(count):
            told.append(count)
            if stop and stop[0] == len(told):
                raise stop[1]

        pairs = [(key, uid) for key, picks in chosen.items() for uid in self.model[key].picked(picks)]
        try:
            assert self.store.remove(((self.id(*key), uid) for key, uid in [*pairs, *pairs]), tell) == len(pairs)
        except (gevent.GreenletExit, Stop):
            pass
        for key, uid in pairs[: sum(told)]:
            del self.model[key].messages[uid]

    @rule()
    def drop_released(self):
        self.store.drop_released()

    @rule()
    def other_process(self):
        self.store, self.other = self.other, self.store

    @rule(owner=owners)
    def rename_inbox(self, owner):
        self.store.rename_mailbox(self.accounts[owner].id, "INBOX", "moved")
        self.store.delete_mailbox(self.id(owner, "moved"))
        self.model[owner, "INBOX"].messages.clear()

    @rule(owner=owners, killed=st.booleans())
    def delete_account(self, owner, killed):
        """And make it again. Killed, it leaves mail of nobody."""
        task = gevent.spawn(self.store.delete_account, self.accounts[owner].id, tombstone=False)
        while self.store.account(f"{owner}@example.org") and not task.dead:
            gevent.sleep(0)
        if killed:
            task.kill()
        task.get(timeout=60)
        self.accounts[owner] = self.store.create_account(f"{owner}@example.org", "")
        for name in BOXES:
            self.model[owner, name] = Box()
            self.validity[owner, name] = self.store.mailbox(self.accounts[owner].id, name).uidvalidity
        self.fill(owner)

    @rule(owner=owners, name=boxes)
    def look(self, owner, name):
        """The client catches up."""
        box = self.model[owner, name]
        told = self.store.changes(self.id(owner, name), box.since)
        if told.expunged is None:
            box.client.clear()
        for uid in told.expunged or ():
            box.client.pop(uid, None)
        box.client |= {m.uid: m.flags for m in told.messages}
        box.since = told.modseq
        assert box.client == {uid: flags for uid, (_, flags) in box.messages.items()}

    @rule()
    def clean_up(self):
        """Afterwards there is just what somebody has."""
        self.store.expire(time.time())
        contents = {content for box in self.model.values() for content, _ in box.messages.values()}
        assert self.store.reader.rows("SELECT count(*) FROM body") == [(len(contents),)]
        assert self.store.reader.rows("SELECT count(*) FROM mailbox WHERE account_id IS NULL") == [(0,)]

    @rule()
    def restart(self):
        self.close()
        self.open()

    @rule(owner=owners, name=boxes)
    def compare(self, owner, name):
        box, mailbox = self.model[owner, name], self.store.mailbox(self.accounts[owner].id, name)
        assert (mailbox.uidnext, mailbox.uidvalidity) == (box.used + 1, self.validity[owner, name])
        messages = self.store.changes(mailbox.id).messages
        assert {m.uid: m.flags for m in messages} == {uid: flags for uid, (_, flags) in box.messages.items()}
        for uid, (content, _) in box.messages.items():
            assert self.store.content(mailbox.id, uid) == content
        status = self.store.status(mailbox.id)
        unseen = sum("\\Seen" not in flags for _, flags in box.messages.values())
        octets = sum(len(content) for content, _ in box.messages.values())
        assert (status.messages, status.unseen, status.size) == (len(box.messages), unseen, octets)

    @invariant()
    def usage_is_right(self):
        if hasattr(self, "store"):
            kept = [content for key, box in self.model.items() if key[0] == 0 for content, _ in box.messages.values()]
            assert self.store.usage(self.accounts[0].id)[:2] == (sum(map(len, kept)), len(kept))
            assert self.store.integrity() == []

    def teardown(self):
        try:
            if hasattr(self, "store"):
                for owner, name in self.model:
                    self.look(owner, name)
                    self.compare(owner, name)
                self.clean_up()
                self.close()
        finally:
            shutil.rmtree(self.folder)
            self.small.close()


TestMail = MailMachine.TestCase
TestMail.settings = settings(max_examples=40, stateful_step_count=30, suppress_health_check=list(HealthCheck))
