"""The plugin's answers to mail from other servers, behind the core's hub."""

import logging
from types import SimpleNamespace

import gevent
import pytest
from chatgate_dkim import arriving, proof, signing
from chatgate_dkim.message import Message
from chatgate_dkim.plugin import Dkim, DkimOptions
from chatgate_resolver import NoRecords, Trouble

from chatgate.hosting.hub import Hub
from chatgate.mail.envelope import Envelope
from chatgate.network.session import Session
from tests.plugins.dkim.sample import ED25519, MAIL, NOW, PLAIN, RSA, FakeDns, rsa_key
from tests.plugins.dkim.test_dkim_samples import ED25519_8463, OPENDKIM, RSA_8463

NAME = "sel._domainkey.example.net"
SENDER = "alice@example.net"


class Resolver:
    """The plugin."""

    def __init__(self, dns):
        self.resolver = dns


class Asked:
    """What the plugin says. dns: what it finds there. clock, steady: its clocks."""

    def __init__(self, **options):
        self.dns, self.clock, self.steady = FakeDns(), NOW, 1000.0
        self.hub = Hub(30)
        gateway = SimpleNamespace(hub=self.hub, domains=[])
        dkim = Dkim(gateway, DkimOptions(**options))
        self.hub.load([("resolver", Resolver(self.dns)), ("dkim", dkim)])
        prover = dkim.arriving.prover
        prover._clock, prover._steady = lambda: self.clock, lambda: self.steady

    def __call__(self, content, *, origin="peer", peer="192.0.2.1"):
        envelope = Envelope(SENDER, ["bob@example.org"], content, origin)
        reply = self.hub.filter(session=Session("mx", peer), envelope=envelope)
        self.proven = envelope.results.get("dkim", "")
        assert reply is None or (self.proven == "" and len(str(reply)) < 500)
        return None if reply is None else f"{reply.code} {reply}"


@pytest.fixture
def asked():
    return Asked()


def resigned(key=RSA, domain="example.net", selector="sel", now=NOW, content=PLAIN, change=lambda field: field):
    """Signed by ourselves, at any time and with any change of the field that is then signed, too."""
    value = signing.sign(Message(content), key.private, domain, selector, now)
    return b"DKIM-Signature: " + change(value).encode() + b"\r\n" + content


def test_a_signed_message_is_let_in(asked):
    assert asked(resigned()) is None
    assert asked.proven == "example.net" and asked.dns.asked == [(NAME, False)]
    asked.dns.records[NAME] = ED25519.text
    assert asked(resigned(ED25519)) is None and asked.proven == "example.net"


def test_the_samples_are_let_in(asked):
    asked.dns.records |= {
        "opendkim._domainkey.example.net": OPENDKIM,
        "brisbane._domainkey.football.example.com": ED25519_8463,
        "test._domainkey.football.example.com": RSA_8463,
    }
    assert asked((MAIL / "dkim-opendkim.eml").read_bytes()) is None and asked.proven == "example.net"
    assert asked((MAIL / "dkim-rfc8463.eml").read_bytes()) is None and asked.proven == "football.example.com"
    # Its d= is a parent of From's domain.
    answer = asked((MAIL / "dkim-rfc6376.eml").read_bytes())
    assert answer == (
        "554 5.7.1 No valid DKIM signature found: From is at football.example.com, but it is signed by example.com"
    )


@pytest.mark.parametrize("origin", ["account", "gateway"])
def test_only_other_servers_are_asked_for_a_signature(asked, origin):
    assert asked(PLAIN, origin=origin) is None and not asked.dns.asked


def test_no_signature(asked):
    assert asked(PLAIN) == "554 5.7.1 No DKIM signature found: example.net did not sign this message"
    assert not asked.dns.asked


def test_a_bounce_is_no_exception(asked):
    bounce = (MAIL / "gate-bounce.eml").read_bytes().replace(b"\n", b"\r\n")
    assert asked(bounce).startswith("554 5.7.1 No DKIM signature found: ")


