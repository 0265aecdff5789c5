"""Messages: stored, read, expunged, copied and moved."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from chatgate.store.contract import Store
from chatgate.store.records import Delivery, Impossible, NoSuchMailbox, OverQuota, Status, Stored
from chatgate.testing.store.kit import HEADER, LARGE, MAIL, NOBODY, Kit, Person, box, fill, flags, listed, person, uids


class MessageTests(Kit):
    @pytest.mark.parametrize("mail", [MAIL, LARGE], ids=["small", "large"])
    def test_one_message_for_several(
        self, store: Store, alice: Person, bob: Person, carol: Person, mail: bytes
    ) -> None:
        deliveries = [carol.inbox, alice.inbox, bob.inbox]
        stored = store.store(mail, deliveries)
        for one, delivery in zip(stored, deliveries, strict=True):
            assert isinstance(one, Stored) and one.delivery == delivery and one.uid == 1
            assert store.content(delivery.mailbox_id, one.uid) == mail
            assert store.header(delivery.mailbox_id, one.uid) == HEADER
            status = store.status(delivery.mailbox_id)
            assert status == Status(1, 1, 2, one.uidvalidity, one.modseq, len(mail))
        for someone in (alice, bob):
            store.expunge(someone.box, None, only_deleted=False)
        assert store.content(carol.box, 1) == mail
        store.expunge(carol.box, None, only_deleted=False)
        assert store.content(carol.box, 1) is None and store.header(carol.box, 1) is None
        assert store.open(carol.box, 1) is None

    def test_a_header_ends_with_its_empty_line(self, store: Store, alice: Person) -> None:
        cases = {
            b"": b"",
            b"\r\n": b"\r\n",
            b"\r\nbody\r\n": b"\r\n",
            b"A: b\r\n": b"A: b\r\n",
            b"A: b\r\n\r\n": b"A: b\r\n\r\n",
            b"A: b\r\n\r\n\r\nx": b"A: b\r\n\r\n",
            b"A: \x00\xff\n\nx": b"A: \x00\xff\n\nx",
        }
        for content, header in cases.items():
            (stored,) = store.store_all([(content, alice.inbox)])
            assert store.header(alice.box, stored.uid) == header
            assert store.content(alice.box, stored.uid) == content

    @pytest.mark.parametrize("mail", [b"", MAIL, LARGE], ids=["empty", "small", "large"])
    def test_an_opened_content_is_read_to_its_end_whatever_happens(
        self, store: Store, alice: Person, mail: bytes
    ) -> None:
        store.store(mail, [alice.inbox])
        content = store.open(alice.box, 1)
        assert content is not None and content.size == len(mail)
        store.expunge(alice.box, None, only_deleted=False)
        pieces = [content.read(start, 1000) for start in range(0, len(mail), 1000)]
        assert b"".join(pieces) == mail
        assert content.read(len(mail), 10) == b"" and content.read(3, 5) == mail[3:8]
        content.close()
        content.close()

    def test_flags_and_date_of_an_append(self, store: Store, alice: Person) -> None:
        before = int(time.time())
        appended = replace(alice.inbox, flags=frozenset(["\\seen", "$Junk", "\\Recent"]), date=-12345)
        store.store(MAIL, [appended])
        store.store(MAIL, [alice.inbox])
        first, second = listed(store, alice.box)
        assert (first.flags, first.date, first.size) == (frozenset(["\\Seen", "$Junk"]), -12345, len(MAIL))
        assert second.flags == frozenset() and before <= second.date <= time.time()
        assert store.status(alice.box).unseen == 1

    def test_nothing_is_stored_when_one_mailbox_is_missing(self, store: Store, alice: Person) -> None:
        missing, other = (Delivery(f"{name}@example.org", NOBODY + number, NOBODY) for number, name in enumerate("xy"))
        before = store.mailbox(alice.id, "INBOX")
        for mail in (MAIL, LARGE):
            with pytest.raises(NoSuchMailbox) as error:
                store.store(mail, [other, alice.inbox, missing])
            assert error.value.gone == [other, missing], "`gone` names all mailboxes that are missing, in their order"
            with pytest.raises(NoSuchMailbox):
                store.store_all([(mail, alice.inbox), (mail, missing)])
        with pytest.raises(Impossible):
            store.store(MAIL, [])
        assert store.mailbox(alice.id, "INBOX") == before, "a UID or a modseq was used up"
        assert store.usage(alice.id).messages == 0, "all or none are stored"

    def test_of_several_errors_the_first_in_order_is_raised(self, store: Store, alice: Person) -> None:
        """A flag that is none, a mailbox that is missing, no room."""
        missing = Delivery("x@example.org", NOBODY, NOBODY)
        bad = replace(alice.inbox, flags=frozenset(["a b"]))
        store.set_quota(alice.id, 1)
        for deliveries in ([missing, bad], [bad, missing], [alice.inbox, missing, bad]):
            with pytest.raises(Impossible):
                store.store(MAIL, deliveries)
            with pytest.raises(Impossible):
                store.store_all([(MAIL, delivery) for delivery in deliveries])
        for deliveries in ([missing, alice.inbox], [alice.inbox, missing]):
            with pytest.raises(NoSuchMailbox) as error:
                store.store(MAIL, deliveries)
            assert error.value.gone == [missing]
            with pytest.raises(NoSuchMailbox):
                store.store_all([(MAIL, delivery) for delivery in deliveries])
        with pytest.raises(OverQuota):
            store.store(MAIL, [alice.inbox])
        store.set_quota(alice.id, None)
        store.store(MAIL, [alice.inbox])
        with pytest.raises(Impossible):
            store.set_flags(NOBODY, [1], "add", ["a b"])
        store.set_quota(alice.id, 1)
        with pytest.raises(NoSuchMailbox):
            store.copy(alice.box, [1], NOBODY)

    def test_several_messages_at_once_come_in_their_order(self, store: Store, alice: Person, bob: Person) -> None:
        contents = [MAIL + b"%d" % number for number in range(6)]
        pairs = [(content, (alice, bob)[number % 2].inbox) for number, content in enumerate(contents)]
        stored = store.store_all(pairs)
        assert [one.delivery for one in stored] == [delivery for _, delivery in pairs]
        assert [one.uid for one in stored] == [1, 1, 2, 2, 3, 3]
        for one, content in zip(stored, contents, strict=True):
            assert store.content(one.delivery.mailbox_id, one.uid) == content
        assert store.store_all([]) == []

    def test_what_is_stored_survives_a_restart(self, opened: Callable[..., Store]) -> None:
        self.needs(persistent=True)
        store = opened()
        alice = person(store, "alice")
        store.store(MAIL, [alice.inbox])
        store.store(LARGE, [replace(alice.inbox, flags=frozenset(["\\Seen", "$a"]), date=5)])
        store.copy(alice.box, [1], box(store, alice, "Trash"), move=True)
        store.annotate(alice.id, "Trash", {"/private/a": b"1"})
        store.subscribe(alice.id, "x", True)
        trash = box(store, alice, "Trash")

        def everything(store: Store) -> list[object]:
            boxes = store.mailboxes(alice.id)
            return [
                [(one, store.status(one.id), listed(store, one.id)) for one in boxes],
                [store.content(alice.box, 2), store.content(trash, 1)],
                [store.annotations(alice.id, "Trash"), store.subscriptions(alice.id), store.usage(alice.id)],
            ]

        before, since = everything(store), store.status(alice.box).modseq - 1
        gone = store.changes(alice.box, since).expunged
        store.close()
        store = opened()
        assert everything(store) == before and store.changes(alice.box, since).expunged == gone == [1]

    def test_expunge(self, store: Store, alice: Person, posts: list[int]) -> None:
        inbox = fill(store, alice, 5)
        store.set_flags(inbox, [1, 2, 3], "add", ["\\DELETED"])
        assert store.expunge(inbox, [2, 5, 99]) == [2]
        assert store.expunge(inbox) == [1, 3] and posts[-1] == inbox
        posts.clear()
        modseq = store.status(inbox).modseq
        assert store.expunge(inbox) == store.expunge(inbox, [1, 2, 3]) == store.expunge(inbox, []) == []
        assert store.expunge(NOBODY) == store.expunge(NOBODY, [1], only_deleted=False) == []
        assert store.status(inbox).modseq == modseq and posts == [], "where nothing is removed nothing is posted"
        assert store.expunge(inbox, [5], only_deleted=False) == [5] and uids(store, inbox) == [4]
        assert store.expunge(inbox, [], only_deleted=False) == []

    def test_copy_and_move(self, store: Store, alice: Person, posts: list[int]) -> None:
        inbox, trash = fill(store, alice, 4), box(store, alice, "Trash")
        store.set_flags(inbox, [2], "add", ["\\Seen"])
        validity, date = store.status(trash).uidvalidity, listed(store, inbox)[1].date
        posts.clear()
        assert not store.copy(inbox, [3, 2, 99], trash).uids and not store.status(trash).messages and posts == []
        copied = store.copy(inbox, [3, 2], trash)
        assert (copied.uidvalidity, list(copied.uids), list(copied.copies)) == (validity, [2, 3], [1, 2])
        assert posts == [trash]
        first, second = listed(store, trash)
        assert (first.flags, second.flags, first.date) == ({"\\Seen"}, set(), date) and first.modseq == second.modseq
        assert [(store.content(trash, uid) or b"")[-1:] for uid in (1, 2)] == [b"1", b"2"]
        posts.clear()
        moved = store.copy(inbox, [1, 2], trash, move=True)
        assert (list(moved.uids), list(moved.copies)) == ([1, 2], [3, 4]) and set(posts) == {inbox, trash}
        assert uids(store, inbox) == [3, 4] and store.status(trash).unseen == 2
        for mailbox_id in (inbox, NOBODY):
            nothing = store.copy(mailbox_id, [77], trash)
            assert (list(nothing.uids), list(nothing.copies)) == ([], [])
        with pytest.raises(NoSuchMailbox):
            store.copy(inbox, [3], NOBODY)
        assert not store.copy(inbox, [3, 77], trash, move=True).uids and uids(store, inbox) == [3, 4]

    def test_copy_and_move_to_the_same_mailbox_give_new_uids(self, store: Store, alice: Person) -> None:
        inbox = fill(store, alice, 2)
        assert list(store.copy(inbox, [1], inbox, move=True).copies) == [3] and uids(store, inbox) == [2, 3]
        assert list(store.copy(inbox, [2], inbox).copies) == [4] and uids(store, inbox) == [2, 3, 4]
        assert store.status(inbox).size == store.usage(alice.id).octets == 3 * len(MAIL + b"0")

    def test_many_messages(self, store: Store, alice: Person) -> None:
        """Work that is done in several transactions has the same result as in one."""
        count, trash = 1203, box(store, alice, "Trash")
        everything = list(range(1, count + 1))
        inbox = fill(store, alice, count)
        since = store.status(inbox).modseq
        done = store.set_flags(inbox, everything[::-1], "add", ["\\Deleted"])
        assert list(done.changed) == everything and list(done.modseqs) == sorted(done.modseqs)
        changed = store.changes(inbox, since)
        assert {message.modseq for message in changed.messages} == set(done.modseqs)
        assert max(done.modseqs) == changed.modseq == store.status(inbox).modseq
        assert list(store.copy(inbox, everything, trash).copies) == everything
        assert store.expunge(inbox) == everything and uids(store, trash) == everything
        assert flags(store, trash)[count] == {"\\Deleted"}
        assert list(store.changes(inbox, since).expunged or ()) == everything
        store.delete_account(alice.id)
        store.expire(time.time())
