"""Who gets into the operators' group, and who does not. (The real app joins in tests/clients.)"""

import functools
import json
import secrets
import time
from urllib.parse import parse_qs, urlsplit

import click
import pytest
from chatgate_alerts.group import mail
from chatgate_alerts.group.channel import Door
from chatgate_alerts.group.members import Person
from chatgate_alerts.group.openpgp import Keyring
from chatgate_alerts.words import Message
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from chatgate.api import Delivery

PLUGINS = ("tls", "maildb", "resolver", "passwordless", "accounts", "gate", "alerts")


@functools.cache
def made(address):
    """A key; making one takes a while."""
    with Keyring() as keyring:
        return keyring.made(address)


class Someone:
    """An app that joins: its account here, its key, and its steps."""

    def __init__(self, group, name):
        self.group, self.address = group, f"{name}@example.org"
        self.account = group.gateway.store.create_account(self.address, "secret")
        self.key = made(self.address)

    def request(self, number, **more):
        fields = {
            "From": f"<{self.address}>",
            "Secure-Join": "vg-request",
            "Secure-Join-Invitenumber": number,
            "Autocrypt": mail.with_key("Autocrypt", self.address, self.key.public)[1],
        } | more
        head = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in fields.items())
        self.group.take((head + "\nSecure-Join: vg-request\n").replace("\n", "\r\n").encode())

    def encrypted(self, *fields, key=None, signed=True):
        """A message to the gateway that only it can read."""
        us, key = self.group.us, key or self.key
        own = [("From", f"<{self.address}>"), mail.with_key("Autocrypt", self.address, key.public)]
        with Keyring() as keyring:
            for one in (us.public, self.key.secret, key.secret):
                keyring.add(one)
            text = mail.inner([*own, *fields], "x")
            armor = keyring.encrypt(text, [us.fingerprint], key.fingerprint if signed else "")
        self.group.take(mail.outer(self.address, f"<{secrets.token_hex(9)}@localhost>", armor))

    def authenticate(self, auth, fingerprint="", **more):
        self.encrypted(
            ("Secure-Join", "vg-request-with-auth"),
            ("Secure-Join-Auth", auth),
            ("Secure-Join-Fingerprint", fingerprint or self.key.fingerprint),
            **more,
        )

    def got(self):
        """The inner headers and texts of what came, each once."""
        store = self.group.gateway.store
        inbox = store.mailbox(self.account.id, "INBOX")
        contents = [store.content(inbox.id, row.uid) for row in store.changes(inbox.id).messages]
        if not contents:
            return []
        store.expunge(inbox.id, None, only_deleted=False)
        with Keyring() as keyring:
            keyring.add(self.key.secret)
            keyring.add(self.group.us.public)
            read = [keyring.decrypt(mail.armored(content)) for content in contents]
        for content, one in zip(contents, read, strict=True):
            assert mail.value(mail.header(content), "Subject") == "[...]" and b"hidden-recipients" in content
            assert one is not None and one.signer == self.group.us.fingerprint
        return [mail.header(one.text) for one in read]

    def steps(self):
        return [mail.value(fields, "Secure-Join") for fields in self.got()]


class Group:
    def __init__(self, gateway):
        self.gateway, self.plugin = gateway, gateway.hub.plugin("alerts")

    @property
    def us(self):
        return self.plugin.members.us()

    @property
    def members(self):
        return [one.address for one in self.plugin.members.all()]

    def take(self, content):
        self.plugin.joining.take(self.us, content)

    def run(self, *arguments, code=0):
        group = click.Group()
        self.gateway.hub.commands.or_raise(cli=group, gateway=self.gateway)
        done = CliRunner().invoke(group, ["alerts", *arguments])
        assert done.exit_code == code, done.output + repr(done.exception)
        return done.output


@pytest.fixture
def group(gateway_factory):
    return Group(gateway_factory(*PLUGINS))