def test_the_signature_of_another_domain_counts_for_nothing(asked):
    asked.dns.records["sel._domainkey.example.com"] = RSA.text
    other = resigned(domain="example.com")
    assert asked(other) == (
        "554 5.7.1 No valid DKIM signature found: From is at example.net, but it is signed by example.com"
    )
    assert not asked.dns.asked  # nobody makes us ask for names of others
    assert asked(resigned(content=other)) is None


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (None, f"{NAME} does not exist in the DNS"),
        (NoRecords("no"), f"{NAME} has no TXT record"),
        (b"v=DKIM1; p=", f"{NAME} says that the key is revoked (p= is empty)"),
        (b"v=DKIM1; k=rsa; p=AAAA", f"{NAME} holds a damaged key (p=)"),
        (ED25519.text, f"{NAME} holds a key of another kind than the signature"),
        (rsa_key().text, f"{NAME}: the signature does not match this key"),
    ],
)
def test_the_record_that_is_wrong_is_named(asked, record, why):
    asked.dns.records[NAME] = record
    assert asked(resigned()) == f"554 5.7.1 No valid DKIM signature found: {why}"


def test_other_records_at_the_name_do_no_harm(asked):
    asked.dns.records[NAME] = (b"v=spf1 -all", rsa_key().text, RSA.text)
    assert asked(resigned()) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (resigned() + b"x\r\n", f"{NAME}: the body was changed after it was signed"),
        (resigned(change=lambda value: value.replace("; h=", "; l=5; h=")), "it covers only a part of the body (l=)"),
        (resigned(change=lambda value: value.replace("v=1; ", "")), "the signature: it has no v="),
        (resigned(now=NOW + 1000), f"{NAME}: it is from the future; is the sender's clock right?"),
        (
            resigned(change=lambda value: value.replace("; h=", f"; x={NOW - 301}; h=").replace(f"t={NOW}", "t=1")),
            "expired",
        ),
        (resigned(change=lambda value: value.replace("rsa-sha256", "rsa-sha1")), "rsa-sha1 is not accepted"),
        (resigned(rsa_key(1024)), f"{NAME}: the signature does not match this key"),
    ],
)
def test_a_signature_that_is_wrong(asked, content, why):
    answer = asked(content)
    assert answer.startswith("554 5.7.1 No valid DKIM signature found: ") and why in answer


def test_what_needs_no_key_costs_no_question(asked):
    asked(resigned() + b"x\r\n")
    asked(resigned(now=NOW + 1000))
    assert not asked.dns.asked


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"From: <a@example.net>\r\n", "554 Malformed data"),
        (b"From: <a@example.net>\r\nno field\r\n\r\n", "554 Malformed header"),
        (b"To: <a@example.net>\r\n\r\n", "554 5.7.1 Invalid FROM header: it must have one address that is clear"),
    ],
)
def test_malformed_messages(asked, content, answer):
    assert asked(content) == answer


def test_trouble_in_the_dns_is_temporary(asked):
    asked.dns.records[NAME] = Trouble(f"{NAME}: no answer from 192.0.2.53 in 5 s")
    assert asked(resigned()) == f"451 4.7.5 DKIM cannot be checked now: {NAME}: no answer from 192.0.2.53 in 5 s"


def test_trouble_with_one_key_waits_for_none_that_is_right(asked):
    asked.dns.records["other._domainkey.example.net"] = Trouble("other: timed out")
    both = resigned(selector="other", content=resigned())
    assert asked(both) is None
    # A key that is wrong beside one that cannot be had: it may yet be valid.
    asked.dns.records[NAME] = b"v=DKIM1; p="
    assert asked(both) == "451 4.7.5 DKIM cannot be checked now: other: timed out"


def test_the_dns_has_a_time_limit():
    asked = Asked(dns_seconds=0.05)
    asked.dns.records[NAME] = lambda: gevent.sleep(60)
    assert asked(resigned()) == ("451 4.7.5 DKIM cannot be checked now: the DNS of example.net did not answer in time")


def test_a_new_key_under_the_old_name_is_asked_for_past_the_cache(asked):
    old, new = RSA, rsa_key()
    asked.dns.anew[NAME] = new.text
    assert asked(resigned(new)) is None
    assert asked.dns.asked == [(NAME, False), (NAME, True)]
    # Once a minute for a domain, whatever is sent.
    for _ in range(5):
        assert "does not match" in asked(resigned(rsa_key(1024)))
    assert asked.dns.asked.count((NAME, True)) == 1
    asked.steady += 61
    assert asked(resigned(new)) is None
    assert asked(resigned(old)) is None
    assert asked.dns.asked.count((NAME, True)) == 2


def test_what_is_remembered_of_domains_is_bounded(asked, monkeypatch):
    monkeypatch.setattr(proof, "_MOST_REMEMBERED", 3)
    prover = proof.Prover(DkimOptions(), asked.dns)
    assert all(prover._may_ask_again(f"{n}.example") for n in range(10)) and len(prover._asked_again) == 3
    assert not prover._may_ask_again("9.example") and prover._may_ask_again("0.example")


