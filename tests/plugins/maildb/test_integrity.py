"""`integrity` finds each kind of damage, and nothing in a sound store."""

import sqlite3

import pytest

MAIL = b"Subject: one\r\n\r\nhello\r\n"


@pytest.fixture
def used(store, people):
    store.store(MAIL, [people.alice.inbox, people.bob.inbox])
    store.store(MAIL + bytes(100_000), [people.alice.inbox])
    store.store(MAIL * 2, [people.alice.inbox])
    store.expunge(people.alice.box, [3], only_deleted=False)
    assert store.integrity() == []
    return store


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE mailbox SET messages=7 WHERE id=1", "counters are wrong: mailbox 1"),
        ("UPDATE mailbox SET octets=octets+1 WHERE id=1", "counters are wrong: mailbox 1"),
        ("UPDATE message SET flags='$A \\Seen' WHERE mailbox_id=1 AND uid=1", "counters are wrong: mailbox 1"),
        ("DELETE FROM message WHERE mailbox_id=1 AND uid=1", "counters are wrong: mailbox 1"),
        ("UPDATE mailbox SET uidnext=2 WHERE id=1", "a UID is not below UIDNEXT: mailbox 1"),
        ("UPDATE mailbox SET modseq=1 WHERE id=1", "a modseq is above the mailbox's: mailbox 1"),
        ("INSERT INTO expunged VALUES (1, 2, 1)", "a removed UID is still there: mailbox, UID 1 1"),
        ("UPDATE body SET size=1 WHERE id=1", "differs from its body's: mailbox, UID 1 1"),
        ("UPDATE body SET data=x'00' WHERE id=1", "file: body 1"),
        ("UPDATE body SET data=NULL WHERE id=1", "file: body 1"),
        ("DELETE FROM body WHERE id=1", "a message has no body: mailbox, UID 1 1"),
        ("UPDATE shared SET copies=3", "the copies of a body are miscounted: body 1"),
        ("DELETE FROM shared", "the copies of a body are miscounted: body 1"),
        ("INSERT INTO released (body_id) VALUES (2)", "the copies of a body are miscounted: body 2"),
        ("INSERT INTO body VALUES (9, 1, 1, NULL, x'00')", "no message has body 9"),
        ("UPDATE mailbox SET name='x' WHERE id=1", "an account has no INBOX: account 1"),
        ("DELETE FROM account WHERE id=1", "a row of mailbox refers to a missing row of account"),
        ("UPDATE body SET file='00' || file WHERE file IS NOT NULL", "is missing"),
    ],
)
def test_damage_is_found(used, tmp_path, damage, said):
    connection = sqlite3.connect(tmp_path / "data" / "mail.db")
    with connection:
        connection.execute(damage)
    connection.close()
    found = used.integrity()
    assert any(said in line for line in found), found


def test_a_damaged_page_is_found(used, open_gateway, tmp_path):
    ((page,),) = used.reader.rows("SELECT rootpage FROM sqlite_master WHERE name='message_modseq'")
    used.close()
    with open(tmp_path / "data" / "mail.db", "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(bytes(4096))
    assert open_gateway().store.integrity() != []