def invitation(group, *arguments):
    """(number, auth) of a new link."""
    said = json.loads(group.run("join", "--json", *arguments))
    scheme, _, rest = said["qr"].partition(":")
    fingerprint, _, fragment = rest.partition("#")
    facts = {name: value for name, (value,) in parse_qs(fragment).items()}
    assert (scheme, fingerprint, facts["a"]) == ("OPENPGP4FPR", group.us.fingerprint, group.us.address)
    assert said["link"] == f"https://i.delta.chat/#{fingerprint}&{fragment}" and urlsplit(said["link"]).query == ""
    assert facts["g"] == "example.org alerts" and facts["x"] == group.us.group
    return facts["i"], facts["s"]


def test_whoever_has_the_link_is_let_in_and_told_how_things_are(group):
    number, auth = invitation(group)
    alice, bob = Someone(group, "alice"), Someone(group, "bob")
    alice.request(number)
    assert alice.steps() == ["vg-auth-required"] and group.members == []
    alice.authenticate(auth)
    added, state = alice.got()
    assert mail.value(added, "Secure-Join") == "vg-member-added" and group.members == [alice.address]
    assert mail.value(added, "Chat-Group-Member-Added") == alice.address
    assert mail.value(state, "Chat-Group-ID") == group.us.group
    bob.request(number)
    bob.authenticate(auth)
    assert group.members == [alice.address, bob.address]
    assert (
        "vg-member-added" in alice.steps()
        and mail.value(bob.got()[-1], "To") == "<alice@example.org>, <bob@example.org>"
    )
    store = group.gateway.store
    assert store.account(group.us.address) is not None and group.us.address.startswith("alerts-")
    assert "alice@example.org" in group.run("members")
    group.run("members", "--remove", "ALICE@example.org")
    group.run("members", "--remove", "alice@example.org", code=1)
    assert group.members == [bob.address]
    address = group.us.address
    group.run("off", "--yes")
    assert group.us is None and group.members == [] and store.account(address) is None
    group.run("off", "--yes", code=1)


def test_nobody_else_gets_in_or_an_answer(group, monkeypatch):
    number, auth = invitation(group)
    eve, alice = Someone(group, "eve"), Someone(group, "alice")
    eve.request("x" * 24)
    eve.request(auth)
    eve.request(number, Autocrypt="addr=eve@example.org; keydata=AAAA")
    eve.request(number, From="<alice@example.org>")
    eve.request(number, From="<alice@example.org>, <eve@example.org>")
    eve.authenticate("x" * 24)
    eve.authenticate(number)
    eve.authenticate("")
    eve.authenticate(auth, fingerprint=alice.key.fingerprint)
    eve.authenticate(auth, signed=False)
    other = Someone(group, "bob")
    eve.encrypted(
        ("Secure-Join", "vg-request-with-auth"),
        ("Secure-Join-Auth", auth),
        ("Secure-Join-Fingerprint", alice.key.fingerprint),
        key=other.key,
    )
    assert group.members == [] and eve.got() == alice.got() == other.got() == []
    group.plugin.joining._clock = lambda: time.time() + 25 * 3600  # the link is over
    eve.request(number)
    monkeypatch.setattr(Keyring, "decrypt", lambda *args: pytest.fail("nobody's message is worth the time now"))
    eve.authenticate(auth)
    assert group.members == []
    monkeypatch.undo()
    assert eve.got() == []


def test_members_leave_and_nobody_else_can_send_them_away(group):
    invitation(group)
    us = group.us
    alice, bob, eve = (Someone(group, name) for name in ("alice", "bob", "eve"))
    for one in (alice, bob):
        group.plugin.members.put(Person(one.address, one.key.fingerprint, one.key.public, time.time()))
    in_group = ("Chat-Group-ID", us.group)
    eve.encrypted(in_group, ("Chat-Group-Member-Removed", alice.address))
    alice.encrypted(in_group, ("Chat-Group-Member-Removed", alice.address), key=eve.key)  # as if from alice
    alice.encrypted(("Chat-Group-ID", "another"), ("Chat-Group-Member-Removed", alice.address))
    alice.encrypted(in_group)
    assert group.members == [alice.address, bob.address]
    alice.encrypted(in_group, ("Chat-Group-Member-Removed", "Alice@Example.org"))
    assert group.members == [bob.address]
    bob.encrypted(in_group, ("Chat-Group-Member-Removed", us.address))
    assert group.members == []


