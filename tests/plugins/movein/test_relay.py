"""Moving in from a relay whose mail Debian's Dovecot has kept: apps notice nothing."""

import bz2
import gzip
import json
import lzma
import os
import shutil
import time

import pytest
import zstandard
from chatgate_movein import maildir, names, unpacking
from chatgate_movein.records import Unreadable
from chatgate_movein.relay import Relay
from hypothesis import given
from hypothesis import strategies as st
from movein_kit import DAY, PASSWORD, PLUGINS, SHA512, look

from chatgate.testing import imap_client, pgp_message, until

ALICE, BOB = "alicealic@old.example", "bobbobbob@old.example"
MOST = 10_000_000


@pytest.fixture(scope="module")
def old(dovecot):
    """Alice's mail there: flags, gaps, keywords, folders, one that she has not seen."""
    client = dovecot.client(ALICE)
    for number in range(5):
        mail = pgp_message(BOB, ALICE, octets=300 * 4**number)
        date = imaplib_date(1_700_000_000 + number * DAY)
        client.append("INBOX", "(\\Seen $Forwarded)" if number % 2 else None, date, mail)
    client.create("DeltaChat")
    client.create("&AOQ-.Below")
    client.subscribe("DeltaChat")
    client.append("DeltaChat", "(\\Answered \\Flagged $Chat)", imaplib_date(1_600_000_000), b"A: b\r\n\r\nx\r\n")
    # On a busy machine Dovecot has refused this once.
    until(lambda: client.select("INBOX")[0] == "OK")
    client.store("2,5", "+FLAGS", "(\\Deleted)")
    client.expunge()
    client.store("1", "+FLAGS", "(\\Flagged)")
    seen = {name: look(client, name) for name in ("INBOX", "DeltaChat", "&AOQ-.Below")}
    client.logout()
    dovecot.password(ALICE, day=20_000)
    (dovecot.home(ALICE) / "enforceE2EEincoming").touch()
    tokens = {"fcm-chat.delta:one": time.time() - DAY, "fcm-chat.delta:old": time.time() - 200 * DAY}
    (dovecot.home(ALICE) / "metadata.json").write_text(json.dumps({"devicetoken": tokens}))
    dovecot.client(BOB).logout()
    dovecot.password(BOB, day=19_000)
    return dovecot, seen


def imaplib_date(seconds):
    return f'"{time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(seconds))}"'


def test_an_app_that_knew_the_mailboxes_notices_nothing(old, bring, closed, gateway_factory):
    dovecot, seen = old
    gateway = closed()
    report = bring(Relay(dovecot.mail, MOST), gateway)
    assert report["left_behind"] == [] and report["failed"] == []
    assert (report["counts"]["accounts"], report["counts"]["messages"]) == (2, 4), report
    account = gateway.store.account(ALICE)
    assert (account.secret, account.last_login, account.created) == (SHA512, 20_000, 20_000)
    assert gateway.store.subscriptions(account.id)[:2] == ["INBOX", "DeltaChat"]
    gateway.store.close()

    gateway = gateway_factory(*PLUGINS, domain="old.example")
    client = imap_client(gateway, (ALICE, PASSWORD))
    for name, here in (("INBOX", "INBOX"), ("DeltaChat", "DeltaChat"), ("&AOQ-.Below", "&AOQ-/Below")):
        assert look(client, here) == seen[name]
    assert client._simple_command("GETMETADATA", "INBOX", "/private/devicetoken")[0] == "OK"
    tokens = client.untagged_responses["METADATA"]
    assert b"fcm-chat.delta:one" in str(tokens).encode() and b":old" not in str(tokens).encode()
    assert gateway.store.account(ALICE).secret.startswith("$scrypt$")  # made anew from the password

    from chatgate_accounts import cleartext

    assert not cleartext.allowed(gateway, gateway.store.account(ALICE))
    assert cleartext.allowed(gateway, gateway.store.account(BOB))


