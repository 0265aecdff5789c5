"""What other servers are answered, message by message: the same on port 25 and at /mxdeliv."""

import pytest

from chatgate.api import hookimpl
from chatgate.testing import SHIPPED
from tests.incoming import DOORS, Mxdeliv, Port25
from tests.plugins.gate import mails
from tests.plugins.gate.mails import HEADER, TYPE, armored, mail, packet, securejoin

ALICE, BOB, FULL, SHUT = "alice@a.example", "bob@example.org", "full@example.org", "shut@example.org"
ENCRYPTION = "523 Encryption Needed: Invalid Unencrypted Mail"
GOOD = mail(header=HEADER.replace(b"alice@example.org", ALICE.encode()))
BOUNCE = mails.stored("gate-bounce.eml")
HOP = b"Received: from a by b; Mon, 2 Nov 2026 10:00:00 +0000\r\n"


class Watcher:
    """What was stored, and for whom."""

    order = 90

    def __init__(self, gateway, options):
        self.stored = []

    @hookimpl
    def chatgate_stored(self, envelope, stored):
        self.stored.append((envelope.sender, sorted(one.delivery.recipient for one in stored)))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    from chatgate.running.gateway import Gateway
    from chatgate.testing import config

    settings = {"smtp": {"max_recipients": 6, "max_errors": 1000}, "core": {"max_message_bytes": 60000}}
    made = Gateway(config(tmp_path_factory.mktemp("gateway"), *SHIPPED, "courier", Watcher, **settings))
    made.start()
    for address in (BOB, FULL, SHUT):
        made.store.create_account(address, "")
    made.store.set_quota(made.store.account(FULL).id, 10)
    made.store.set_disabled(made.store.account(SHUT).id, "for a reason")
    yield made
    made.stop()


@pytest.fixture(params=DOORS, scope="module")
def door(request, gateway):
    made = DOORS[request.param](gateway)
    yield made
    made.close()


@pytest.fixture
def stored(gateway):
    watcher = gateway.hub.plugin("watcher")
    watcher.stored.clear()
    return watcher.stored


def of(content):
    return content.replace(b"alice@example.org", ALICE.encode())


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("nobody@example.org", "550 5.1.1 <nobody@example.org>: no such user here"),
        ("nobody+tag@example.org", "550 5.1.1 <nobody+tag@example.org>: no such user here"),
        ("postmaster", "550 5.1.1 <postmaster@example.org>: no such user here"),
        (SHUT, "550 5.2.1 <shut@example.org>: this account is disabled"),
        ("x@elsewhere.test", "550 5.7.1 Relaying denied"),
        ("bob@sub.example.org", "550 5.7.1 Relaying denied"),
        ("bob%elsewhere.test@example.org", "550 5.1.1 <bob%elsewhere.test@example.org>: no such user here"),
        ("bob@[192.0.2.9]", "550 5.7.1 Relaying denied"),
        ("@elsewhere.test:bob@example.org", "553 5.1.3 Malformed address"),
        ("bob..x@example.org", "553 5.1.3 Malformed address"),
        ("bob", "553 5.1.3 Malformed address"),
        (FULL, "452 4.2.2 <full@example.org>: mailbox is full, try again later"),
    ],
)
def test_recipients(door, stored, address, answer):
    assert door(ALICE, [address], GOOD) == [answer]
    assert stored == []
    answers = door(ALICE, [BOB, address], GOOD)
    assert answers[0][:4] == "250 " and answers[1] == answer, "nobody else suffers"
    assert stored == [(ALICE, [BOB])]


def test_too_many_recipients(door, stored):
    answers = door(ALICE, [f"bob+{number}@example.org" for number in range(8)], GOOD)
    assert [answer[:9] for answer in answers] == [answers[0][:9]] * 6 + ["452 4.5.3"] * 2
    assert answers[0][:4] == "250 "


@pytest.mark.parametrize("sender", ["a b@a.example", "alice", "alice@a..example"])
def test_senders_that_are_no_address(door, stored, sender):
    assert door(sender, [BOB], GOOD) == ["553 5.1.3 Malformed address"]


LOOP = "554 5.4.6 Mail loop: this message has been through too many servers"
FORGED = "550 5.7.1 Mail from this domain is only taken after a login"
PARSE = "554 5.6.0 Failed to parse message: "
FROM = "554 5.6.0 Invalid FROM header:"
WIRE = "554 5.6.0 Message refused: "


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"", PARSE + "no empty line after the header"),
        (b"no field\r\n\r\n", PARSE + "header line that is no field"),
        (b"Subject: x\r\n\r\n", FROM),
        (b"From: nobody\r\n\r\n", FROM + " nobody"),
        (b"From: a@b.test, c@d.test\r\n\r\n", FROM + " a@b.test, c@d.test"),
        (b"From: a@b.test\r\nFrom: c@d.test\r\n\r\n", FROM),
        (mail(), FORGED),
        (of(mails.stored("gate-cleartext.eml")), ENCRYPTION),
        (of(mails.stored("gate-setup-message.eml")), ENCRYPTION),
        (HOP * 100 + GOOD, LOOP),
        (b"x\n\r\n", WIRE + "a bare CR or LF in it, lines end with CR LF"),
        (b"x" * 9000 + b"\r\n", WIRE + "a line in it is too long"),
        (b"x\r\n" * 20100, "552 5.3.4 Message exceeds maximum size"),
        (b"x\r\n" * 35000, "552 5.3.4 Message exceeds maximum size"),
    ],
)
def test_messages(door, stored, content, answer):
    assert door(ALICE, [BOB], content) == [answer]
    assert stored == []
    assert door(ALICE, [BOB], GOOD)[0][:4] == "250 ", "the connection goes on"


