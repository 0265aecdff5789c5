"""Accounts: made, found, changed, listed, removed."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gevent
import pytest

from chatgate.store.board import account_key
from chatgate.store.contract import Store
from chatgate.store.records import Account, AccountExists, AddressGone, Impossible, OfDomains, Usage
from chatgate.store.rules import FIRST_MAILBOXES
from chatgate.testing.store.kit import LARGE, MAIL, NOBODY, Kit, Person, box, person

DAY = 86400


class AccountTests(Kit):
    def test_a_new_account_has_inbox_and_special_use_mailboxes(self, store: Store) -> None:
        before = int(time.time()) // DAY
        account = store.create_account("alice@example.org", "s3")
        assert store.account("alice@example.org") == account and account.id > 0
        assert before <= account.created <= int(time.time()) // DAY
        assert (account.secret, account.last_login, account.disabled, account.quota) == ("s3", 0, "", None)
        boxes = store.mailboxes(account.id)
        assert {one.name: one.special_use for one in boxes} == FIRST_MAILBOXES
        assert [one.name for one in boxes] == ["INBOX", "Drafts", "Junk", "Sent", "Trash"]
        assert store.subscriptions(account.id) == [one.name for one in boxes]
        for one in boxes:
            assert store.mailbox(account.id, one.name) == one and one.account_id == account.id
            assert (one.uidnext, one.modseq) == (1, 1) and 0 < one.uidvalidity < 1 << 32 and 0 < one.id < 1 << 31

    def test_nothing_gets_a_date_before_the_time_that_it_is_at_least(self, store: Store) -> None:
        """Mail that arrives while the clock is behind would get a date that looks old once the clock is right."""
        assert abs(store.now() - time.time()) < 60
        later = int(time.time()) + 10 * DAY
        store.not_before(later)
        assert store.now() == later
        alice = person(store, "alice")
        account = store.account(alice.address)
        assert account is not None and account.created == later // DAY
        store.store(MAIL, [alice.inbox, replace(alice.inbox, date=5)])
        assert [message.date for message in store.changes(alice.box).messages] == [later, 5]
        store.not_before(5)
        assert abs(store.now() - time.time()) < 60

    def test_an_account_comes_with_all_that_is_known_of_it(self, store: Store) -> None:
        for address, facts in {
            "alice@example.org": Account(0, "", "s3", 19500, 19000, "Spam was sent from it", 12345),
            "bob@example.org": Account(0, "", "", 0, 0, "", 0),
        }.items():
            account = store.create_account(
                address,
                facts.secret,
                created=facts.created,
                last_login=facts.last_login,
                disabled=facts.disabled,
                quota=facts.quota,
            )
            assert store.account(address) == account
            told = Account(0, "", account.secret, account.last_login, account.created, account.disabled, account.quota)
            assert told == facts

    def test_addresses_have_no_case_and_one_spelling(self, store: Store) -> None:
        account = store.create_account("Alice@Example.ORG", "")
        assert account.address == "alice@example.org"
        assert store.account("ALICE@example.org") == account
        with pytest.raises(AccountExists):
            store.create_account("aLICE@example.org", "")
        literal = store.create_account("U@127.0.0.1", "secret")
        assert literal.address == "u@[127.0.0.1]"
        assert store.account("u@127.0.0.1") == store.account("U@[127.0.0.1]") == literal
        store.delete_account(literal.id)
        assert store.tombstone("u@127.0.0.1") == store.tombstone("U@[127.0.0.1]") == "secret"
        store.forget_tombstone("u@127.0.0.1")
        assert store.tombstone("u@[127.0.0.1]") is None

    @pytest.mark.parametrize("address", ["", "alice", "@example.org", "alice@", "a" * 320 + "@example.org", "a b@c.de"])
    def test_what_is_no_address_is_no_account(self, store: Store, address: str) -> None:
        with pytest.raises(Impossible):
            store.create_account(address, "")
        assert store.account(address) is None and store.tombstone(address) is None and store.accounts() == []

    def test_the_owner_of_an_old_name_comes_back(self, store: Store) -> None:
        assert store.create_account("old..name@example.org", "s", returning=True).address == "old..name@example.org"

    def test_of_two_creations_at_the_same_instant_one_wins(self, store: Store) -> None:
        def create() -> Account | None:
            try:
                return store.create_account("alice@example.org", "")
            except AccountExists:
                assert store.account("alice@example.org") is not None, (
                    "AccountExists is raised only when the account can be seen"
                )
                return None

        tasks = [gevent.spawn(create) for _ in range(20)]
        gevent.joinall(tasks, raise_error=True)
        assert sum(task.value is not None for task in tasks) == 1 and len(store.accounts()) == 1

    def test_paging_over_accounts(self, store: Store) -> None:
        names = [f"u{number:02}@example.org" for number in range(7)]
        for name in reversed(names):
            store.create_account(name, "")
        seen: list[str] = []
        while page := store.accounts(seen[-1] if seen else "", 3):
            assert len(page) <= 3
            seen += [account.address for account in page]
            assert len(seen) <= 7, "a page begins behind `after`"
        assert seen == names and store.count_accounts() == 7

    def test_changes_to_an_account(self, store: Store, alice: Person, bob: Person) -> None:
        store.set_secret(alice.id, "new")
        store.set_last_login(alice.id, 20000)
        store.set_last_login(alice.id, 19000)  # clocks go back
        store.set_disabled(alice.id, "Spam was sent from it")
        store.set_quota(alice.id, 150)
        account = store.account(alice.address)
        assert account is not None
        assert (account.secret, account.last_login, account.disabled) == ("new", 20000, "Spam was sent from it")
        assert account.quota == 150 and store.usage(alice.id).limit == 150
        store.set_disabled(alice.id, "")
        store.set_quota(alice.id, None)
        account, other = store.account(alice.address), store.account(bob.address)
        assert account is not None and account.disabled == "" and account.quota is None
        assert other is not None and other.secret == "secret"

    def test_a_secret_is_replaced_only_if_it_is_still_the_one(
        self, store: Store, alice: Person, posts: list[int]
    ) -> None:
        assert store.set_secret(alice.id, "of ours", was="secret")
        assert account_key(alice.id) in posts
        posts.clear()
        assert not store.set_secret(alice.id, "of a slower one", was="secret")
        assert not store.set_secret(alice.id, "of ours", was="of ours") and not store.set_secret(alice.id, "of ours")
        assert not store.set_secret(NOBODY, "x", was="secret") and posts == []
        account = store.account(alice.address)
        assert account is not None and account.secret == "of ours"
        assert store.set_secret(alice.id, "new")

    def test_one_of_two_replaces_a_secret(self, store: Store, alice: Person) -> None:
        tasks = [gevent.spawn(store.set_secret, alice.id, f"of {n}", "secret") for n in range(10)]
        gevent.joinall(tasks, raise_error=True)
        assert [task.value for task in tasks].count(True) == 1

    def test_presence_of_several_is_noted(self, store: Store, alice: Person, bob: Person) -> None:
        store.set_last_login(bob.id, 20001)
        store.note_present([alice.id, bob.id, NOBODY], 20000)
        store.note_present([], 30000)
        assert [account.last_login for account in store.accounts()] == [20000, 20001]

    def test_who_is_not_there_is_not_changed(self, store: Store, alice: Person) -> None:
        store.set_secret(NOBODY, "x")
        store.set_disabled(NOBODY, "x")
        store.set_last_login(NOBODY, 20000)
        store.set_quota(NOBODY, 1)
        store.delete_account(NOBODY)
        store.forget_tombstone("nobody@example.org")
        assert store.mailboxes(NOBODY) == store.subscriptions(NOBODY) == []
        assert store.annotations(NOBODY, "") == {} and store.usage(NOBODY) == Usage(0, 0, 0, 0)
        assert store.count_accounts() == 1 and store.kept(NOBODY) == []

    def test_sessions_are_told_of_what_may_end_them(self, store: Store, alice: Person, posts: list[int]) -> None:
        trash = box(store, alice, "Trash")
        for change in (
            lambda: store.set_secret(alice.id, "new"),
            lambda: store.set_disabled(alice.id, "no"),
            lambda: store.delete_account(alice.id),
        ):
            posts.clear()
            change()
            assert account_key(alice.id) in posts
        assert {alice.box, trash} <= set(posts), "of a deleted account the mailboxes are posted, too"

    def test_what_is_no_change_is_not_posted(self, store: Store, alice: Person, posts: list[int]) -> None:
        store.set_disabled(alice.id, "no")
        posts.clear()
        store.set_disabled(alice.id, "no")
        store.set_secret(alice.id, "secret")
        store.set_quota(alice.id, 7)
        store.set_last_login(alice.id, 20000)
        for change in (store.set_secret, store.set_disabled):
            change(NOBODY, "x")
        store.delete_account(NOBODY)
        assert posts == []

    def test_a_tombstone_does_not_tell_the_address(self, opened: Callable[..., Store], folder: Path) -> None:
        """Neither in clear nor as a hash that anybody can compute: the hash needs a key."""
        self.needs(persistent=True)
        store, name = opened(), "zyxwv98765"
        gone = person(store, name)
        person(store, "stays")
        store.delete_account(gone.id)
        store.expire(time.time())
        store.close()
        telling = [name.encode(), name.encode("utf-16-le"), name.encode("utf-16-be")]
        for text in (gone.address, name):
            for kind in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake2s", "sha3_256"):
                digest = hashlib.new(kind, text.encode()).digest()
                telling += [digest, digest.hex().encode(), base64.b64encode(digest).rstrip(b"=")]
        for path in (path for path in folder.rglob("*") if path.is_file()):
            kept = path.read_bytes().lower()
            assert not any(form.lower() in kept for form in telling), f"{path.name} tells who had an account"
        store = opened()
        assert store.tombstone(gone.address) == "secret"

    def test_a_deleted_account_leaves_nothing(self, store: Store, alice: Person, bob: Person) -> None:
        store.store(MAIL, [alice.inbox, bob.inbox])
        store.store(LARGE, [alice.inbox])
        store.expunge(alice.box, [1], only_deleted=False)
        store.create_mailbox(alice.id, "x")
        store.subscribe(alice.id, "y", True)
        store.annotate(alice.id, "", {"/private/a": b"1"})
        store.delete_account(alice.id)
        assert store.account(alice.address) is None and store.mailboxes(alice.id) == []
        assert store.subscriptions(alice.id) == [] and store.annotations(alice.id, "") == {}
        assert store.recipients([alice.address]) == {} and store.usage(alice.id)[:2] == (0, 0)
        assert store.content(bob.box, 1) == MAIL and store.kept(alice.id) == []

    def test_an_account_made_again_shares_nothing_with_the_one_before(self, store: Store, alice: Person) -> None:
        before = store.mailbox(alice.id, "INBOX")
        store.store(MAIL, [alice.inbox])
        store.delete_account(alice.id, tombstone=False)
        again = person(store, "alice")
        after = store.mailbox(again.id, "INBOX")
        assert again.id != alice.id and before is not None and after is not None
        assert after.id != before.id and after.uidvalidity > before.uidvalidity
        assert store.content(after.id, 1) is None and store.status(after.id).messages == 0

    def test_a_removed_address_is_kept_for_its_owner(self, store: Store, alice: Person) -> None:
        store.set_secret(alice.id, "hash-of-hers")
        store.delete_account(alice.id)
        for _ in range(2):
            with pytest.raises(AddressGone) as gone:
                store.create_account("Alice@Example.org", "hash-of-a-stranger")
            assert "alice" not in str(gone.value).lower()
        assert store.tombstone("Alice@Example.org") == "hash-of-hers" and store.tombstone("bob@example.org") is None
        again = store.create_account(alice.address, "new", returning=True)
        assert store.account(alice.address) == again and again.secret == "new"
        assert store.tombstone(alice.address) is None, "it goes when its owner returns"
        store.delete_account(again.id, tombstone=False)
        assert store.create_account(alice.address, "of anybody").secret == "of anybody"

    def test_returning_needs_no_tombstone_but_the_name(self, store: Store, alice: Person) -> None:
        assert store.create_account("bob@example.org", "", returning=True)
        with pytest.raises(AccountExists):
            store.create_account(alice.address, "", returning=True)

    def test_from_a_final_deletion_not_even_the_owner_returns(self, store: Store, alice: Person) -> None:
        store.delete_account(alice.id, final=True)
        assert store.tombstone(alice.address) == ""
        for returning in (False, True):
            with pytest.raises(AddressGone):
                store.create_account(alice.address, "secret", returning=returning)
        assert store.accounts() == [] and store.tombstone(alice.address) == ""
        store.forget_tombstone(alice.address)
        assert store.create_account(alice.address, "of anybody")

    def test_accounts_and_tombstones_survive_a_restart(self, opened: Callable[..., Store]) -> None:
        self.needs(persistent=True)
        store = opened()
        gone, stays = person(store, "gone"), person(store, "stays")
        store.delete_account(gone.id)
        before = store.account(stays.address), store.mailboxes(stays.id)
        store.close()
        store = opened()
        assert (store.account(stays.address), store.mailboxes(stays.id)) == before
        assert store.tombstone(gone.address) == "secret" and store.account(gone.address) is None
        assert person(store, "new").id not in (gone.id, stays.id)

    def test_all_recipients_in_one_call(self, store: Store, alice: Person, bob: Person) -> None:
        store.store(MAIL, [alice.inbox, bob.inbox])
        store.copy(alice.box, [1], box(store, alice, "Trash"))
        store.set_disabled(bob.id, "no")
        asked = ["Alice@Example.org", alice.address, "nobody@example.org", bob.address, ""]
        found = store.recipients(asked)
        assert set(found) == {"Alice@Example.org", alice.address, bob.address}
        for someone in (alice, bob):
            told = found[someone.address]
            assert told.account == store.account(someone.address) and told.inbox == someone.box
            assert told.usage == store.usage(someone.id)
        assert found["Alice@Example.org"] == found[alice.address] and store.recipients([]) == {}

    def test_idle_accounts(self, store: Store) -> None:
        today = 20000
        days = {
            "never": (today, 0),
            "blocked": (1, 0),
            "long": (today - 300, today - 100),
            "lately": (today - 99, today - 5),
        }
        for name, (created, last) in days.items():
            store.create_account(f"{name}@example.org", "", created=created, last_login=last)
        blocked = store.account("blocked@example.org")
        assert blocked is not None
        store.set_disabled(blocked.id, "no")

        def idle(before: int, limit: int = 100) -> list[str]:
            found = [account.address.partition("@")[0] for account in store.idle_accounts(before, limit)]
            assert limit < 100 or store.count_accounts(before) == len(found)
            return found

        assert idle(today - 100) == [] and idle(today - 99) == ["long"] and idle(-(1 << 60)) == []
        assert idle(today) == ["long", "lately"]
        assert idle(today + 1) == ["long", "lately", "never"]
        assert idle(today + 1, 2) == ["long", "lately"] and store.count_accounts() == 4

    def test_idle_accounts_of_some_domains(self, store: Store) -> None:
        addresses = ["a@x.example", "b@y.example", "c@z.x.example", "d@[192.0.2.1]", "e@x.example"]
        for day, address in enumerate(addresses):
            store.create_account(address, "", created=100 + day)

        def idle(before: int, limit: int = 100, *, others: bool = False) -> str:
            only = OfDomains(frozenset({"x.example", "[192.0.2.1]"}), others)
            found = store.idle_accounts(before, limit, only)
            assert limit < 100 or store.count_accounts(before, only) == len(found)
            assert store.count_accounts(only=only) == (2 if others else 3)
            return "".join(account.address[0] for account in found)

        assert idle(200) == "ade" and idle(200, others=True) == "bc"
        assert idle(104) == "ad" and idle(200, 1) == "a" and idle(200, 1, others=True) == "b"
        nobody = OfDomains(frozenset())
        assert store.idle_accounts(200, 100, nobody) == [] and store.count_accounts(only=nobody) == 0

    def test_crowded_accounts(self, opened: Callable[..., Store]) -> None:
        store, people = opened(octets=1000), []
        for number in range(1, 11):
            people.append(person(store, f"u{number}"))
            store.store(bytes(100 * number), [people[-1].inbox])
        store.set_quota(people[9].id, 0)
        store.set_quota(people[0].id, 100)
        numbers = {someone.id: number for number, someone in enumerate(people, 1)}

        def crowded(*args: float) -> list[int]:
            return [numbers[account.id] for account in store.crowded_accounts(*args)]  # type: ignore[arg-type]

        assert crowded(0.75) == [1, 8, 9] and crowded(0.8) == [1, 8, 9] and crowded(1.0) == [1]
        assert crowded(0.75, 0, 2) == [1, 8] and crowded(0.75, people[7].id, 2) == [9]

    def test_accounts_with_many_messages_are_crowded_too(self, opened: Callable[..., Store]) -> None:
        store = opened(messages=4)
        few, many = person(store, "few"), person(store, "many")
        store.store_all([(MAIL, few.inbox)] * 2 + [(MAIL, many.inbox)] * 3)
        assert [account.id for account in store.crowded_accounts(0.75)] == [many.id]

    def test_usage_is_the_sum_over_mailboxes(self, store: Store, alice: Person) -> None:
        store.store(MAIL, [alice.inbox])
        trash = box(store, alice, "Trash")
        store.copy(alice.box, [1], trash)
        assert store.usage(alice.id) == Usage(2 * len(MAIL), 2, 0, 0)
        store.expunge(trash, None, only_deleted=False)
        assert store.usage(alice.id) == Usage(len(MAIL), 1, 0, 0)