def test_what_came_since_comes_with_a_second_import(old, bring, closed):
    dovecot, _ = old
    gateway = closed()
    bring(Relay(dovecot.mail, MOST), gateway)
    box = gateway.store.mailbox(gateway.store.account(BOB).id, "INBOX")
    assert bring(Relay(dovecot.mail, MOST), gateway)["counts"].get("messages", 0) == 0
    client = dovecot.client(BOB)
    client.append("INBOX", None, None, b"A: 1\r\n\r\n")
    client.append("INBOX", None, None, b"A: 2\r\n\r\n")
    after = look(client)
    client.logout()
    report = bring(Relay(dovecot.mail, MOST), gateway)
    assert report["counts"]["messages"] == 2 and report["left_behind"] == []
    status = gateway.store.status(box.id)
    assert (status.uidvalidity, status.uidnext, status.messages) == (after.uidvalidity, after.uidnext, 2)
    gateway.store.expunge(box.id, None, only_deleted=False)  # and what was removed here does not come back
    assert bring(Relay(dovecot.mail, MOST), gateway)["counts"].get("messages", 0) == 0
    assert gateway.store.status(box.id).messages == 0


def test_accounts_that_are_here_are_not_touched(old, bring, closed):
    dovecot, _ = old
    gateway = closed()
    before = gateway.store.create_account(ALICE, "mine")
    gone = gateway.store.create_account(BOB, "gone")
    gateway.accounts.delete(gone)
    report = bring(Relay(dovecot.mail, MOST), gateway)
    assert {one["why"] for one in report["left_behind"]} == {
        "there is an account of this address already",
        "an account of this address was removed here",
    }
    assert gateway.store.account(ALICE) == before and gateway.store.account(BOB) is None
    assert gateway.store.usage(before.id).messages == 0


def test_a_dry_run_reads_everything_and_changes_nothing(old, bring, closed):
    dovecot, _ = old
    gateway = closed()
    dry = bring(Relay(dovecot.mail, MOST), gateway, dry=True)
    assert gateway.store.count_accounts() == 0 and not gateway.path("data/movein.db").exists()
    wet = bring(Relay(dovecot.mail, MOST), gateway)
    assert {key: wet["counts"][key] for key in ("accounts", "messages", "octets of mail")} == {
        key: dry["counts"][key] for key in ("accounts", "messages", "octets of mail")
    }


def test_into_another_domain(old, bring, closed):
    dovecot, _ = old
    gateway = closed(domain="new.example")
    report = bring(Relay(dovecot.mail, MOST), gateway)
    assert {one["account"] for one in report["left_behind"]} == {ALICE, BOB} and not gateway.store.count_accounts()
    report = bring(Relay(dovecot.mail, MOST), gateway, onto="new.example")
    assert [one.address for one in gateway.store.accounts()] == ["alicealic@new.example", "bobbobbob@new.example"]


