import pytest

from chatgate.api import Delivery, MailboxExists, NoSuchMailbox, OverQuota, StoreError

MAIL = b"Subject: one\r\n\r\nhello\r\n"


def names(store, person):
    return [box.name for box in store.mailboxes(person.id)]


def test_inbox_has_any_case(store, people):
    inbox = store.mailbox(people.alice.id, "INBOX")
    assert store.mailbox(people.alice.id, "inBox") == inbox
    with pytest.raises(MailboxExists):
        store.create_mailbox(people.alice.id, "Inbox")
    assert store.create_mailbox(people.alice.id, "inbox/Sub").name == "INBOX/Sub"


def test_bad_names_are_refused(store, people):
    for name in ("", "/", "a/", "/a", "a//b", "a\x00b", "a\nb", "ä" * 128):
        with pytest.raises(StoreError):
            store.create_mailbox(people.alice.id, name)
        with pytest.raises(StoreError):
            store.rename_mailbox(people.alice.id, "Sent", name)
        with pytest.raises(StoreError):
            store.subscribe(people.alice.id, name, True)
    assert len(store.mailboxes(people.alice.id)) == len(store.subscriptions(people.alice.id)) == 5


def test_create_delete_create_gets_a_higher_uidvalidity_and_id(store, people):
    first = store.create_mailbox(people.alice.id, "Größe/日本")
    assert store.mailbox(people.alice.id, "Größe/日本") == first
    store.delete_mailbox(first.id)
    assert store.mailbox(people.alice.id, first.name) is None
    second = store.create_mailbox(people.alice.id, first.name)
    assert second.uidvalidity > first.uidvalidity and second.id > first.id


def test_uidvalidity_and_uidnext_survive_empty_boxes_and_restarts(open_gateway):
    gateway = open_gateway()
    store = gateway.store
    account = store.create_account("alice@example.org", "")
    box = store.mailbox(account.id, "INBOX")
    inbox = Delivery(account.address, box.id, account.id)
    store.store(MAIL, [inbox])
    store.store(MAIL, [inbox])
    store.expunge(box.id, None, only_deleted=False)
    modseq = store.status(box.id).modseq
    gateway.stop()
    store = open_gateway().store
    after = store.mailbox(account.id, "INBOX")
    assert (after.uidvalidity, after.uidnext, after.modseq) == (box.uidvalidity, 3, modseq)
    (stored,) = store.store(MAIL, [inbox])
    assert stored.uid == 3 and stored.modseq > modseq and stored.uidvalidity == box.uidvalidity


def test_delete_removes_messages_but_not_children(store, people):
    parent = store.create_mailbox(people.alice.id, "a")
    child = store.create_mailbox(people.alice.id, "a/b")
    store.store(MAIL, [people.alice.inbox])
    store.copy(people.alice.box, [1], parent.id)
    store.annotate(people.alice.id, "a", {"/private/x": b"1"})
    store.delete_mailbox(parent.id)
    assert "a/b" in names(store, people.alice) and "a" not in names(store, people.alice)
    assert store.annotations(people.alice.id, "a") == {}
    for ask in (store.changes, store.status, store.delete_mailbox):
        with pytest.raises(NoSuchMailbox):
            ask(parent.id)
    with pytest.raises(NoSuchMailbox):
        store.set_flags(parent.id, [1], "add", ["\\Seen"])
    with pytest.raises(NoSuchMailbox):
        store.copy(people.alice.box, [1], parent.id)
    assert store.content(people.alice.box, 1) == MAIL and store.mailbox(people.alice.id, "a/b") == child
    assert store.integrity() == []


def test_inbox_cannot_be_deleted(store, people):
    with pytest.raises(StoreError):
        store.delete_mailbox(people.alice.box)


def test_rename_takes_children_and_annotations_along(store, people):
    box = store.create_mailbox(people.alice.id, "a")
    store.create_mailbox(people.alice.id, "a/b/c")
    store.create_mailbox(people.alice.id, "ab")
    store.annotate(people.alice.id, "a/b/c", {"/private/x": b"1"})
    store.rename_mailbox(people.alice.id, "a", "z/y")
    assert {"z/y", "z/y/b/c", "ab"} < set(names(store, people.alice)) and "a" not in names(store, people.alice)
    renamed = store.mailbox(people.alice.id, "z/y")
    assert (renamed.id, renamed.uidvalidity) == (box.id, box.uidvalidity)
    assert store.annotations(people.alice.id, "z/y/b/c") == {"/private/x": b"1"}


def test_rename_refuses_and_changes_nothing(store, people):
    for name in ("a", "a/b", "z/b"):
        store.create_mailbox(people.alice.id, name)
    before = names(store, people.alice)
    with pytest.raises(NoSuchMailbox):
        store.rename_mailbox(people.alice.id, "nope", "x")
    with pytest.raises(MailboxExists):
        store.rename_mailbox(people.alice.id, "a", "Sent")
    with pytest.raises(MailboxExists):  # by its child
        store.rename_mailbox(people.alice.id, "a", "z")
    with pytest.raises(StoreError):
        store.rename_mailbox(people.alice.id, "a", "a/x")
    assert names(store, people.alice) == before


def test_rename_of_inbox_moves_its_messages(store, people):
    for n in range(3):
        store.store(MAIL + bytes([n]), [people.alice.inbox])
    store.expunge(people.alice.box, [2], only_deleted=False)
    store.create_mailbox(people.alice.id, "INBOX/child")
    store.rename_mailbox(people.alice.id, "inbox", "old")
    old = store.mailbox(people.alice.id, "old")
    assert [m.uid for m in store.changes(old.id).messages] == [1, 2]
    assert [store.content(old.id, uid)[-1:] for uid in (1, 2)] == [b"\x00", b"\x02"]
    inbox = store.mailbox(people.alice.id, "INBOX")
    assert inbox.id == people.alice.box and inbox.uidnext == 4 and store.status(inbox.id).messages == 0
    assert "INBOX/child" in names(store, people.alice) and store.integrity() == []


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


def test_no_mailbox_without_an_account(store):
    with pytest.raises(StoreError):
        store.create_mailbox(77, "x")


def test_subscriptions_are_names_that_outlive_the_mailbox(store, people):
    box = store.create_mailbox(people.alice.id, "news")
    store.subscribe(people.alice.id, "news", True)
    store.subscribe(people.alice.id, "news", True)
    store.subscribe(people.alice.id, "Sent", False)
    store.subscribe(people.alice.id, "never was", False)
    store.delete_mailbox(box.id)
    assert store.subscriptions(people.alice.id) == ["INBOX", "Drafts", "Junk", "Trash", "news"]


def test_annotations(store, people):
    alice = people.alice
    store.annotate(alice.id, "", {"/private/a": b"1"})
    store.annotate(alice.id, "inbox", {"/private/a": b"\x00\xff"})
    store.annotate(alice.id, "", {"/private/a": b"2"})
    store.annotate(alice.id, "", {"/private/b": b""})
    assert store.annotations(alice.id, "") == {"/private/a": b"2", "/private/b": b""}
    assert store.annotations(alice.id, "INBOX") == {"/private/a": b"\x00\xff"}
    store.annotate(alice.id, "", {"/private/a": None})
    store.annotate(alice.id, "", {"/private/never": None})
    assert store.annotations(alice.id, "") == {"/private/b": b""}
    assert store.annotations(people.bob.id, "") == {}
    with pytest.raises(NoSuchMailbox):
        store.annotate(alice.id, "nope", {"/private/a": b"1"})


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
