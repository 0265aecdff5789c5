"""The store against a model of dicts: whatever is done in whatever order, both agree, and so does a client that only
ever asks "what changed since?".
"""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import gevent
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from chatgate.store.contract import Store
from chatgate.store.records import Delivery, Outgoing, Queued
from chatgate.testing.store.kit import Kit, Person, box, listed, person

FLAGS = ("\\Seen", "\\Deleted", "\\Flagged", "$Forwarded")
BOXES = ("INBOX", "Sent", "Trash")

boxes = st.sampled_from(BOXES)
owners = st.sampled_from((0, 1))
flag_sets = st.frozensets(st.sampled_from(FLAGS))
uid_sets = st.frozensets(st.integers(1, 12), max_size=6)
picks = st.frozensets(st.integers(0, 3), min_size=1)
ways = st.sampled_from(("add", "remove", "replace"))

Way = Literal["add", "remove", "replace"]
Place = tuple[int, str]
Flags = frozenset[str]


class Stop(Exception):
    pass


class Box:
    """What a mailbox should contain. client: what a client believes that last looked at the modseq `since`."""

    def __init__(self) -> None:
        self.messages: dict[int, tuple[bytes, Flags]] = {}
        self.client: dict[int, Flags] = {}
        self.used = self.since = 0

    def add(self, content: bytes, flags: Flags) -> int:
        self.used += 1
        self.messages[self.used] = (content, flags)
        return self.used

    def picked(self, picks: frozenset[int]) -> list[int]:
        """Some of the messages that exist; most UIDs drawn at random would be of none."""
        return [uid for number, uid in enumerate(sorted(self.messages)) if number % 4 in picks]


