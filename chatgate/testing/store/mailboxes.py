"""Mailboxes: names, renaming, deleting; subscriptions and annotations."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chatgate.store.contract import Store
from chatgate.store.records import (
    Delivery,
    Impossible,
    LimitReached,
    MailboxExists,
    NoSuchAccount,
    NoSuchMailbox,
    OverQuota,
    Status,
)
from chatgate.testing.store.kit import MAIL, NOBODY, Kit, Person, box, fill, person, uids

BAD_NAMES = ("", "/", "a/", "/a", "a//b", "a\x00b", "a\nb", "ä" * 128, "a\ud800")


def names(store: Store, someone: Person) -> list[str]:
    return [one.name for one in store.mailboxes(someone.id)]


class MailboxTests(Kit):
    def test_inbox_has_any_case_and_other_names_have_one(self, store: Store, alice: Person) -> None:
        assert store.mailbox(alice.id, "inBox") == store.mailbox(alice.id, "INBOX")
        with pytest.raises(MailboxExists):
            store.create_mailbox(alice.id, "Inbox")
        assert store.create_mailbox(alice.id, "inbox/Sub").name == "INBOX/Sub"
        assert store.mailbox(alice.id, "InBox/Sub") is not None and store.mailbox(alice.id, "inbox/sub") is None
        store.create_mailbox(alice.id, "sent")
        store.create_mailbox(alice.id, "inboxes")
        assert {"Sent", "sent", "inboxes"} < set(names(store, alice))

    def test_names_are_any_text_and_compared_as_they_are(self, store: Store, alice: Person) -> None:
        wanted = [
            "Größe/日本",
            "a b",
            "e\u0301",
            "\u00e9",
            "%*?_'\"\\",
            "x" * 255,
            "🚀",
        ]
        for name in wanted:
            made = store.create_mailbox(alice.id, name)
            assert made.name == name and store.mailbox(alice.id, name) == made
        first = ["INBOX"]
        assert names(store, alice) == first + sorted([*wanted, "Drafts", "Junk", "Sent", "Trash"])
        assert store.mailbox(alice.id, "x") is None and store.mailbox(alice.id, "") is None

    def test_bad_names_are_refused(self, store: Store, alice: Person) -> None:
        for name in BAD_NAMES:
            with pytest.raises(Impossible):
                store.create_mailbox(alice.id, name)
            with pytest.raises(Impossible):
                store.rename_mailbox(alice.id, "Sent", name)
            with pytest.raises(Impossible):
                store.subscribe(alice.id, name, True)
        assert len(store.mailboxes(alice.id)) == len(store.subscriptions(alice.id)) == 5

    def test_a_name_made_again_gets_a_higher_uidvalidity_and_another_id(self, store: Store, alice: Person) -> None:
        first = store.create_mailbox(alice.id, "a")
        store.delete_mailbox(first.id)
        assert store.mailbox(alice.id, first.name) is None
        second = store.create_mailbox(alice.id, first.name)
        assert second.uidvalidity > first.uidvalidity and second.id != first.id
        assert store.status(second.id) == Status(0, 0, 1, second.uidvalidity, 1, 0)

    def test_uids_survive_empty_boxes_and_restarts(self, opened: Callable[..., Store]) -> None:
        self.needs(persistent=True)
        store = opened()
        alice = person(store, "alice")
        fill(store, alice, 2)
        store.expunge(alice.box, None, only_deleted=False)
        before = store.mailbox(alice.id, "INBOX")
        store.close()
        store = opened()
        assert store.mailbox(alice.id, "INBOX") == before and before is not None and before.uidnext == 3
        (stored,) = store.store_all([(MAIL, alice.inbox)])
        assert stored.uid == 3 and stored.modseq > before.modseq and stored.uidvalidity == before.uidvalidity

    def test_a_mailbox_has_a_special_use_of_its_own_or_that_of_its_name(self, store: Store, alice: Person) -> None:
        archive = store.create_mailbox(alice.id, "Old", "\\Archive \\Junk")
        assert archive.special_use == "\\Archive \\Junk" and store.mailbox(alice.id, "Old") == archive
        store.delete_mailbox(box(store, alice, "Sent"))
        assert store.create_mailbox(alice.id, "Sent").special_use == "\\Sent"
        store.delete_mailbox(box(store, alice, "Junk"))
        assert store.create_mailbox(alice.id, "Junk").special_use == "", (
            "a special use that another mailbox has is not given again"
        )
        assert store.create_mailbox(alice.id, "sent").special_use == ""

    def test_delete_removes_messages_but_not_children(self, store: Store, alice: Person, posts: list[int]) -> None:
        parent = store.create_mailbox(alice.id, "a")
        child = store.create_mailbox(alice.id, "a/b")
        fill(store, alice, 1)
        store.copy(alice.box, [1], parent.id)
        store.annotate(alice.id, "a", {"/private/x": b"1"})
        posts.clear()
        store.delete_mailbox(parent.id)
        assert posts == [parent.id]
        assert "a/b" in names(store, alice) and "a" not in names(store, alice)
        assert store.annotations(alice.id, "a") == {} and store.usage(alice.id).messages == 1
        for ask in (store.changes, store.status, store.delete_mailbox):
            with pytest.raises(NoSuchMailbox):
                ask(parent.id)
        with pytest.raises(NoSuchMailbox):
            store.set_flags(parent.id, [1], "add", ["\\Seen"])
        with pytest.raises(NoSuchMailbox):
            store.copy(alice.box, [1], parent.id)
        with pytest.raises(NoSuchMailbox):
            store.store(MAIL, [Delivery("", parent.id, alice.id)])
        assert store.content(alice.box, 1) is not None and store.mailbox(alice.id, "a/b") == child

    def test_inbox_cannot_be_deleted(self, store: Store, alice: Person) -> None:
        with pytest.raises(Impossible):
            store.delete_mailbox(alice.box)

    def test_rename_takes_children_and_annotations_along(self, store: Store, alice: Person) -> None:
        before = store.create_mailbox(alice.id, "a", "\\Archive")
        for name in ("a/b/c", "ab", "A/b"):
            store.create_mailbox(alice.id, name)
        for name in ("a", "a/b/c"):
            store.annotate(alice.id, name, {"/private/x": name.encode()})
        store.subscribe(alice.id, "a", True)
        store.rename_mailbox(alice.id, "a", "z/y")
        assert {"z/y", "z/y/b/c", "ab", "A/b"} < set(names(store, alice)) and "a" not in names(store, alice)
        after = store.mailbox(alice.id, "z/y")
        assert after is not None
        assert (after.id, after.uidvalidity, after.special_use) == (before.id, before.uidvalidity, "\\Archive")
        assert store.annotations(alice.id, "z/y/b/c") == {"/private/x": b"a/b/c"}
        assert store.annotations(alice.id, "z/y") == {"/private/x": b"a"} and store.annotations(alice.id, "a") == {}
        assert "a" in store.subscriptions(alice.id) and "z/y" not in store.subscriptions(alice.id)

    def test_rename_refuses_and_changes_nothing(self, store: Store, alice: Person) -> None:
        for name in ("a", "a/b", "z/b"):
            store.create_mailbox(alice.id, name)
        before = store.mailboxes(alice.id)
        for old, new, error in (
            ("nope", "x", NoSuchMailbox),
            ("a", "Sent", MailboxExists),
            ("a", "a", MailboxExists),
            ("a", "inbox", MailboxExists),
            ("a", "z", MailboxExists),  # by its child
            ("a", "a/x", Impossible),
            ("a", "x" * 254, Impossible),  # by the name of its child
            ("INBOX", "Sent", MailboxExists),
        ):
            with pytest.raises(error):
                store.rename_mailbox(alice.id, old, new)
        assert store.mailboxes(alice.id) == before, "what is refused changes nothing"

    def test_rename_of_inbox_moves_its_messages(self, store: Store, alice: Person, posts: list[int]) -> None:
        fill(store, alice, 3)
        store.expunge(alice.box, [2], only_deleted=False)
        store.create_mailbox(alice.id, "INBOX/child")
        store.annotate(alice.id, "INBOX", {"/private/x": b"1"})
        posts.clear()
        store.rename_mailbox(alice.id, "inbox", "old")
        old, inbox = store.mailbox(alice.id, "old"), store.mailbox(alice.id, "INBOX")
        assert old is not None and inbox is not None and set(posts) == {old.id, alice.box}
        assert uids(store, old.id) == [1, 2] and old.special_use == ""
        assert [message.uid for message in store.changes(old.id, 1).messages] == [1, 2]
        assert [(store.content(old.id, uid) or b"")[-1:] for uid in (1, 2)] == [b"0", b"2"]
        assert inbox.id == alice.box and inbox.uidnext == 4 and store.status(inbox.id).messages == 0
        assert "INBOX/child" in names(store, alice) and store.annotations(alice.id, "INBOX") == {"/private/x": b"1"}

    def test_inbox_may_be_moved_into_a_mailbox_inside_it(self, store: Store, alice: Person) -> None:
        fill(store, alice, 2)
        store.rename_mailbox(alice.id, "INBOX", "INBOX/old")
        assert uids(store, box(store, alice, "INBOX/old")) == [1, 2] and uids(store, alice.box) == []
        with pytest.raises(MailboxExists):
            store.rename_mailbox(alice.id, "INBOX", "inbox/old")

    def test_of_several_errors_the_first_in_order_is_raised(self, store: Store, alice: Person) -> None:
        """The order: wrong arguments, what is missing, what is there already, what would come of the change."""
        store.create_mailbox(alice.id, "a")
        store.create_mailbox(alice.id, "a/b")
        for error, change in (
            (Impossible, lambda: store.create_mailbox(NOBODY, "a//b")),
            (Impossible, lambda: store.rename_mailbox(alice.id, "nope", "a//b")),
            (NoSuchMailbox, lambda: store.rename_mailbox(alice.id, "nope", "Sent")),
            (MailboxExists, lambda: store.rename_mailbox(alice.id, "a", "a/b")),
            (Impossible, lambda: store.subscribe(NOBODY, "a//b", True)),
            (LimitReached, lambda: store.annotate(NOBODY, "nope", {"/private/" + "a" * 247: b""})),
            (NoSuchAccount, lambda: store.annotate(NOBODY, "nope", {"/private/a": b""})),
        ):
            with pytest.raises(error):
                change()
        store.annotate(NOBODY, "", {"/private/a": None})
        store.annotate(NOBODY, "nope", {"/private/a": None})

    def test_an_account_may_have_at_least_100_mailboxes(self, store: Store, alice: Person) -> None:
        for number in range(95):
            store.create_mailbox(alice.id, f"box {number}")
            store.subscribe(alice.id, f"box {number}", True)
        assert len(store.mailboxes(alice.id)) == len(store.subscriptions(alice.id)) == 100

    def test_nothing_without_an_account(self, store: Store) -> None:
        with pytest.raises(NoSuchAccount):
            store.create_mailbox(NOBODY, "x")
        with pytest.raises(NoSuchAccount):
            store.subscribe(NOBODY, "x", True)
        with pytest.raises(NoSuchAccount):
            store.annotate(NOBODY, "", {"/private/a": b"1"})
        store.subscribe(NOBODY, "x", False)
        assert store.mailbox(NOBODY, "INBOX") is None

    def test_subscriptions_are_names_that_outlive_the_mailbox(self, store: Store, alice: Person) -> None:
        made = store.create_mailbox(alice.id, "news")
        for name, wanted in (("news", True), ("news", True), ("Sent", False), ("never was", False), ("inbox", True)):
            store.subscribe(alice.id, name, wanted)
        store.delete_mailbox(made.id)
        assert store.subscriptions(alice.id) == ["INBOX", "Drafts", "Junk", "Trash", "news"]
        store.subscribe(alice.id, "iNbox", False)
        assert store.subscriptions(alice.id) == ["Drafts", "Junk", "Trash", "news"]

    def test_annotations(self, store: Store, alice: Person, bob: Person) -> None:
        store.annotate(alice.id, "", {"/private/a": b"1"})
        store.annotate(alice.id, "inbox", {"/private/a": b"\x00\xff"})
        store.annotate(alice.id, "", {"/private/a": b"2"})
        store.annotate(alice.id, "", {"/private/b": b""})
        assert store.annotations(alice.id, "") == {"/private/a": b"2", "/private/b": b""}
        assert store.annotations(alice.id, "INBOX") == store.annotations(alice.id, "inbox") == {"/private/a": b"\0\xff"}
        store.annotate(alice.id, "", {"/private/a": None, "/private/never": None})
        store.annotate(alice.id, "nope", {"/private/a": None})
        assert store.annotations(alice.id, "") == {"/private/b": b""} and store.annotations(bob.id, "") == {}
        with pytest.raises(NoSuchMailbox):
            store.annotate(alice.id, "nope", {"/private/a": b"1"})
        assert store.annotations(alice.id, "nope") == {}

    def test_annotations_have_room_and_an_end(self, store: Store, alice: Person) -> None:
        for number in range(100):
            store.annotate(alice.id, "INBOX", {f"/private/{number}": b"x"})
        store.annotate(alice.id, "", {"/private/" + "a" * 246: bytes(16384)})
        with pytest.raises(LimitReached):
            store.annotate(alice.id, "", {"/private/ok": b"1", "/private/" + "a" * 247: b""})
        assert list(store.annotations(alice.id, "")) == ["/private/" + "a" * 246]
        with pytest.raises((LimitReached, OverQuota)):  # whatever the limit is, there is one
            store.annotate(alice.id, "", {f"/private/{number}": bytes(16384) for number in range(10_000)})
        assert len(store.annotations(alice.id, "")) == 1