def test_a_hostile_tree_is_read_without_harm(bring, closed, tmp_path):
    """Links, pipes, folders for files, bent names and lists: nothing is read from elsewhere, nothing stops the rest."""
    root = tmp_path / "vmail"
    secret = tmp_path / "secret"
    secret.write_bytes(b"A: secret\r\n\r\nof this machine\r\n")
    good = root / "goodgoodg@old.example"
    for name in ("cur", "new", ".Link", ".Fine/cur", ".a&b/cur"):
        (good / name).mkdir(parents=True, exist_ok=True)
    (good / ".Link").rmdir()
    (good / ".Link").symlink_to(tmp_path)
    (good / "password").write_text(SHA512)
    (good / "metadata.json").write_text('{"devicetoken": [1, {"a": 1}, "' + "x" * 70000 + '"]}')
    os.symlink(secret, good / "cur/1700000000.M1.x:2,S")
    os.mkfifo(good / "cur/1700000001.M1.x:2,S")
    (good / "cur/1700000002.M1.x:2,S").mkdir()
    (good / "cur/1700000003.M1.x,S=999:2,Sz").write_bytes(b"A: cut off\n\n")
    (good / "cur/1700000004.M1.x,S=9:2,S").write_bytes(b"\x1f\x8b\x08\x00 not gzip")
    (good / "cur/1700000005.M1.x:2,SSSFFFzzz,junk").write_bytes(b"A: whole\n\nmail\n")
    (good / os.fsdecode(b"cur/1700000006.\xff\xfe:2,S")).write_bytes(b"A: bent name\n\n")
    (good / ("cur/" + "9" * 255)).write_bytes(b"A: long name\n\n")
    os.utime(good / "cur/1700000005.M1.x:2,SSSFFFzzz,junk", (-5, -5))
    lines = ["3 V7 N4 Gx", "0 :zero", "99999999999 :huge", "5 :1700000005.M1.x", "5 :again", "\x00\xff", "6 W:", ""]
    (good / "dovecot-uidlist").write_text("\n".join(lines))
    (good / ".Fine/dovecot-uidlist").write_bytes(b"\xff" * 1000)
    (good / ".Fine/cur/1.x").write_bytes(b"A: fine\r\n\r\n")
    for name, hashed in {
        "../evil@old.example": SHA512,
        "UPPERCASE@OLD.example": "{PLAIN}secret",
        "GoodGoodG@old.example": SHA512,
        "two@@old.example": SHA512,
        "blank name@old.example": SHA512,
        "x" * 90 + "@old.example": SHA512,
        "empty@old.example": "",
    }.items():
        if "/" not in name:
            (root / name).mkdir()
            (root / name / "password").write_text(hashed)
    os.mkfifo(root / "pipe@old.example")
    os.symlink(good, root / "link@old.example")
    (root / "pipepipep@old.example").mkdir()
    os.mkfifo(root / "pipepipep@old.example/password")

    gateway = closed()
    report = bring(Relay(root, MOST), gateway)
    store = gateway.store
    account = store.account("goodgoodg@old.example")
    box = store.mailbox(account.id, "INBOX")
    kept = {message.uid: store.content(box.id, message.uid) for message in store.changes(box.id).messages}
    assert kept[5] == b"A: whole\r\n\r\nmail\r\n" and not any(b"secret" in content for content in kept.values())
    assert sorted(kept.values()) == [b"A: bent name\r\n\r\n", b"A: long name\r\n\r\n", b"A: whole\r\n\r\nmail\r\n"]
    assert store.status(box.id).uidvalidity == 7
    fine = store.mailbox(account.id, "Fine")
    assert store.status(fine.id).messages == 1
    assert store.account("uppercase@old.example").secret == "*"
    whys = " ".join(one["why"] for one in report["left_behind"])
    for why in ("symbolic link", "not a file", "cut off", "damaged", "known version", "lines that say nothing", "hash"):
        assert why in whys, why
    assert "of this machine" not in json.dumps(report) and "{PLAIN}" not in json.dumps(report)
    assert store.count_accounts() == 3, [one.address for one in store.accounts()]


def test_a_folder_without_accounts_is_the_wrong_one(tmp_path):
    (tmp_path / "old.example/nobody").mkdir(parents=True)
    with pytest.raises(Unreadable, match="there are no accounts here"):
        Relay(tmp_path, MOST).people()


LISTS = {
    "UIDNEXT at the end": ("3 V7 N4294967295 Gx\n5 :a.x\n", [5, 6]),
    "a UID at the end": ("3 V7 N9 Gx\n5 :a.x\n4294967294 :b.x\n", [5, 9]),
    "UIDs that fall": ("3 V7 N9 Gx\n7 :a.x\n3 :b.x\n", [3, 7]),
    "a file twice": ("3 V7 N9 Gx\n7 :a.x\n8 :a.x\n", [8, 9]),
    "UIDNEXT below": ("3 V7 N1 Gx\n7 :a.x\n8 :b.x\n", [7, 8]),
}