def test_not_more_signatures_than_allowed_are_looked_at():
    asked = Asked(max_signatures=3)
    content = PLAIN
    for n in range(5):
        content = resigned(rsa_key(1024), selector=f"s{n}", content=content)
        asked.dns.records[f"s{n}._domainkey.example.net"] = RSA.text
    others = b"".join(resigned(domain="example.com").partition(b"\r\n")[0] + b"\r\n" for _ in range(4))
    assert asked(others + content).startswith("554 5.7.1 No valid")
    assert len({name for name, _ in asked.dns.asked}) == 3
    # Those of other domains do not count.
    assert asked(others + resigned()) is None


def test_few_names_are_read_of_those_that_take_long(asked, monkeypatch):
    """A name in Unicode takes milliseconds, and there may be a hundred in a message."""
    read, domain = [], proof.domain
    monkeypatch.setattr(proof, "domain", lambda value: read.append(value) or domain(value))
    fields = b"".join(b"DKIM-Signature: d=%d." % number + "\u00fc".encode() * 60 + b"\r\n" for number in range(40))
    asked(fields + PLAIN)
    assert sum(not value.isascii() for value in read) == proof._MOST_INTERNATIONAL
    read.clear()
    asked("DKIM-Signature: d=\u00fc.test\r\n".encode() * 40 + resigned())
    assert read[-1] == b"example.net", "the others are read all the same"


def test_the_author_is_compared_without_regard_to_spelling(asked):
    asked.dns.records["sel._domainkey.xn--bcher-kva.example"] = RSA.text
    content = PLAIN.replace(b"From: Alice <alice@example.net>", "From: <a@Bücher.example>".encode())
    assert asked(resigned(domain="XN--BCHER-KVA.example", content=content)) is None
    assert asked.proven == "xn--bcher-kva.example"


def literal(written):
    return PLAIN.replace(b"example.net>", written + b">", 1)


@pytest.mark.parametrize(
    ("written", "peer", "passes"),
    [
        (b"[192.0.2.1]", "192.0.2.1", True),
        (b"192.0.2.1", "192.0.2.1", True),
        (b"[192.0.2.1]", "192.0.2.2", False),
        (b"[192.0.2.1]", "2001:db8::1", False),
        (b"[IPv6:2001:DB8:0::1]", "2001:db8::1", True),
        (b"[IPv6:2001:db8::1]", "2001:db8::2", False),
        (b"[IPv6:::ffff:192.0.2.1]", "192.0.2.1", True),
    ],
)
def test_an_author_at_an_ip_address_is_who_comes_from_there(asked, written, peer, passes):
    answer = asked(literal(written), peer=peer)
    assert (answer is None) == passes
    if passes:
        assert asked.proven == ("[ipv6:2001:db8::1]" if ":" in peer else "[192.0.2.1]")
    else:
        assert answer == "554 5.7.1 The author is at an IP address, but the mail comes from another one"
    assert not asked.dns.asked


def test_an_author_at_an_ip_address_whom_nobody_sees(asked, caplog):
    answer = asked(literal(b"[192.0.2.1]"), peer="")
    assert answer == "451 4.3.5 The author is at an IP address, and this server cannot see yours"
    assert [r.levelno for r in caplog.records if "behind a proxy" in r.getMessage()] == [logging.ERROR]


def test_authors_at_ip_addresses_by_option():
    assert Asked(literal_senders="refuse")(literal(b"[192.0.2.1]")) == (
        "554 5.7.1 Mail of authors at an IP address is not taken here"
    )
    allow = Asked(literal_senders="allow")
    assert allow(literal(b"[192.0.2.9]")) is None and allow.proven == ""
    with pytest.raises(ValueError, match="literal_senders"):
        DkimOptions(literal_senders="perhaps")


def test_the_log_says_why_and_names_nobody(asked, caplog):
    caplog.set_level(logging.INFO)
    asked(PLAIN)
    asked(literal(b"[192.0.2.1]"), peer="192.0.2.77")
    text = caplog.text
    assert "code=554: No DKIM signature found: example.net did not sign" in text
    assert "alice" not in text and "192.0.2.77" not in text


def test_large_messages_are_worked_on_in_turns(asked, monkeypatch):
    turns = []
    monkeypatch.setattr(arriving, "Work", lambda: SimpleNamespace(turn=lambda: turns.append(1)))
    assert asked(resigned(content=PLAIN + b"word  word \r\n" * 100_000)) is None and turns
    turns.clear()
    assert asked(resigned()) is None and not turns
