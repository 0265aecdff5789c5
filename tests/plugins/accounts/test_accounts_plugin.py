"""Who gets mail, when somebody was here, private METADATA: asked as the core asks."""

import time

import gevent
import pytest

from chatgate.api import UNAVAILABLE, Delivery, Envelope, Session
from chatgate.hosting import confd
from chatgate.running.gateway import Gateway
from chatgate.testing import until

MAIL = b"Subject: one\r\n\r\nhello\r\n"


@pytest.fixture
def ask(gateway):
    def ask(hook, **facts):
        return getattr(gateway.hub, hook)(session=Session("mx", "127.0.0.1"), envelope=Envelope(), **facts)

    return ask


@pytest.mark.parametrize(
    "address", ["alice@example.org", "Alice@EXAMPLE.org", "alice+tag@example.org", "alice+a+b@example.org"]
)
def test_known_recipients_are_taken_and_routed(gateway, people, ask, address):
    alice = people.alice
    assert ask("recipient", address=address) == Delivery(address, alice.box, alice.id)


@pytest.mark.parametrize("address", ["nobody@example.org", "alic@example.org", "+alice@example.org", "@example.org"])
def test_unknown_recipients_are_refused_at_once(gateway, people, ask, address):
    _ = people.alice
    reply = ask("recipient", address=address)
    assert (reply.code, reply.enhanced) == (550, "5.1.1") and address in reply.text


def test_an_address_that_cannot_be_shown_is_not_shown(people, ask):
    assert ask("recipient", address="b\r\nad\x00ä@example.org").text == "no such user here"


@pytest.mark.parametrize("address", ["alice@example.net", "alice@sub.example.org", "alice", ""])
def test_other_domains_are_somebody_elses(gateway, people, ask, address):
    _ = people.alice
    assert ask("recipient", address=address) is None


def test_an_account_with_a_plus_comes_first(store, people, ask):
    _ = people.alice
    tagged = store.create_account("alice+work@example.org", "")
    assert ask("recipient", address="alice+work@example.org").account_id == tagged.id


def test_no_tags_without_a_delimiter(open_gateway):
    gateway = open_gateway(recipient_delimiter="")
    gateway.store.create_account("alice@example.org", "")
    session = Session("mx", "127.0.0.1")
    assert gateway.intake.resolve(session, Envelope(), "alice+x@example.org").code == 550


def test_a_domain_that_is_an_ip_address(open_gateway):
    gateway = open_gateway(domain="127.0.0.4")
    gateway.store.create_account("alice@[127.0.0.4]", "")
    session = Session("mx", "127.0.0.1")
    assert isinstance(gateway.intake.resolve(session, Envelope(), "alice@[127.0.0.4]"), Delivery)


@pytest.fixture
def tight(open_gateway):
    """With 100 octets for each account."""
    gateway = open_gateway(quota_bytes=100, full_minutes=10.0)
    for name in ("alice", "bob"):
        gateway.store.create_account(f"{name}@example.org", "")
    return gateway


def code(gateway, name, **facts):
    """What RCPT says."""
    session = Session("mx", "127.0.0.1")
    answer = gateway.intake.resolve(session, Envelope(**facts), f"{name}@example.org")
    return 250 if isinstance(answer, Delivery) else answer.code


def put(gateway, content, *names, sender="", origin="peer"):
    session = Session("mx", "127.0.0.1")
    envelope = Envelope(sender, [f"{name}@example.org" for name in names], content, origin)
    for address in envelope.recipients:  # as it was when there was room
        account = gateway.store.account(address)
        box = gateway.store.mailbox(account.id, "INBOX")
        envelope.destinations[address] = Delivery(address, box.id, account.id)
    return gateway.intake.accept(session, envelope)


def test_a_full_mailbox(tight):
    assert put(tight, b"x" * 99, "alice").code == 250
    assert code(tight, "alice") == 250
    refusal = put(tight, b"xx", "alice")
    assert (refusal.code, refusal.enhanced, refusal.imap) == (452, "4.2.2", "OVERQUOTA")
    assert put(tight, b"x", "alice").code == 250
    assert code(tight, "alice") == 452


def test_room_is_weighed_for_the_size_that_is_said(tight):
    put(tight, b"x" * 60, "alice")
    assert [code(tight, "alice", size=size) for size in (0, 1, 40, 41, 10**9)] == [250, 250, 250, 452, 452]
    assert code(tight, "alice", size=41, origin="account") == 250, "Delta Chat would give the message up for all"


