import os
import time

import gevent
import pytest
from chatgate_maildb import accounts

from chatgate.api import AccountExists, AddressGone, Delivery, OverQuota, StoreError, Usage

DAY = 86400
MAIL = b"Subject: one\r\n\r\nhello\r\n"


def test_a_new_account_has_inbox_and_special_use_mailboxes(store):
    account = store.create_account("alice@example.org", "s3")
    assert store.account("alice@example.org") == account
    assert (
        account.secret == "s3"
        and account.created in (time.time() // DAY, time.time() // DAY - 1)
        and account.last_login == 0
    )
    boxes = store.mailboxes(account.id)
    assert [box.name for box in boxes] == ["INBOX", "Drafts", "Junk", "Sent", "Trash"]
    assert [box.special_use for box in boxes] == ["", "\\Drafts", "\\Junk", "\\Sent", "\\Trash"]
    assert store.subscriptions(account.id) == [box.name for box in boxes]
    assert all(store.mailbox(account.id, box.name) == box for box in boxes)


def test_an_account_from_elsewhere_keeps_its_day(store):
    for address, day in (("alice@example.org", 19000), ("bob@example.org", 0)):
        account = store.create_account(address, "s3", created=day)
        assert account.created == day and store.account(address) == account


def test_addresses_are_compared_in_lower_case(store):
    account = store.create_account("Alice@Example.ORG", "")
    assert account.address == "alice@example.org"
    assert store.account("ALICE@example.org") == account
    with pytest.raises(AccountExists):
        store.create_account("aLICE@example.org", "")


def test_of_two_creations_at_the_same_instant_one_wins(store):
    def create():
        try:
            return store.create_account("alice@example.org", "")
        except AccountExists:
            return None

    tasks = [gevent.spawn(create) for _ in range(20)]
    gevent.joinall(tasks, raise_error=True)
    assert sum(task.value is not None for task in tasks) == 1
    assert len(store.accounts()) == 1 and store.integrity() == []


def test_what_is_no_address_is_refused(store):
    for address in ("", "alice", "@example.org", "alice@", "a" * 320 + "@example.org"):
        with pytest.raises(StoreError):
            store.create_account(address, "")


def test_paging_over_accounts(store):
    names = [f"u{n:02}@example.org" for n in range(7)]
    for name in reversed(names):
        store.create_account(name, "")
    seen, after = [], ""
    while page := store.accounts(after, 3):
        seen += [account.address for account in page]
        after = page[-1].address
    assert seen == names


def test_secret_and_last_login_change(store, people):
    store.set_secret(people.alice.id, "new")
    store.set_last_login(people.alice.id, 20000)
    account = store.account("alice@example.org")
    assert (account.secret, account.last_login) == ("new", 20000)
    assert store.account(people.bob.address).secret == "secret"


def test_a_deleted_account_leaves_nothing(store, people, tmp_path):
    alice, bob = people.alice, people.bob
    store.store(MAIL, [alice.inbox, bob.inbox])
    store.store(MAIL + bytes(100_000), [alice.inbox])
    store.expunge(alice.box, [1], only_deleted=False)
    store.store(MAIL * 2, [alice.inbox] * 3)
    store.subscribe(alice.id, "x", True)
    store.annotate(alice.id, "", {"/private/a": b"1"})
    store.delete_account(alice.id)
    assert store.account(alice.address) is None and store.mailboxes(alice.id) == []
    assert store.subscriptions(alice.id) == [] and store.annotations(alice.id, "") == {}
    assert store.content(bob.box, 1) == MAIL
    for table, left in {"account": 1, "mailbox": 5, "message": 1, "body": 1, "expunged": 0, "annotation": 0}.items():
        assert store.reader.rows(f"SELECT count(*) FROM {table}") == [(left,)], table
    assert store.integrity() == []
    store.close()
    assert [files for _, _, files in os.walk(tmp_path / "data" / "blobs") if files] == []


def test_an_account_made_again_shares_nothing_with_the_one_before(store, people):
    first, box = people.alice, store.mailbox(people.alice.id, "INBOX")
    store.delete_account(first.id)
    with pytest.raises(AddressGone):
        store.create_account(first.address, "")
    again = store.create_account(first.address, "", returning=True)
    assert again.id > first.id
    new = store.mailbox(again.id, "INBOX")
    assert new.id > first.box and new.uidvalidity > box.uidvalidity


def test_what_is_left_of_a_deletion_is_cleaned_up_later(store, people):
    """As after a crash amid `delete_account`."""
    store.store(MAIL, [people.alice.inbox])
    store.writer.run(lambda tx: tx.execute("UPDATE mailbox SET account_id=NULL WHERE account_id=?", (people.alice.id,)))
    assert store.expire(time.time()) == {"deleted mailboxes": 5}
    assert store.reader.rows("SELECT count(*) FROM body") == [(0,)]


def test_usage_is_the_sum_over_mailboxes(store, people):
    store.store(MAIL, [people.alice.inbox])
    trash = store.mailbox(people.alice.id, "Trash").id
    store.copy(people.alice.box, [1], trash)
    assert store.usage(people.alice.id) == Usage(2 * len(MAIL), 2, 500_000_000, 50_000)
    store.expunge(trash, None, only_deleted=False)
    assert store.usage(people.alice.id) == Usage(len(MAIL), 1, 500_000_000, 50_000)
    assert store.usage(99) == Usage(0, 0, 500_000_000, 50_000)


def test_disabling_and_enabling_again(store, people):
    assert store.account(people.alice.address).disabled == ""
    store.set_disabled(people.alice.id, "Spam was sent from it")
    assert store.account(people.alice.address).disabled == "Spam was sent from it"
    assert store.account(people.bob.address).disabled == ""
    store.set_disabled(people.alice.id, "")
    assert store.account(people.alice.address).disabled == ""


def test_an_account_may_have_a_quota_of_its_own(open_gateway):
    store = open_gateway(quota_bytes=100).store
    alice, bob = (store.create_account(f"{name}@example.org", "") for name in ("alice", "bob"))
    assert alice.quota is None

    def inbox(account):
        return Delivery(account.address, store.mailbox(account.id, "INBOX").id, account.id)

    store.set_quota(alice.id, 150)
    assert store.account(alice.address).quota == 150 and store.usage(alice.id) == Usage(0, 0, 150, 50_000)
    store.store(bytes(140), [inbox(alice)])
    with pytest.raises(OverQuota):
        store.store(bytes(11), [inbox(alice)])
    with pytest.raises(OverQuota):
        store.copy(inbox(alice).mailbox_id, [1], store.mailbox(alice.id, "Trash").id)
    with pytest.raises(OverQuota):
        store.store(bytes(101), [inbox(bob)])
    store.set_quota(bob.id, 0)  # no limit
    store.store(bytes(1000), [inbox(bob)])
    assert store.usage(bob.id) == Usage(1000, 1, 0, 50_000)
    store.set_quota(alice.id, None)
    assert store.usage(alice.id) == Usage(140, 1, 100, 50_000)
    with pytest.raises(OverQuota):
        store.store(b"x", [inbox(alice)])


def test_a_quota_of_ones_own_where_others_have_none(open_gateway):
    store = open_gateway(quota_bytes=0).store
    alice = store.create_account("alice@example.org", "")
    inbox = Delivery(alice.address, store.mailbox(alice.id, "INBOX").id, alice.id)
    store.store(bytes(1000), [inbox])
    store.set_quota(alice.id, 1500)
    with pytest.raises(OverQuota):
        store.store(bytes(1000), [inbox])


def test_a_removed_address_is_kept_for_its_owner(store, people, tmp_path):
    alice = people.alice
    store.set_secret(alice.id, "hash-of-hers")
    store.delete_account(alice.id)
    for _ in range(2):
        with pytest.raises(AddressGone) as gone:
            store.create_account("Alice@Example.org", "hash-of-a-stranger")
        assert "alice" not in str(gone.value)
    assert store.tombstone("Alice@Example.org") == "hash-of-hers" and store.tombstone("bob@example.org") is None
    assert store.account(alice.address) is None
    again = store.create_account(alice.address, "new", returning=True)
    assert store.account(alice.address) == again and again.secret == "new"
    store.delete_account(again.id, tombstone=False)
    assert store.create_account(alice.address, "of anybody").secret == "of anybody"
    store.delete_account(store.account(alice.address).id)
    store.create_account("bob@example.org", "", returning=True)  # needs none


def test_from_a_final_deletion_not_even_the_owner_returns(store, people):
    alice = people.alice
    store.set_secret(alice.id, "hash-of-hers")
    store.delete_account(alice.id, final=True)
    assert store.tombstone("Alice@Example.org") == ""
    assert store.reader.rows("SELECT secret FROM tombstone") == [("",)]
    for returning in (False, True):
        with pytest.raises(AddressGone):
            store.create_account(alice.address, "hash-of-hers", returning=returning)
    assert store.account(alice.address) is None and store.tombstone(alice.address) == ""
    assert store.accounts() == [] and store.integrity() == []


def test_a_tombstone_does_not_say_whose_it_is(open_gateway, tmp_path):
    """Neither as text nor as a hash that somebody else could compute."""
    hashes = []
    for name in ("one", "two"):
        gateway = open_gateway(folder=str(tmp_path / name))
        gateway.store.delete_account(gateway.store.create_account("alice@example.org", "secret").id)
        hashes += gateway.store.reader.rows("SELECT hash FROM tombstone")
    assert len(set(hashes)) == 2 and all(b"alice" not in digest for (digest,) in hashes)


def test_tombstones_survive_a_restart_and_end_when_the_operator_says_so(open_gateway):
    gateway = open_gateway()
    gateway.store.delete_account(gateway.store.create_account("alice@example.org", "").id)
    gateway.stop()
    store = open_gateway(tombstone_days=30).store
    assert store.expire(time.time() + 30 * DAY) == {}
    with pytest.raises(AddressGone):
        store.create_account("alice@example.org", "")
    assert store.expire(time.time() + 31 * DAY) == {"tombstones": 1}
    assert store.create_account("alice@example.org", "")


def test_idle_accounts(store, people):
    today = int(time.time() // DAY)
    days = {
        "never": (today, 0),
        "blocked": (1, 0),
        "long": (today - 300, today - 100),
        "lately": (today - 99, today - 5),
    }
    for name, (created, last_login) in days.items():
        sql, facts = "UPDATE account SET created=? WHERE id=?", (created, getattr(people, name).id)
        store.writer.run(lambda tx, sql=sql, facts=facts: tx.execute(sql, facts))
        store.set_last_login(getattr(people, name).id, last_login)
    store.set_disabled(people.blocked.id, "no")

    def idle(before, limit=100):
        return [account.address.partition("@")[0] for account in store.idle_accounts(before, limit)]

    assert idle(today - 100) == [] and idle(today - 99) == ["long"]
    assert idle(today) == ["long", "lately"]
    assert idle(today + 1) == ["long", "lately", "never"]  # made today
    assert idle(today + 1, 2) == ["long", "lately"]


def test_crowded_accounts(open_gateway):
    store, accounts = open_gateway(quota_bytes=1000).store, []
    for n in range(1, 11):
        account = store.create_account(f"{n}@example.org", "")
        store.store(bytes(100 * n), [Delivery("", store.mailbox(account.id, "INBOX").id, account.id)])
        accounts.append(account.id)
    store.set_quota(accounts[9], 0)
    store.set_quota(accounts[0], 100)

    def crowded(*args):
        return [accounts.index(account.id) + 1 for account in store.crowded_accounts(*args)]

    assert crowded(0.75) == [1, 8, 9] and crowded(0.8) == [1, 8, 9] and crowded(1.0) == [1]
    assert crowded(0.75, 0, 2) == [1, 8] and crowded(0.75, accounts[7], 2) == [9]


def test_looking_for_crowded_accounts_lets_others_have_their_turns(store, monkeypatch):
    monkeypatch.setattr(accounts, "_WITH_USAGE", accounts._WITH_USAGE.replace("LIMIT 500", "LIMIT 3"))
    for n in range(10):
        store.create_account(f"{n}@example.org", "")
    turns = []
    gevent.spawn(turns.append, 1)
    assert len(store.crowded_accounts(0.0)) == 10 and turns == [1]


@pytest.mark.parametrize("address", [".b@d.test", "a..b@d.test", "b.@d.test", "a b@d.test", "a@", "@b", ""])
def test_what_is_no_address_is_no_account(store, address):
    with pytest.raises(StoreError, match="Not an address"):
        store.create_account(address, "secret")


def test_the_owner_of_an_old_name_comes_back(store):
    assert store.create_account("old..name@example.org", "secret", returning=True).address == "old..name@example.org"


def test_an_ip_address_has_one_spelling(store):
    account = store.create_account("U@127.0.0.1", "secret")
    assert account.address == "u@[127.0.0.1]"
    assert store.account("u@127.0.0.1") == store.account("U@[127.0.0.1]") == account
    with pytest.raises(AccountExists):
        store.create_account("u@[127.0.0.1]", "secret")
    store.delete_account(account.id)
    assert store.tombstone("u@127.0.0.1") == store.tombstone("u@[127.0.0.1]") == "secret"
    store.forget_tombstone("u@127.0.0.1")
    assert store.tombstone("u@[127.0.0.1]") is None