class Machine(RuleBasedStateMachine):
    """kit: set in a subclass, as hypothesis makes machines without arguments."""

    kit: Kit

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.folder = self.root / "store"
        self.count = 0
        self.handles: list[Store] = []
        self.small = ExitStack()
        self.small.enter_context(self.kit.small())

    def open(self) -> None:
        """Two handles, if the store may be open twice; the next step may be done by either."""
        two = self.kit.shared and self.kit.persistent
        self.handles = [self.kit.open_store(self.folder, lambda key: None) for _ in range(1 + two)]

    def close(self) -> None:
        while self.handles:
            self.handles.pop().close()

    @property
    def store(self) -> Store:
        return self.handles[0]

    def id(self, owner: int, name: str) -> int:
        return box(self.store, self.people[owner], name)

    @initialize()
    def start(self) -> None:
        self.open()
        self.people: list[Person] = [person(self.store, str(number)) for number in range(2)]
        self.model = {(owner, name): Box() for owner in (0, 1) for name in BOXES}
        self.validity = {place: self.store.status(self.id(*place)).uidvalidity for place in self.model}
        self.queue: dict[int, bytes] = {}  # by row
        self.fill(0)
        self.fill(1)

    def fill(self, owner: int) -> None:
        """Mail to begin with: hypothesis alone would mostly work on empty mailboxes."""
        for name in BOXES:
            for large in (False, True):
                self.put({(owner, name)}, frozenset(), large)
        self.put({(owner, name) for name in BOXES}, frozenset(), True)

    def content(self, large: bool) -> bytes:
        """A content that no other message has."""
        self.count += 1
        return b"N: %d\r\n\r\n" % self.count + bytes(70_000 if large else 10)

    def put(self, to: set[Place], flags: Flags, large: bool) -> None:
        content = self.content(large)
        places = sorted(to)
        stored = self.store.store(
            content, [Delivery("", self.id(*place), self.people[place[0]].id, flags) for place in places]
        )
        assert [one.uid for one in stored] == [  # type: ignore[union-attr]
            self.model[place].add(content, flags) for place in places
        ]

    @rule(to=st.sets(st.tuples(owners, boxes), min_size=1, max_size=3), flags=flag_sets, large=st.booleans())
    def deliver(self, to: set[Place], flags: Flags, large: bool) -> None:
        self.put(to, flags, large)

    @rule(owner=owners, name=boxes, uids=uid_sets, how=ways, flags=flag_sets)
    def flag(self, owner: int, name: str, uids: frozenset[int], how: Way, flags: Flags) -> None:
        box, changed = self.model[owner, name], []
        for uid in sorted(uids & box.messages.keys()):
            content, old = box.messages[uid]
            new = {"add": old | flags, "remove": old - flags, "replace": flags}[how]
            if new != old:
                changed.append(uid)
                box.messages[uid] = (content, new)
        assert list(self.store.set_flags(self.id(owner, name), uids, how, flags).changed) == changed

    @rule(owner=owners, name=boxes, uids=st.none() | uid_sets, only_deleted=st.booleans())
    def expunge(self, owner: int, name: str, uids: frozenset[int] | None, only_deleted: bool) -> None:
        box = self.model[owner, name]
        gone = [uid for uid in sorted(box.messages) if uids is None or uid in uids]
        gone = [uid for uid in gone if not only_deleted or "\\Deleted" in box.messages[uid][1]]
        assert self.store.expunge(self.id(owner, name), uids, only_deleted) == gone
        for uid in gone:
            del box.messages[uid]

    @rule(owner=owners, name=boxes, other=boxes, picks=picks, move=st.booleans())
    def copy(self, owner: int, name: str, other: str, picks: frozenset[int], move: bool) -> None:
        source, box = self.model[owner, name], self.model[owner, other]
        found = source.picked(picks)
        copies = [box.add(*source.messages[uid]) for uid in found]
        if move:
            for uid in found:
                del source.messages[uid]
        assert not self.store.copy(self.id(owner, name), [*found, 99_999], self.id(owner, other), move).uids
        copied = self.store.copy(self.id(owner, name), found, self.id(owner, other), move)
        assert (list(copied.uids), list(copied.copies)) == (found, copies)

    @rule(
        chosen=st.dictionaries(st.tuples(owners, boxes), picks, min_size=1),
        stop=st.none() | st.tuples(st.integers(1, 3), st.sampled_from((gevent.GreenletExit, Stop))),
    )
    def remove(self, chosen: dict[Place, frozenset[int]], stop: tuple[int, type[BaseException]] | None) -> None:
        """As the sweeper removes messages; sometimes it is interrupted after some transactions."""
        told: list[int] = []

        def tell(count: int) -> None:
            told.append(count)
            if stop and stop[0] == len(told):
                raise stop[1]

        pairs = [(place, uid) for place, picks in chosen.items() for uid in self.model[place].picked(picks)]
        try:
            assert self.store.remove(((self.id(*place), uid) for place, uid in [*pairs, *pairs]), tell) == len(pairs)
        except (gevent.GreenletExit, Stop):
            pass
        for place, uid in pairs[: sum(told)]:
            del self.model[place].messages[uid]

    @rule(to=st.none() | st.tuples(owners, boxes), count=st.integers(1, 2), large=st.booleans())
    def send(self, to: Place | None, count: int, large: bool) -> None:
        """Send a message elsewhere, and perhaps to a mailbox here, too."""
        content = self.content(large)
        here = [Delivery("", self.id(*to), self.people[to[0]].id)] if to else []
        elsewhere = [Outgoing(f"{number}@elsewhere.example", "elsewhere.example") for number in range(count)]
        stored = self.store.store(content, [*here, *elsewhere])
        if to:
            self.model[to].add(content, frozenset())
        self.queue |= {one.id: content for one in stored if isinstance(one, Queued)}

    @rule(count=st.integers(1, 3), settle=st.booleans())
    def hand_on(self, count: int, settle: bool) -> None:
        rows = self.store.claim(count, 0, time.time() + 1)
        assert {row.id for row in rows} <= self.queue.keys() and len(rows) == min(count, len(self.queue))
        if settle:
            gone = self.store.settle(rows).gone
        else:
            gone = [row.id for row in self.store.drop([row.id for row in rows])]
        assert sorted(gone) == sorted(row.id for row in rows)
        for number in gone:
            del self.queue[number]

    @rule()
    def other_process(self) -> None:
        self.handles.reverse()

    @rule(owner=owners)
    def rename_inbox(self, owner: int) -> None:
        self.store.rename_mailbox(self.people[owner].id, "INBOX", "moved")
        self.store.delete_mailbox(self.id(owner, "moved"))
        self.model[owner, "INBOX"].messages.clear()

    @rule(owner=owners, killed=st.booleans())
    def delete_account(self, owner: int, killed: bool) -> None:
        """Delete an account and make it anew. If the deletion is killed, mail that belongs to nobody may be left."""
        address = self.people[owner].address
        task = gevent.spawn(self.store.delete_account, self.people[owner].id, tombstone=False)
        while self.store.account(address) and not task.dead:
            gevent.sleep(0)
        if killed:
            task.kill()
        task.get(timeout=60)
        self.people[owner] = person(self.store, str(owner))
        for name in BOXES:
            self.model[owner, name] = Box()
            self.validity[owner, name] = self.store.status(self.id(owner, name)).uidvalidity
        self.fill(owner)

    @rule(owner=owners, name=boxes)
    def look(self, owner: int, name: str) -> None:
        """The client catches up."""
        box = self.model[owner, name]
        told = self.store.changes(self.id(owner, name), box.since)
        if told.expunged is None:
            box.client.clear()
        for uid in told.expunged or ():
            box.client.pop(uid, None)
        box.client |= {message.uid: message.flags for message in told.messages}
        box.since = told.modseq
        assert box.client == {uid: flags for uid, (_, flags) in box.messages.items()}

    @rule()
    def clean_up(self) -> None:
        """Afterwards nothing is left that belongs to nobody."""
        self.store.expire(time.time())
        self.kit.inspect(self.store, self.folder)

    @rule()
    def restart(self) -> None:
        if self.kit.persistent:
            self.close()
            self.open()

    @rule()
    def compare_queue(self) -> None:
        assert [row.id for row in self.store.queue()] == sorted(self.queue)
        assert self.store.count_queue() == len(self.queue)
        for number, content in self.queue.items():
            opened = self.store.open_queued(number)
            assert opened is not None and opened.read(0, opened.size) == content
            opened.close()

    @rule(owner=owners, name=boxes)
    def compare(self, owner: int, name: str) -> None:
        box, mailbox_id = self.model[owner, name], self.id(owner, name)
        status = self.store.status(mailbox_id)
        assert (status.uidnext, status.uidvalidity) == (box.used + 1, self.validity[owner, name])
        messages = listed(self.store, mailbox_id)
        assert {m.uid: m.flags for m in messages} == {uid: flags for uid, (_, flags) in box.messages.items()}
        for uid, (content, _) in box.messages.items():
            assert self.store.content(mailbox_id, uid) == content
        unseen = sum("\\Seen" not in flags for _, flags in box.messages.values())
        octets = sum(len(content) for content, _ in box.messages.values())
        assert (status.messages, status.unseen, status.size) == (len(box.messages), unseen, octets)

    @invariant()
    def usage_is_right(self) -> None:
        if self.handles:
            kept = [
                content for place, box in self.model.items() if not place[0] for content, _ in box.messages.values()
            ]
            assert self.store.usage(self.people[0].id)[:2] == (sum(map(len, kept)), len(kept))
            assert self.store.integrity() == []

    def teardown(self) -> None:
        try:
            if self.handles:
                for owner, name in self.model:
                    self.look(owner, name)
                    self.compare(owner, name)
                self.compare_queue()
                self.clean_up()
                self.close()
        finally:
            shutil.rmtree(self.root)
            self.small.close()


class ModelTests(Kit):
    """examples, steps: how many runs there are, and how much is done in each."""

    examples, steps = 40, 30

    def test_whatever_is_done_in_whatever_order(self) -> None:
        machine = type("Machine", (Machine,), {"kit": self})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=self.examples,
                stateful_step_count=self.steps,
                suppress_health_check=list(HealthCheck),
                deadline=None,
            ),
        )
