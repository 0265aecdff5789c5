import os
import time

import gevent
import pytest

from chatgate.api import AccountExists, StoreError, Usage

MAIL = b"Subject: one\r\n\r\nhello\r\n"


def test_a_new_account_has_inbox_and_special_use_mailboxes(store):
    account = store.create_account("alice@example.org", "s3")
    assert store.account("alice@example.org") == account
    assert account.secret == "s3" and abs(account.created - time.time()) < 5 and account.last_login == 0
    boxes = store.mailboxes(account.id)
    assert [box.name for box in boxes] == ["INBOX", "Drafts", "Junk", "Sent", "Trash"]
    assert [box.special_use for box in boxes] == ["", "\\Drafts", "\\Junk", "\\Sent", "\\Trash"]
    assert store.subscriptions(account.id) == [box.name for box in boxes]
    assert all(store.mailbox(account.id, box.name) == box for box in boxes)


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
    store.annotate(alice.id, "", "/private/a", b"1")
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
    again = people.alice
    assert again.id > first.id and again.box > first.box
    assert store.mailbox(again.id, "INBOX").uidvalidity > box.uidvalidity


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
    assert store.usage(people.alice.id) == Usage(2 * len(MAIL), 2, 500_000_000)
    store.expunge(trash, None, only_deleted=False)
    assert store.usage(people.alice.id) == Usage(len(MAIL), 1, 500_000_000)
    assert store.usage(99) == Usage(0, 0, 500_000_000)