def test_no_room_for_a_message_to_several_is_remembered(tight, monkeypatch):
    """The next try of a server that says no size is refused for the one without room alone."""
    put(tight, b"x" * 60, "alice")
    assert put(tight, b"x" * 50, "alice").code == 452
    assert code(tight, "alice") == 250, "to one alone: the next try tells as much"
    assert put(tight, b"x" * 50, "alice", "bob").code == 452
    bob = tight.store.account("bob@example.org")
    assert tight.store.usage(bob.id).messages == 0, "for all or for none"
    assert (code(tight, "alice"), code(tight, "bob")) == (452, 250)
    assert code(tight, "alice", size=30) == 250, "what says its size is weighed by that"
    assert put(tight, b"x" * 50, "bob").code == 250
    later = time.monotonic() + 601
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert code(tight, "alice") == 250
    tight.store.create_account("carol@example.org", "")
    assert put(tight, b"x" * 50, "alice", "bob", sender="carol@example.org", origin="account").code == 250
    assert tight.store.usage(bob.id).messages == 2
    assert code(tight, "alice") == 250, "an account's own message: who had no room is told to its sender"


def test_mail_for_a_disabled_account_is_refused_for_good(store, people, ask):
    store.set_disabled(people.alice.id, "You sent spam")
    reply = ask("recipient", address="alice+tag@example.org")
    assert (reply.code, reply.enhanced) == (550, "5.2.1")
    assert reply.text == "<alice+tag@example.org>: this account is disabled"
    assert isinstance(ask("recipient", address=people.bob.address), Delivery)
    store.set_disabled(people.alice.id, "")
    assert isinstance(ask("recipient", address="alice@example.org"), Delivery)


def test_a_removed_address_is_unknown(store, people, ask):
    store.delete_account(people.alice.id)
    reply = ask("recipient", address="alice@example.org")
    assert (reply.code, reply.enhanced) == (550, "5.1.1")


def test_a_disk_that_fails_is_a_451(gateway, store, people, monkeypatch):
    people.alice  # noqa: B018

    def fails():
        raise OSError("secret path")

    monkeypatch.setattr(store.writer, "_commit", fails)
    assert put(gateway, MAIL, "alice") == UNAVAILABLE
    monkeypatch.undo()
    assert put(gateway, MAIL, "alice").code == 250


def test_the_whole_way_in(gateway, store, people):
    alice, bob = people.alice, people.bob
    recipients = ["alice@example.org", "Bob@example.org", "alice+again@example.org"]
    envelope = Envelope("", recipients, MAIL)
    assert gateway.intake.accept(Session("mx", "127.0.0.1"), envelope).code == 250
    assert store.content(alice.box, 1) == store.content(bob.box, 1) == MAIL
    assert store.status(alice.box).messages == 1


def test_last_login_is_a_day_and_written_once(gateway, store, people, monkeypatch):
    account, written = store.account(people.alice.address), []
    set_last_login = store.set_last_login
    monkeypatch.setattr(store, "set_last_login", lambda *a: (written.append(a), set_last_login(*a)))
    session = Session("imap", "127.0.0.1")
    gateway.hub.logged_in(session=session, account=account)
    assert written == []  # not while the client waits
    until(lambda: store.account(people.alice.address).last_login)
    account = store.account(people.alice.address)
    assert account.last_login == int(time.time() // 86400)
    gateway.hub.logged_in(session=session, account=account)
    gevent.sleep(0.01)
    assert len(written) == 1


def test_private_metadata(gateway, store, people):
    session = Session("imap", "127.0.0.1", account=store.account(people.alice.address))

    def get(entry, mailbox="", session=session):
        return gateway.hub.get_metadata(session=session, mailbox=mailbox, entry=entry)

    store.annotate(people.alice.id, "", {"/private/a": b"1"})
    store.annotate(people.alice.id, "inbox", {"/private/a": b"2"})
    assert (get("/private/a"), get("/private/a", "INBOX"), get("/private/b")) == (b"1", b"2", None)
    assert get("/shared/a") is None and get("/private/a", "INBOX", Session("imap", "127.0.0.1")) is None


def test_a_folder_of_before_goes_on_as_it_was(tmp_path):
    """Then all of this was in maildb, its settings too."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/00-chatgate.toml").write_text('domain = "example.org"')
    (tmp_path / "conf.d/60-maildb.toml").write_text('recipient_delimiter = "-"\nquota_messages = 5')
    gateway = Gateway(confd.load(tmp_path))
    try:
        gateway.store.create_account("alice@example.org", "")
        session = Session("mx", "127.0.0.1")
        answers = [gateway.intake.resolve(session, Envelope(), f"alice{tag}@example.org") for tag in ("", "-x", "+x")]
        codes = [250 if isinstance(answer, Delivery) else answer.code for answer in answers]
        assert codes == [250, 250, 550]
        assert gateway.store.usage(gateway.store.account("alice@example.org").id).message_limit == 5
    finally:
        gateway.stop()