def mine(**pieces):
    return of(mail(**{"header": HEADER} | pieces))


LOCAL = b"-----BEGIN PGP MESSAGE-----\r\n"


@pytest.mark.parametrize(
    "content",
    [
        # SPEC's words for "encrypted", each broken
        mine(type=TYPE.replace(b"multipart/encrypted", b"multipart/mixed")),
        mine(third=b"--%b\r\nContent-Type: text/plain\r\n\r\nclear\r\n" % mails.BOUNDARY),
        mine(preamble=b"Meet me at noon\r\n"),
        mine(between=b"Meet me at noon\r\n"),
        mine(epilogue=b"Meet me at noon\r\n"),
        mine(first=b"Version: 2\r\n"),
        mine(first_header=b"Content-Type: text/plain\r\n"),
        mine(second_header=b"Content-Type: text/plain\r\n"),
        mine(second_header=b"Content-Type: Application/Octet-Stream-X\r\n"),
        mine(armor=b"Meet me at noon\r\n"),
        mine(armor=armored(mails.DELTACHAT, headers=b"Comment: Meet me at noon\r\n")),
        mine(armor=armored(mails.DELTACHAT) + b"Meet me at noon\r\n"),
        mine(armor=b"Meet me at noon\r\n" + armored(mails.DELTACHAT)),
        mine(armor=armored(mails.PKESK6)),
        mine(armor=armored(mails.SEIPD2 + mails.SEIPD2)),
        mine(armor=armored(mails.PKESK6 + packet(20, b"\x01" * 300))),
        mine(armor=armored(mails.PKESK6 + packet(9, b"\x01" * 300))),
        mine(armor=armored(mails.PKESK6 + packet(11, b"b\0\0\0\0\0" + b"x" * 300))),
        mine(armor=armored(mails.PKESK6 + mails.SEIPD2[:-1])),
        mine(armor=armored(mails.PKESK6 + mails.SEIPD2 + b"\0")),
        mine(armor=armored(mails.legacy(18, mails.SEIPD1_BODY, 3))),
        # only the first part, which others let pass
        mine().split(b"--%b\r\nContent-Type: application/octet" % mails.BOUNDARY)[0] + b"--%b--\r\n" % mails.BOUNDARY,
        # Secure-Join requests
        of(securejoin(text=b"Secure-Join: vc-request\r\nand more")),
        of(securejoin(b"vc-request-with-auth")),
        of(securejoin(b"VC-REQUEST", text=b"Secure-Join: vc-request")),
        of(securejoin(preamble=b"Meet me at noon\r\n")),
        of(securejoin(part_header=b"Content-Type: text/html\r\n")),
        of(securejoin(more=b"--Gl92xgZjOShJ5PGHntqYkoo2OK2Dvi\r\nContent-Type: text/plain\r\n\r\nMeet me\r\n")),
        # bounces
        BOUNCE.replace(b"\r\nAuto-Submitted:", b"\r\nX-Auto:"),
        BOUNCE.replace(b"Auto-Submitted: auto-replied", b"Auto-Submitted: no"),
        BOUNCE.replace(b"Auto-Submitted: auto-replied", b"Auto-Submitted:"),
        BOUNCE.replace(b"MAILER-DAEMON@", b"postmaster@").replace(b"mailer-daemon@", b"postmaster@"),
        BOUNCE.replace(b"multipart/report", b"multipart/mixed"),
        BOUNCE.replace(b"message/delivery-status", b"text/plain"),
    ],
    ids=range(34),
)
def test_what_is_not_encrypted(door, stored, content):
    assert door("", [BOB], content) == [ENCRYPTION]
    assert stored == []


@pytest.mark.parametrize(
    ("sender", "content", "reverse_path"),
    [
        (ALICE, GOOD, ALICE),
        ("Alice@A.example", GOOD, "Alice@A.example"),
        ("", GOOD, ""),
        ("srs0=x=a.example=alice@forwarder.test", GOOD, ""),
        (ALICE, mine(armor=armored(mails.DELTACHAT, headers=b"Version: GnuPG v2\r\n")), ALICE),
        (ALICE, mine(armor=armored(mails.SKESK6 + mails.SEIPD1)), ALICE),
        (ALICE, HOP * 99 + GOOD, ALICE),
        (ALICE, of(securejoin(b"vc-request")), ALICE),
        (ALICE, of(securejoin(b"vg-request")), ALICE),
        ("", BOUNCE, ""),
        ("x@mail.example.net", BOUNCE, ""),
    ],
    ids=range(11),
)
def test_what_passes_and_who_hears_of_it(door, stored, sender, content, reverse_path):
    (answer,) = door(sender, [BOB], content)
    assert answer.startswith("250 2.0.0 OK ")
    assert stored == [(reverse_path, [BOB])]


def test_the_same_in_both_ways_for_the_whole_of_a_transaction(gateway, stored):
    to = [BOB, "nobody@example.org", FULL, SHUT, "x@elsewhere.test", "bad@@x"]
    said = [[answer.partition(" OK ")[0] for answer in made(gateway)(ALICE, to, GOOD)] for made in (Port25, Mxdeliv)]
    assert said[0] == said[1] and len(stored) == 2
