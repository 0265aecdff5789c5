"""Messages of another store, with the UIDs that they had there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chatgate.store.contract import Store
from chatgate.store.records import Former, Impossible, LimitReached, NoSuchMailbox, Status
from chatgate.testing.store.kit import LARGE, MAIL, NOBODY, Kit, Person, box, fill, listed, uids

_SEEN = frozenset({"\\seen", "\\Recent", "$Forwarded"})
_TWO = [Former(7, MAIL, _SEEN, 1_500_000_000), Former(9, LARGE, frozenset(), 86_400)]


class RestoringTests(Kit):
    def test_messages_keep_what_a_client_knows_of_them(self, store: Store, alice: Person, posts: list[int]) -> None:
        before = store.status(alice.box)
        assert store.restore_messages(alice.box, 4_000_000_000, 12, _TWO) == [7, 9]
        assert alice.box in posts
        status = store.status(alice.box)
        assert status == Status(2, 1, 12, 4_000_000_000, status.modseq, len(MAIL) + len(LARGE))
        assert status.modseq > before.modseq
        first, second = listed(store, alice.box)
        assert (first.uid, first.flags, first.date) == (7, {"\\Seen", "$Forwarded"}, 1_500_000_000)
        assert (second.uid, second.flags, second.date) == (9, frozenset(), 86_400)
        assert (store.content(alice.box, 7), store.content(alice.box, 9)) == (MAIL, LARGE)
        assert [message.uid for message in store.changes(alice.box, before.modseq).messages] == [7, 9]
        (stored,) = store.store(MAIL, [alice.inbox])
        assert stored.uid == 12  # type: ignore[union-attr]

    def test_what_is_there_is_not_stored_twice(self, store: Store, alice: Person, posts: list[int]) -> None:
        store.restore_messages(alice.box, 5, 12, _TWO[:1])
        assert store.restore_messages(alice.box, 5, 12, _TWO) == [9]
        status = store.status(alice.box)
        posts.clear()
        assert store.restore_messages(alice.box, 5, 12, _TWO) == []
        assert store.status(alice.box) == status and posts == []
        between = Former(8, MAIL, frozenset(), 0)
        assert store.restore_messages(alice.box, 5, 10, [between]) == [8]
        assert uids(store, alice.box) == [7, 8, 9] and store.status(alice.box).uidnext == 12
        store.expunge(alice.box, None, only_deleted=False)
        assert store.status(alice.box)[:2] == (0, 0)

    def test_an_empty_mailbox_keeps_its_numbers_too(self, store: Store, alice: Person) -> None:
        assert store.restore_messages(alice.box, 3, 500, []) == []
        status = store.status(alice.box)
        assert (status.uidvalidity, status.uidnext, status.messages) == (3, 500, 0)

    def test_a_mailbox_in_use_keeps_its_uidvalidity(self, store: Store, alice: Person) -> None:
        fill(store, alice, 1)
        status = store.status(alice.box)
        with pytest.raises(Impossible):
            store.restore_messages(alice.box, status.uidvalidity + 1, 12, _TWO)
        assert store.status(alice.box) == status
        assert store.restore_messages(alice.box, status.uidvalidity, 12, _TWO) == [7, 9]

    @pytest.mark.parametrize(
        "numbers",
        [(0, 9, []), (1, 0, []), (1 << 32, 9, []), (1, 1 << 32, []), (1, 9, [9]), (1, 9, [0]), (1, 9, [3, 3])],
        ids=str,
    )
    def test_numbers_that_cannot_be(self, store: Store, alice: Person, numbers: tuple[int, int, list[int]]) -> None:
        status = store.status(alice.box)
        uidvalidity, uidnext, given = numbers
        with pytest.raises(Impossible):
            former = [Former(uid, MAIL, frozenset(), 0) for uid in given]
            store.restore_messages(alice.box, uidvalidity, uidnext, former)
        assert store.status(alice.box) == status

    def test_all_or_nothing(self, store: Store, alice: Person) -> None:
        status = store.status(alice.box)
        for flags, error in (({"a b"}, Impossible), ({f"k{n}" for n in range(51)}, LimitReached)):
            with pytest.raises(error):
                bad = Former(10, LARGE, frozenset(flags), 0)
                store.restore_messages(alice.box, 5, 12, [*_TWO, bad])
        assert store.status(alice.box) == status
        with pytest.raises(NoSuchMailbox):
            store.restore_messages(NOBODY, 5, 12, _TWO)

    def test_the_quota_does_not_count(self, opened: Callable[..., Store]) -> None:
        store = opened(octets=10, messages=1)
        account = store.create_account("dora@example.org", "secret")
        inbox = store.mailboxes(account.id)[0]
        assert store.restore_messages(inbox.id, 5, 12, _TWO) == [7, 9]
        assert not store.usage(account.id).has_room(1)

    def test_a_mailbox_made_later_has_another_uidvalidity(self, store: Store, alice: Person) -> None:
        store.restore_messages(box(store, alice, "Sent"), 2_100_000_000, 12, _TWO)
        store.restore_messages(box(store, alice, "Junk"), (1 << 32) - 1, 12, _TWO)
        for name in ("Sent", "Junk"):
            old = store.mailbox(alice.id, name)
            assert old is not None
            store.delete_mailbox(old.id)
            assert 2_100_000_000 < store.create_mailbox(alice.id, name).uidvalidity < (1 << 32) - 1
