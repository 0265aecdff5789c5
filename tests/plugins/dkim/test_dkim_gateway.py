"""A whole gateway with a nameserver: mail comes in by SMTP, and what leaves is signed."""

import logging
import smtplib
import time

import dkim
import gevent
import pytest
from chatgate_dkim import signing
from chatgate_dkim.message import Message

from chatgate.reply import Reply
from chatgate.running.gateway import Gateway
from chatgate.testing import config, imap_client, mx_client, new_login, pgp_message, until
from tests.dnsserver import delay
from tests.plugins.dkim.sample import ED25519, RSA, rsa_key

PLUGINS = ("tls", "maildb", "accounts", "passwordless", "gate", "smtp", "imap", "dkim")
CLEARTEXT = (
    b"From: <bob@example.net>\r\nReceived: x\r\nAuthentication-Results: x; dkim=pass\r\nSubject: Hi\r\n\r\nHello\r\n"
)


@pytest.fixture
def gateway(gateway_factory, dns):
    return gateway_factory(*PLUGINS, resolver={"nameservers": (dns.address,), "timeout_seconds": 1.0, "attempts": 1})


def signed(content, key=RSA, selector="sel"):
    value = signing.sign(Message(content), key.private, "example.net", selector, time.time())
    return b"DKIM-Signature: " + value.encode() + b"\r\n" + content


def sent(gateway, content, to):
    """The last answer to a message from another server."""
    with mx_client(gateway) as client:
        try:
            client.sendmail("bob@example.net", [to], content)
        except smtplib.SMTPDataError as error:
            return f"{error.smtp_code} {error.smtp_error.decode()}"
    return "250"


def test_mail_from_another_server(gateway, dns):
    login = new_login(gateway)
    with imap_client(gateway, login) as imap:
        dns.zone = {"sel._domainkey.example.net": {"TXT": [RSA.text.decode()]}}
        content = pgp_message("bob@example.net", login[0])
        refused = "554 5.7.1 No DKIM signature found: example.net did not sign this message"
        assert sent(gateway, content, login[0]) == refused
        assert sent(gateway, signed(content), login[0]) == "250"
        assert dns.questions("sel._domainkey.example.net") == 1
        assert sent(gateway, signed(content), login[0]) == "250"
        assert dns.questions("sel._domainkey.example.net") == 1  # a warm key
        changed = signed(content).replace(b"Subject: [...]", b"Subject: [..]")
        assert sent(gateway, changed, login[0]) == (
            "554 5.7.1 No valid DKIM signature found: sel._domainkey.example.net: the signature does not match this key"
        )
        assert sent(gateway, signed(content, selector="none"), login[0]) == (
            "554 5.7.1 No valid DKIM signature found: none._domainkey.example.net does not exist in the DNS"
        )
        imap.select()
        _, found = imap.fetch("1:2", "(BODY.PEEK[HEADER])")
        assert b"DKIM-Signature" not in b"".join(part[1] for part in found if isinstance(part, tuple))
        imap.close()


def test_nameservers_in_trouble(gateway, dns):
    login = new_login(gateway)
    imap_client(gateway, login).logout()
    dns.fault("sel._domainkey.example.net", "servfail")
    answer = sent(gateway, signed(pgp_message("bob@example.net", login[0])), login[0])
    assert answer.startswith("451 4.7.5 DKIM cannot be checked now: sel._domainkey.example.net: ")


def test_a_key_that_changed_under_its_name(gateway, dns):
    login, new = new_login(gateway), rsa_key()
    imap_client(gateway, login).logout()
    content = pgp_message("bob@example.net", login[0])
    dns.zone = {"sel._domainkey.example.net": {"TXT": [RSA.text.decode()]}}
    assert sent(gateway, signed(content), login[0]) == "250"
    dns.zone = {"sel._domainkey.example.net": {"TXT": [new.text.decode()]}}
    # All that come while it is asked for, and not only the first.
    dns.fault("sel._domainkey.example.net", delay(0.3))
    many = [gevent.spawn(sent, gateway, signed(content, new), login[0]) for _ in range(5)]
    assert [one.get() for one in many] == ["250"] * 5
    assert dns.questions("sel._domainkey.example.net") <= 3