def test_what_comes_is_worked_on_by_the_service_and_then_gone(group):
    number, auth = invitation(group)
    store, alice = group.gateway.store, Someone(group, "alice")
    account = store.account(group.us.address)
    inbox = store.mailbox(account.id, "INBOX").id
    door = Door(group.gateway, group.plugin.members, group.plugin.joining)
    assert door._inbox(group.us.address) == inbox
    assert store.account(group.us.address).last_login == int(time.time()) // 86400, "it never counts as idle"
    contents = []
    group.take = contents.append
    alice.request(number)
    for content in (*contents, b"", b"nonsense", b"\xff" * 1000, b"x" * 300_000):
        store.store(content, [Delivery(group.us.address, inbox, account.id)])
    door.read(inbox)
    assert not list(store.changes(inbox).messages) and alice.steps() == ["vg-auth-required"]


def test_a_test_message_says_that_it_went_nowhere(group, monkeypatch):
    monkeypatch.setattr("chatgate_alerts.command._PATIENCE", 0.6)
    assert "is anybody to be told?" in group.run("test", code=1)


def test_the_gateway_sends_alerts_to_the_group(group):
    invitation(group)
    alice = Someone(group, "alice")
    group.plugin.members.put(Person(alice.address, alice.key.fingerprint, alice.key.public, time.time()))
    group.plugin.channels[0].send(Message("abc", "t", "Wörter ⚠️", {}), 9)
    (fields,) = alice.got()
    assert mail.value(fields, "Message-ID") == "<alert-abc@localhost>"


@settings(max_examples=40)
@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_no_octets_make_the_reader_fail(content):
    for head in (b"", b"Autocrypt: ", b"From: ", b"Autocrypt: addr=a@b.c; keydata=", b"Secure-Join: "):
        fields = mail.header(head + content)
        mail.autocrypt(fields)
        mail.author(fields)
        mail.value(fields, "Secure-Join")
        mail.armored(head + content)


@given(st.binary(min_size=1, max_size=900), st.sampled_from(["a@example.org", "a@[127.0.0.1]"]))
def test_a_key_comes_along_as_it_was(key, address):
    name, value = mail.with_key("Autocrypt", address, key)
    content = mail.inner([("From", f"<{address}>"), (name, value)], "Text ä\n.\n")
    assert mail.autocrypt(mail.header(content)) == mail.Address(address, key)
    assert all(len(line) < 500 for line in content.splitlines())


def test_an_operator_on_another_server_is_told_by_signed_mail_through_the_queue(gateway_factory):
    group = Group(gateway_factory(*PLUGINS, "dkim", "courier", courier={"peers": ("* hold",)}))
    invitation(group)
    key = made("zoe@peer.test")
    group.plugin.members.put(Person("zoe@peer.test", key.fingerprint, key.public, time.time()))
    group.plugin.channels[0].send(Message("abc", "t", "all is well", {}), 9)
    store, intake = group.gateway.store, group.gateway.intake
    (row,) = store.queue()
    assert (row.recipient, row.sender) == ("zoe@peer.test", group.us.address)
    content = store.open_queued(row.id)
    signed = intake.signed(row.sender, content.read(0, 1 << 20))
    content.close()
    assert signed.startswith(b"DKIM-Signature:") and b"d=example.org" in signed
    with Keyring() as keyring:
        keyring.add(key.secret)
        keyring.add(group.us.public)
        read = keyring.decrypt(mail.armored(signed))
    assert mail.value(mail.header(read.text), "Chat-Group-ID") == group.us.group
    assert read.signer == group.us.fingerprint
