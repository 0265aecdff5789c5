"""What changed since: modseqs, changes, pages, flags."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from chatgate.store.contract import Store
from chatgate.store.records import Impossible, LimitReached, NoSuchMailbox
from chatgate.testing.store.kit import MAIL, NOBODY, Kit, Person, box, fill, flags, listed, uids


class ChangesTests(Kit):
    """What changed since: modseqs, changes, pages."""

    def test_an_empty_mailbox(self, store: Store, alice: Person) -> None:
        told = store.changes(alice.box)
        assert (told.modseq, told.uidnext, list(told.messages), told.expunged) == (1, 1, [], None)
        told = store.changes(alice.box, 1)
        assert (told.modseq, told.uidnext, list(told.messages), list(told.expunged or ())) == (1, 1, [], [])
        assert told.expunged is not None and list(store.pages(alice.box, 1)) == []

    def test_what_is_new_changed_and_gone(self, store: Store, alice: Person) -> None:
        inbox = fill(store, alice, 4)
        start = store.changes(inbox)
        assert [message.uid for message in start.messages] == [1, 2, 3, 4]
        assert start.expunged is None and start.uidnext == 5
        for since in (start.modseq, start.modseq + 100):
            now = store.changes(inbox, since)
            assert (now.modseq, now.uidnext, list(now.messages), list(now.expunged or ())) == (start.modseq, 5, [], [])
            assert now.expunged is not None
        store.set_flags(inbox, [2], "add", ["\\Flagged"])
        store.expunge(inbox, [3], only_deleted=False)
        fill(store, alice, 1)
        now = store.changes(inbox, start.modseq)
        messages = list(now.messages)
        assert [message.uid for message in messages] == [2, 5] and list(now.expunged or ()) == [3] and now.uidnext == 6
        assert max(message.modseq for message in messages) == now.modseq == store.status(inbox).modseq
        for since in (0, -1):
            told = store.changes(inbox, since)
            assert [message.uid for message in told.messages] == [1, 2, 4, 5] and told.expunged is None
        with pytest.raises(NoSuchMailbox):
            store.changes(NOBODY)
        with pytest.raises(NoSuchMailbox):
            store.status(NOBODY)

    def test_every_kind_of_change_grows_the_modseq_and_is_told(self, store: Store, alice: Person) -> None:
        inbox, trash = fill(store, alice, 4), box(store, alice, "Trash")
        for number, change in enumerate(
            (
                lambda: store.set_flags(inbox, [1], "add", ["\\Seen"]),
                lambda: store.copy(inbox, [1], inbox),
                lambda: store.copy(inbox, [1], trash, move=True),
                lambda: store.expunge(inbox, [2], only_deleted=False),
                lambda: store.remove([(inbox, 3)]),
                lambda: fill(store, alice, 1),
                lambda: store.rename_mailbox(alice.id, "INBOX", "old"),
            )
        ):
            before = store.status(inbox).modseq
            change()
            told = store.changes(inbox, before)
            assert told.modseq > before and (list(told.messages) or told.expunged), (
                f"change {number} raises the modseq, and `changes` tells of it"
            )

    def test_pages_are_all_below_a_uid(self, store: Store, alice: Person) -> None:
        inbox = fill(store, alice, 1100)
        store.expunge(inbox, range(3, 1000, 2), only_deleted=False)
        pages = list(store.pages(inbox, 1090))
        assert [message.uid for page in pages for message in page] == [u for u in uids(store, inbox) if u < 1090]
        assert all(pages) and [message for page in pages for message in page] == listed(store, inbox)[:-11]
        assert list(store.pages(NOBODY, 100)) == [] and list(store.pages(inbox, 1)) == []

    def test_pages_of_a_mailbox_that_changes_meanwhile(self, store: Store, alice: Person) -> None:
        inbox = fill(store, alice, 1500)
        since = store.status(inbox).modseq
        seen: list[int] = []
        for number, page in enumerate(store.pages(inbox, 1501)):
            seen += [message.uid for message in page]
            store.expunge(inbox, [1, 1500 - number], only_deleted=False)
            fill(store, alice, 1)
        known = set(seen) - set(store.changes(inbox, since).expunged or ())
        known |= {message.uid for message in store.changes(inbox, since).messages}
        assert sorted(known) == uids(store, inbox) and seen == sorted(set(seen)) and max(seen) <= 1500

    def test_changes_are_forgotten_together_with_what_they_are(self, store: Store, alice: Person) -> None:
        """Whatever a store forgets, a client that has not looked for long does not keep a message that is gone."""
        inbox = fill(store, alice, 400)
        since = store.status(inbox).modseq
        for uid in range(1, 400):
            store.expunge(inbox, [uid], only_deleted=False)
        recent = store.changes(inbox, store.status(inbox).modseq - 100)
        assert recent.expunged is not None, "the last 100 are never forgotten"
        store.expire(time.time() + 400 * 86400)
        told = store.changes(inbox, since)
        if told.expunged is None:
            assert [message.uid for message in told.messages] == [400]
        else:
            assert list(told.expunged) == list(range(1, 400)) and list(told.messages) == []
        assert list(store.changes(inbox, store.status(inbox).modseq - 100).expunged or ()) == list(range(300, 400))

    def test_status(self, store: Store, alice: Person) -> None:
        inbox = fill(store, alice, 3)
        store.set_flags(inbox, [1, 2], "add", ["\\Seen"])
        store.expunge(inbox, [1], only_deleted=False)
        mailbox, status = store.mailbox(alice.id, "INBOX"), store.status(inbox)
        assert mailbox is not None and status[:4] == (2, 1, 4, mailbox.uidvalidity)
        assert status.size == 2 * len(MAIL + b"1") and status.modseq == mailbox.modseq and mailbox.uidnext == 4


class FlagTests(Kit):
    """Flags: added, removed, replaced, refused."""

    def test_add_remove_and_replace(self, store: Store, alice: Person, posts: list[int]) -> None:
        inbox = fill(store, alice, 3)
        before = store.status(inbox).modseq
        posts.clear()
        done = store.set_flags(inbox, [3, 1, 99], "add", ["\\seen", "$Key"])
        assert (list(done.changed), list(done.refused), posts) == ([1, 3], [], [inbox])
        (modseq,) = done.modseqs
        assert modseq == store.status(inbox).modseq > before
        assert [message.modseq == modseq for message in listed(store, inbox)] == [True, False, True]
        assert flags(store, inbox) == {1: {"\\Seen", "$Key"}, 2: set(), 3: {"\\Seen", "$Key"}}
        assert list(store.set_flags(inbox, [1, 2], "remove", ["$Key", "\\Flagged"]).changed) == [1]
        assert list(store.set_flags(inbox, [1, 3], "replace", ["\\Seen"]).changed) == [3]
        assert flags(store, inbox) == {1: {"\\Seen"}, 2: set(), 3: {"\\Seen"}}
        store.set_flags(inbox, [1], "replace", [])
        assert store.status(inbox).unseen == 2

    def test_who_has_them_already_keeps_its_modseq(self, store: Store, alice: Person, posts: list[int]) -> None:
        inbox = fill(store, alice, 2)
        store.set_flags(inbox, [1], "add", ["\\Seen"])
        posts.clear()
        before = store.status(inbox).modseq
        for how, wanted in (("add", ["\\SEEN"]), ("remove", ["$No"]), ("replace", ["\\Seen", "\\Recent"]), ("add", [])):
            assert tuple(map(list, store.set_flags(inbox, [1], how, wanted))) == ([], [], [])  # type: ignore[arg-type]
        assert tuple(map(list, store.set_flags(inbox, [], "add", ["x"]))) == ([], [], [])
        assert store.status(inbox).modseq == before and posts == [], "what changes nothing has no modseq and no posting"

    def test_keywords_have_the_case_they_are_given(self, store: Store, alice: Person) -> None:
        inbox = fill(store, alice, 1)
        store.set_flags(inbox, [1], "add", ["$mdnsent", "$MDNSent", "\\aNSWERED"])
        assert flags(store, inbox)[1] == {"$mdnsent", "$MDNSent", "\\Answered"}

    def test_unchanged_since(self, store: Store, alice: Person) -> None:
        inbox = fill(store, alice, 3)
        since = store.changes(inbox).modseq
        store.set_flags(inbox, [2], "add", ["\\Flagged"])
        done = store.set_flags(inbox, [1, 2, 3, 99], "add", ["\\Seen"], unchanged_since=since)
        assert (list(done.changed), list(done.refused)) == ([1, 3], [2])
        assert flags(store, inbox)[2] == {"\\Flagged"}
        done = store.set_flags(inbox, [1, 2], "add", ["\\Seen"], unchanged_since=0)
        assert (list(done.changed), sorted(done.refused)) == ([], [1, 2])

    def test_what_is_no_flag_is_refused(self, store: Store, alice: Person) -> None:
        inbox = fill(store, alice, 1)
        for flag in ("", "a b", "ä", "a\n"):
            with pytest.raises(Impossible):
                store.set_flags(inbox, [1], "add", [flag])
            with pytest.raises(Impossible):
                store.store(MAIL, [replace(alice.inbox, flags=frozenset([flag]))])
        with pytest.raises(NoSuchMailbox):
            store.set_flags(NOBODY, [1], "add", ["x"])
        assert store.status(inbox).messages == 1 and flags(store, inbox) == {1: set()}

    def test_a_message_has_so_many_flags_and_no_more(self, store: Store, alice: Person) -> None:
        inbox = fill(store, alice, 2)
        words = [f"$k{number}" for number in range(60)]
        store.set_flags(inbox, [1], "replace", words[:50])
        for how, more in (("add", words[50:51]), ("replace", words), ("add", ["x" * 501, "y" * 501])):
            with pytest.raises(LimitReached):
                store.set_flags(inbox, [2, 1], how, more)  # type: ignore[arg-type]
        with pytest.raises(LimitReached):
            store.store(MAIL, [replace(alice.inbox, flags=frozenset(words))])
        assert flags(store, inbox) == {1: set(words[:50]), 2: set()}, "for one of them none is changed"

    def test_of_many_the_first_may_be_flagged_before_one_refuses(self, store: Store, alice: Person) -> None:
        inbox, most = fill(store, alice, 1100), [f"$k{number}" for number in range(50)]
        store.set_flags(inbox, [1050], "replace", most)
        since = store.status(inbox).modseq
        with pytest.raises(LimitReached):
            store.set_flags(inbox, range(1, 1101), "add", ["$more"])
        flagged = [uid for uid, kinds in flags(store, inbox).items() if "$more" in kinds]
        assert flagged == list(range(1, len(flagged) + 1)) and len(flagged) < 1050, "the first ones or none"
        assert [message.uid for message in store.changes(inbox, since).messages] == flagged, "and clients are told"
        assert flags(store, inbox)[1050] == set(most)