@pytest.mark.parametrize("text, uids", LISTS.values(), ids=list(LISTS))
def test_a_list_with_lies_costs_no_mail(text, uids, bring, closed, tmp_path):
    """All messages come, and the mailbox has UIDs left for those to come."""
    home = tmp_path / "vmail/goodgoodg@old.example"
    (home / "cur").mkdir(parents=True)
    (home / "password").write_text(SHA512)
    (home / "dovecot-uidlist").write_text(text)
    for name in ("a.x", "b.x"):
        (home / "cur" / f"{name}:2,").write_bytes(b"A: b\n\n")
    gateway = closed()
    bring(Relay(tmp_path / "vmail", MOST), gateway)
    box = gateway.store.mailbox(gateway.store.account("goodgoodg@old.example").id, "INBOX")
    assert [message.uid for message in gateway.store.changes(box.id).messages] == uids
    assert box.uidnext < 1 << 31 and box.uidvalidity == 7


def test_a_copy_of_the_machine_brings_its_dkim_key_too(old, bring, closed, tmp_path):
    from chatgate_dkim import pem

    dovecot, _ = old
    root = tmp_path / "root"
    shutil.copytree(dovecot.mail, root / "home/vmail/mail/old.example")
    keys = root / "etc/dkimkeys"
    keys.mkdir(parents=True)
    key = pem.make("rsa")
    pem.save(keys / "opendkim.private", key)
    (keys / "KeyTable").write_text(
        "opendkim._domainkey.old.example old.example:opendkim:/etc/dkimkeys/opendkim.private\n"
        "x._domainkey.other.example other.example:x:/etc/dkimkeys/opendkim.private\n"
    )
    gateway = closed(*PLUGINS, "dkim")
    report = bring(Relay(root, MOST), gateway)
    assert report["counts"]["DKIM keys"] == 1 and report["counts"]["accounts"] == 2
    assert [one["why"] for one in report["left_behind"]] == [
        "DKIM key x of other.example: this gateway does not have that domain"
    ]
    ring = gateway.hub.plugin("dkim").leaving.rings["old.example"]
    assert [key.selector for key in ring.keys() if key.state == "signs" and key.kind == "rsa"] == ["opendkim"]
    again = bring(Relay(root, MOST), gateway)
    assert not again["counts"].get("DKIM keys") and len(again["left_behind"]) == 1


def packed():
    mail = b"A: b\n\n" + b"text\n" * 5000
    return mail, [gzip.compress(mail), bz2.compress(mail), lzma.compress(mail), zstandard.compress(mail)]


def test_whatever_dovecot_compresses_with_is_read():
    mail, forms = packed()
    for content in [mail, *forms]:
        assert unpacking.plain(content, MOST) == mail
    for content in forms:
        for bad in (content[:-1], content[:20], content[:6]):
            with pytest.raises(Unreadable):
                unpacking.plain(bad, MOST)
        with pytest.raises(Unreadable, match="larger than"):
            unpacking.plain(content, 1000)
    with pytest.raises(Unreadable):
        unpacking.plain(forms[0] * 2, MOST)
    with pytest.raises(Unreadable):
        unpacking.plain(b"Dovecot-LZ4\r\x2a\x9b\xc5" + bytes(20), MOST)


@given(st.text(alphabet="13 VNGS:0123456789\n\x00é.,=", max_size=200))
def test_no_list_of_uids_does_more_than_be_unreadable(text):
    for read in (maildir.dovecot, maildir.chatmail):
        for beginning in ("", "3 V1 N2\n", "1 V1 N2\n", "1 1 2\n"):
            try:
                listed = read(beginning + text)
            except Unreadable:
                continue
            assert 0 < listed.uidvalidity < 1 << 32 and len(set(listed.uids.values())) == len(listed.uids)
            assert all(0 < uid < listed.uidnext for uid in listed.uids.values())


@given(st.text(max_size=50))
def test_names_are_names_of_mailboxes_or_unreadable(text):
    for read in (names.modified_utf7, names.mailbox, names.secret, names.levels, names.shown):
        try:
            assert isinstance(read(text), str)
        except Unreadable:
            continue


def test_names_in_modified_utf_7():
    assert names.modified_utf7("Entw&APw-rfe") == "Entwürfe" and names.modified_utf7("a&-b") == "a&b"