def test_trace_fields_go_from_unencrypted_mail_too(gateway_factory, dns):
    dns.zone = {"sel._domainkey.example.net": {"TXT": [ED25519.text.decode()]}}
    gateway = gateway_factory(*PLUGINS, resolver={"nameservers": (dns.address,)})
    login = new_login(gateway)
    imap_client(gateway, login).logout()
    store = gateway.store
    store.annotate(store.account(login[0]).id, "", {"/private/vendor/chatgate/cleartext": b"on"})
    with imap_client(gateway, login) as imap:
        assert sent(gateway, CLEARTEXT, login[0]).startswith("554 5.7.1 No DKIM signature found")
        assert sent(gateway, signed(CLEARTEXT, ED25519), login[0]) == "250"
        imap.select()
        _, found = imap.fetch("1", "(BODY.PEEK[HEADER])")
        assert found[0][1] == b"From: <bob@example.net>\r\nSubject: Hi\r\n\r\n"
        imap.close()


def signatures(gateway, author="alice@example.org"):
    """As the courier asks."""
    return gateway.intake.signed("alice@example.org", pgp_message(author, "bob@example.net"))


def test_what_leaves_is_signed_with_both_keys(gateway, dns):
    content = signatures(gateway)
    records = {r.name: r.value.encode() for r in gateway.hub.plugin("dkim").leaving.records(gateway.domains.first)}
    assert set(records) == {"chatgate._domainkey.example.org", "chatgate-ed25519._domainkey.example.org"}

    def txt(name, timeout=5):
        return records[name.decode().rstrip(".")]

    checked = dkim.DKIM(content)
    assert checked.verify(0, dnsfunc=txt) and checked.signature_fields[b"a"] == b"rsa-sha256"
    assert checked.verify(1, dnsfunc=txt) and checked.signature_fields[b"a"] == b"ed25519-sha256"
    assert abs(int(checked.signature_fields[b"t"]) - time.time()) < 60
    # At each attempt anew.
    gateway.hub.plugin("dkim").leaving.clock = lambda: time.time() + 5000
    assert signatures(gateway).partition(b"b=")[0] != content.partition(b"b=")[0]


def test_only_mail_of_our_domains_is_signed(gateway):
    assert b"DKIM" not in signatures(gateway, "alice@example.net")
    assert b"DKIM" not in signatures(gateway, "alice@sub.example.org")
    assert signatures(gateway, "MAILER-DAEMON@Example.ORG").count(b"DKIM-Signature: ") == 2


def test_a_domain_at_an_ip_address_has_no_keys(gateway_factory, dns, tmp_path):
    gateway = gateway_factory(*PLUGINS, domain="127.0.0.4", resolver={"nameservers": (dns.address,)})
    assert b"DKIM" not in signatures(gateway, "alice@[127.0.0.4]")
    assert not (tmp_path / "data" / "dkim").exists()


def test_without_a_key_nothing_leaves_unsigned(gateway, tmp_path, caplog):
    assert isinstance(signatures(gateway), bytes)
    (tmp_path / "data/dkim/example.org/chatgate.rsa.pem").unlink()
    for _ in range(2):
        answer = signatures(gateway)
        assert isinstance(answer, Reply) and answer.temporary
    texts = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert any("chatgate.rsa.pem: No such file or directory: mail of example.org does not leave" in t for t in texts)
    [problem] = gateway.hub.plugin("dkim").leaving.check()
    assert problem.level == "error" and "chatgate.rsa.pem" in problem.text


def test_keys_of_each_domain_are_made_at_the_start_and_stay(gateway_factory, dns, tmp_path):
    settings = {"resolver": {"nameservers": (dns.address,)}, "domains": {"b.example": {"dkim": {"selector": "b"}}}}
    first = gateway_factory(*PLUGINS, **settings)
    kept = {path: path.read_bytes() for path in (tmp_path / "data" / "dkim").rglob("*.pem")}
    assert {f"{path.parent.name}/{path.name}" for path in kept} == {
        "example.org/chatgate.rsa.pem",
        "example.org/chatgate-ed25519.ed25519.pem",
        "b.example/b.rsa.pem",
        "b.example/b-ed25519.ed25519.pem",
    }
    assert b"d=b.example; s=b;" in signatures(first, "x@b.example")
    first.stop()
    gateway_factory(*PLUGINS, **settings)
    assert kept == {path: path.read_bytes() for path in (tmp_path / "data" / "dkim").rglob("*.pem")}


