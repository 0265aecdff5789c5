"""Who gets mail, when somebody was here, private METADATA: asked as the core asks."""

import time

import gevent
import pytest

from chatgate.api import UNAVAILABLE, Delivery, Envelope, Reply, Session, Stored, StoreFull
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
    assert ask("recipient", address=address) == Reply(250, "2.1.5", "OK")
    delivery = gateway.hub.route(envelope=Envelope(), recipient=address)
    assert delivery == Delivery(address, alice.box, alice.id)


@pytest.mark.parametrize("address", ["nobody@example.org", "alic@example.org", "+alice@example.org", "@example.org"])
def test_unknown_recipients_are_refused_at_once(gateway, people, ask, address):
    _ = people.alice
    reply = ask("recipient", address=address)
    assert (reply.code, reply.enhanced) == (550, "5.1.1") and address in reply.text
    assert gateway.hub.route(envelope=Envelope(), recipient=address) is None


def test_an_address_that_cannot_be_shown_is_not_shown(people, ask):
    assert ask("recipient", address="b\r\nad\x00ä@example.org").text == "no such user here"


@pytest.mark.parametrize("address", ["alice@example.net", "alice@sub.example.org", "alice", ""])
def test_other_domains_are_somebody_elses(gateway, people, ask, address):
    _ = people.alice
    assert ask("recipient", address=address) is None
    assert gateway.hub.route(envelope=Envelope(), recipient=address) is None


def test_an_account_with_a_plus_comes_first(store, people, gateway):
    _ = people.alice
    tagged = store.create_account("alice+work@example.org", "")
    assert gateway.hub.route(envelope=Envelope(), recipient="alice+work@example.org").account_id == tagged.id


def test_no_tags_without_a_delimiter(open_gateway):
    gateway = open_gateway(recipient_delimiter="")
    gateway.store.create_account("alice@example.org", "")
    assert gateway.hub.route(envelope=Envelope(), recipient="alice+x@example.org") is None


def test_a_domain_that_is_an_ip_address(open_gateway):
    gateway = open_gateway(domain="127.0.0.4")
    gateway.store.create_account("alice@[127.0.0.4]", "")
    session = Session("mx", "127.0.0.1")
    reply = gateway.hub.recipient(session=session, envelope=Envelope(), address="alice@[127.0.0.4]")
    assert reply.code == 250


def test_a_full_mailbox(open_gateway):
    gateway = open_gateway(quota_bytes=100)
    store = gateway.store
    account = store.create_account("alice@example.org", "")
    inbox = Delivery(account.address, store.mailbox(account.id, "INBOX").id, account.id)
    hub = gateway.hub

    def recipient():
        session = Session("mx", "127.0.0.1")
        return hub.recipient(session=session, envelope=Envelope(), address="alice@example.org")

    assert isinstance(hub.store(content=b"x" * 99, deliveries=[inbox], partial=False), list)
    assert recipient().code == 250
    refusal = hub.store(content=b"xx", deliveries=[inbox], partial=False)
    assert (refusal.code, refusal.enhanced, refusal.imap) == (452, "4.2.2", "OVERQUOTA")
    hub.store(content=b"x", deliveries=[inbox], partial=False)
    assert (recipient().code, recipient().enhanced) == (452, "4.2.2")


def test_room_is_weighed_for_the_size_that_is_said(open_gateway):
    gateway = open_gateway(quota_bytes=100)
    store = gateway.store
    account = store.create_account("alice@example.org", "")
    store.store(b"x" * 60, [Delivery(account.address, store.mailbox(account.id, "INBOX").id, account.id)])

    def code(**facts):
        envelope = Envelope(**facts)
        return gateway.hub.recipient(session=None, envelope=envelope, address="alice@example.org").code

    assert [code(size=size) for size in (0, 1, 40, 41, 10**9)] == [250, 250, 250, 452, 452]
    assert code(size=41, submitted=True) == 250, "Delta Chat would give the message up for all"


