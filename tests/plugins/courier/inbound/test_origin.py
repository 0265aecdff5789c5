"""The gate and DKIM together, by both ways: what may pass in form must also come from where it says."""

import pytest

from chatgate.testing import SHIPPED, pgp_message
from tests.dnsserver import DnsServer
from tests.incoming import DOORS, Mxdeliv
from tests.plugins.dkim.sample import RSA, signed
from tests.plugins.gate import mails
from tests.plugins.gate.mails import securejoin

BOB, DOMAIN = "bob@example.org", b"example.net"
BOUNCE = mails.stored("gate-bounce.eml")
HERE, ELSEWHERE = "203.0.113.9", "203.0.113.10"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    from chatgate.running.gateway import Gateway
    from chatgate.testing import config

    with DnsServer({}) as dns:
        names = ("example.net", "mail.example.net", "net", "evil.test")
        dns.zone = {f"sel._domainkey.{name}": {"TXT": [RSA.text.decode()]} for name in names}
        settings = {
            "core": {"proxy_protocol_from": ("127.0.0.1",)},
            "site": {"forwarded_for_from": (ELSEWHERE,)},
            "resolver": {"nameservers": (dns.address,)},
        }
        folder = tmp_path_factory.mktemp("gateway")
        made = Gateway(config(folder, *SHIPPED, "courier", "dkim", **settings))
        made.start()
        made.store.create_account(BOB, "")
        yield made
        made.stop()


@pytest.fixture(params=DOORS, scope="module")
def door(request, gateway):
    made = DOORS[request.param](gateway, HERE)
    yield made
    made.close()


def by(author):
    content = pgp_message("alice@example.net", BOB)
    return content.replace(b"alice@example.net", author)


FROM = b"mailer-daemon@example.net"
REQUEST = securejoin(b"vc-request").replace(b"alice@example.org", b"alice@example.net")


def test_the_samples_are_from_where_the_test_thinks():
    assert FROM in BOUNCE.lower() and b"alice@example.net" in REQUEST


@pytest.mark.parametrize("content", [BOUNCE, REQUEST, by(b"alice@example.net")], ids=["bounce", "request", "encrypted"])
def test_only_the_domain_that_is_named_may_say_it(door, content):
    assert door("", [BOB], content) == ["554 5.7.1 No DKIM signature found: example.net did not sign this message"]
    for other in (b"evil.test", b"net", b"mail.example.net"):
        (answer,) = door("", [BOB], signed(content, domain=other))
        assert answer.startswith("554 5.7.1 No valid DKIM signature found: From is at example.net")
    assert door("", [BOB], signed(content, domain=DOMAIN))[0].startswith("250 ")
    both = signed(signed(content, domain=DOMAIN), domain=b"evil.test")
    assert door("", [BOB], both)[0].startswith("250 "), "a mailing service may sign, too"
    changed = signed(content, domain=DOMAIN).replace(b"\r\nMIME-Version: 1.0", b"\r\nMime-Version: 1.0 ", 1) + b"x\r\n"
    assert door("", [BOB], changed)[0][:3] in ("523", "554")


def test_what_the_gate_refuses_is_not_looked_up(door):
    assert door("", [BOB], b"From: <x@unknown.test>\r\n\r\nhello\r\n") == [
        "523 Encryption Needed: Invalid Unencrypted Mail"
    ]


@pytest.mark.parametrize("made", DOORS.values(), ids=DOORS)
def test_an_author_at_an_ip_address_sends_from_there(gateway, made):
    wrong = "554 5.7.1 The author is at an IP address, but the mail comes from another one"
    for content in (by(b"alice@[203.0.113.9]"), BOUNCE.replace(FROM, b"mailer-daemon@[203.0.113.9]")):
        content = content.replace(b"MAILER-DAEMON@example.net", b"MAILER-DAEMON@[203.0.113.9]")
        assert made(gateway, HERE)("", [BOB], content)[0].startswith("250 ")
        assert made(gateway, ELSEWHERE)("", [BOB], content) == [wrong]


def test_behind_a_reverse_proxy_the_address_is_the_one_it_names(gateway):
    """Who speaks is the proxy at ELSEWHERE, which is believed."""
    content = by(b"alice@[203.0.113.9]")
    for peer, status in ((HERE, 200), ("198.51.100.1", 400)):
        door = Mxdeliv(gateway, ELSEWHERE)
        fields = [("Content-Length", str(len(content))), ("X-MAIL-TO", BOB), ("X-Forwarded-For", peer)]
        door.post(fields, content)
        assert door.status == status