def test_check_writes_nothing(tmp_path, dns):
    gateway = Gateway(config(tmp_path, *PLUGINS, resolver={"nameservers": (dns.address,)}))
    gateway.read_only = True
    leaving = gateway.hub.plugin("dkim").leaving
    leaving.make()
    assert leaving.records(gateway.domains.first) == [] and leaving.check() == []
    assert not (tmp_path / "data").exists()


def test_check_finds_open_and_weak_keys(gateway, tmp_path):
    leaving = gateway.hub.plugin("dkim").leaving
    (tmp_path / "old.pem").write_bytes(RSA.oracle)
    leaving.rings["example.org"].adopt(tmp_path / "old.pem", "opendkim")
    (tmp_path / "data/dkim/example.org/opendkim.rsa.pem").chmod(0o644)
    weak, opened = [problem.text for problem in leaving.check()]
    assert "less than 2048 bits" in weak and "other users of this machine can read" in opened
    leaving.rings["example.org"].rotate("chatgate")
    leaving.clock = lambda: time.time() + 8 * 86400
    assert sum("is not in the DNS" in problem.text for problem in leaving.check()) == 2


def test_a_new_key_signs_once_its_record_is_in_the_dns(gateway_factory, dns, caplog):
    gateway = gateway_factory(
        *PLUGINS, resolver={"nameservers": (dns.address,), "negative_seconds": 60.0}, dkim={"look_seconds": 0.05}
    )
    leaving = gateway.hub.plugin("dkim").leaving
    ring = leaving.rings["example.org"]
    rsa, ed25519 = ring.rotate("chatgate")
    until(lambda: dns.questions(ring.record(rsa)[0]) > 2)  # anew each time, as absence is remembered
    assert b"s=chatgate;" in signatures(gateway)
    name, text = ring.record(rsa)
    dns.zone = {name: {"TXT": ["something else", text]}}
    until(lambda: f"s={rsa.selector};".encode() in signatures(gateway))
    assert f"s={ed25519.selector};".encode() not in signatures(gateway)
    assert [key.state for key in ring.keys()] == ["leaves", "signs", "signs", "waits"]
    assert any("new keys sign domain=example.org" in record.getMessage() for record in caplog.records)
    assert [(r.required, r.name.partition(".")[0]) for r in leaving.records(gateway.domains.first)] == [
        (False, "chatgate"),
        (True, rsa.selector),
        (False, "chatgate-ed25519"),
        (False, ed25519.selector),
    ]
    leaving.clock = lambda: time.time() + 8 * 86400
    until(lambda: len(ring.keys()) == 3)
    assert not (ring.folder / "chatgate.rsa.pem").exists()


def test_from_one_gateway_to_another(gateway, dns, tmp_path):
    """The other has the records of our keys as `chatgate dkim show` prints them, or only one of them."""
    forgets = {"nameservers": (dns.address,), "longest_ttl": 0.0, "negative_seconds": 0.0}
    (tmp_path / "other").mkdir()
    other = Gateway(config(tmp_path / "other", *PLUGINS, domain="other.example", resolver=forgets))
    other.start()
    try:
        login = new_login(other)
        imap_client(other, login).logout()
        content = gateway.intake.signed("alice@example.org", pgp_message("alice@example.org", login[0]))
        rsa, ed25519 = gateway.hub.plugin("dkim").leaving.records(gateway.domains.first)
        for present in ([rsa, ed25519], [rsa], [ed25519]):
            dns.zone = {record.name: {"TXT": [record.value]} for record in present}
            assert sent(other, content, login[0]) == "250"
        dns.zone = {}
        assert sent(other, content, login[0]) == (
            "554 5.7.1 No valid DKIM signature found: chatgate._domainkey.example.org does not exist in the DNS; "
            "chatgate-ed25519._domainkey.example.org does not exist in the DNS"
        )
    finally:
        other.stop()
