import pytest

from chatgate.api import OverQuota, StoreError

MAIL = b"Subject: one\r\n\r\nhello\r\n"


def names(store, person):
    return [box.name for box in store.mailboxes(person.id)]


def test_the_number_of_mailboxes_is_limited(open_gateway):
    store = open_gateway(max_mailboxes=6).store
    account = store.create_account("alice@example.org", "")
    store.create_mailbox(account.id, "sixth")
    with pytest.raises(StoreError):
        store.create_mailbox(account.id, "seventh")
    with pytest.raises(StoreError):
        store.rename_mailbox(account.id, "INBOX", "seventh")
    store.subscribe(account.id, "sixth", True)
    with pytest.raises(StoreError):
        store.subscribe(account.id, "seventh", True)


def test_annotations_are_limited(open_gateway):
    store = open_gateway(max_annotations=2, max_annotation_bytes=10).store
    account = store.create_account("alice@example.org", "")
    store.annotate(account.id, "", {"/private/a": b"x" * 10})
    store.annotate(account.id, "", {"/private/b": b""})
    store.annotate(account.id, "", {"/private/b": b"changed"})
    for entry, value in (("/private/c", b""), ("/private/a", b"x" * 11), ("/private/" + "a" * 250, b"")):
        with pytest.raises(StoreError):
            store.annotate(account.id, "", {entry: value})
    with pytest.raises(StoreError):  # all or none
        store.annotate(account.id, "", {"/private/a": None, "/private/c": b"", "/private/d": b""})
    store.annotate(account.id, "INBOX", {"/private/c": b""})
    assert set(store.annotations(account.id, "")) == {"/private/a", "/private/b"}


def test_the_annotations_of_all_mailboxes_of_an_account_together_are_limited(open_gateway):
    """Counted with their names, as a name takes as much as a value."""
    store = open_gateway(max_annotations_bytes=100).store
    alice, bob = (store.create_account(f"{name}@example.org", "") for name in ("alice", "bob"))
    store.annotate(alice.id, "", {"/private/a": b"x" * 30})
    store.annotate(alice.id, "INBOX", {"/private/a": b"x" * 40})
    with pytest.raises(OverQuota):
        store.annotate(alice.id, "Sent", {"/private/a": b"x"})
    with pytest.raises(OverQuota):  # all or none
        store.annotate(alice.id, "", {"/private/a": None, "/private/b": b"x" * 50, "/private/c": b""})
    store.annotate(alice.id, "INBOX", {"/private/a": b"y" * 40})  # in place of what was there
    store.annotate(bob.id, "Sent", {"/private/a": b"x"})
    store.annotate(alice.id, "", {"/private/a": None})
    store.annotate(alice.id, "Sent", {"/private/a": b"x" * 30})
    assert store.annotations(alice.id, "") == {}