def test_no_room_for_a_message_to_several_is_remembered(open_gateway, monkeypatch):
    """The next try of a server that says no size is refused for the one without room alone."""
    gateway = open_gateway(quota_bytes=100, full_minutes=10.0)
    store = gateway.store
    inboxes = {}
    for name in ("alice", "bob"):
        account = store.create_account(f"{name}@example.org", "")
        inboxes[name] = Delivery(account.address, store.mailbox(account.id, "INBOX").id, account.id)
    store.store(b"x" * 60, [inboxes["alice"]])

    def code(name, size=0):
        envelope = Envelope(size=size)
        return gateway.hub.recipient(session=None, envelope=envelope, address=f"{name}@example.org").code

    def put(content, *names, partial=False):
        deliveries = [inboxes[name] for name in names]
        return gateway.hub.store(content=content, deliveries=deliveries, partial=partial)

    assert put(b"x" * 50, "alice").code == 452
    assert code("alice") == 250, "to one alone: the next try tells as much"
    assert put(b"x" * 50, "alice", "bob").code == 452
    assert store.usage(inboxes["bob"].account_id).messages == 0, "for all or for none"
    assert (code("alice"), code("bob")) == (452, 250)
    assert code("alice", size=30) == 250, "what says its size is weighed by that"
    assert len(put(b"x" * 50, "bob")) == 1
    later = time.monotonic() + 601
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert code("alice") == 250
    assert [one.delivery for one in put(b"x" * 50, "alice", "bob", partial=True)] == [inboxes["bob"]]
    assert code("alice") == 250, "an account's own message: who had no room is told to its sender"


def test_mail_for_a_disabled_account_is_refused_for_good(store, people, ask):
    store.set_disabled(people.alice.id, "You sent spam")
    reply = ask("recipient", address="alice+tag@example.org")
    assert (reply.code, reply.enhanced) == (550, "5.2.1")
    assert reply.text == "<alice+tag@example.org>: this account is disabled"
    assert ask("recipient", address=people.bob.address).code == 250
    store.set_disabled(people.alice.id, "")
    assert ask("recipient", address="alice@example.org").code == 250


def test_a_removed_address_is_unknown(store, people, ask):
    store.delete_account(people.alice.id)
    reply = ask("recipient", address="alice@example.org")
    assert (reply.code, reply.enhanced) == (550, "5.1.1")


def test_storing(gateway, store, people):
    answer = gateway.hub.store(content=MAIL, deliveries=[people.alice.inbox], partial=False)
    assert [type(stored) for stored in answer] == [Stored] and store.content(people.alice.box, answer[0].uid) == MAIL
    gone = gateway.hub.store(content=MAIL, deliveries=[Delivery("x@example.org", 999, 9)], partial=False)
    assert (gone.code, gone.imap) == (451, "TRYCREATE")


def test_a_disk_that_fails_is_a_451(gateway, store, people, monkeypatch):
    inbox = people.alice.inbox

    def fails():
        raise OSError("secret path")

    monkeypatch.setattr(store.writer, "_commit", fails)
    assert gateway.hub.store(content=MAIL, deliveries=[inbox], partial=False) == UNAVAILABLE
    monkeypatch.undo()
    assert len(gateway.hub.store(content=MAIL, deliveries=[inbox], partial=False)) == 1


def test_a_full_disk(gateway, store, people, monkeypatch):
    inbox = people.alice.inbox

    def full(*arguments):
        raise StoreFull

    monkeypatch.setattr(store, "store", full)
    refusal = gateway.hub.store(content=MAIL, deliveries=[inbox], partial=False)
    assert (refusal.code, refusal.enhanced, refusal.temporary) == (452, "4.3.1", True)


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
        facts = {"session": Session("mx", "127.0.0.1"), "envelope": Envelope()}
        codes = [gateway.hub.recipient(address=f"alice{tag}@example.org", **facts).code for tag in ("", "-x", "+x")]
        assert codes == [250, 250, 550]
        assert gateway.store.usage(gateway.store.account("alice@example.org").id).message_limit == 5
    finally:
        gateway.stop()
