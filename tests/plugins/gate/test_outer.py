"""What the header of a message loses, and what becomes of the fields that stay."""

import base64

import pytest

from chatgate.mail.headers import fields
from tests.plugins.gate import mails
from tests.plugins.gate.asked import ALICE, BOB, Asked
from tests.plugins.gate.mails import mail

OUT, IN = "submitted", "from elsewhere"


@pytest.fixture
def gate(tmp_path):
    return Asked(tmp_path)


def left(gate, field: bytes, way: str, content=None, recipients=(BOB,)) -> bytes | None:
    """The value of this field after the gate, unfolded; None if it is gone. The rest of the message is Delta Chat's."""
    name = field.partition(b":")[0].lower()
    header = b"".join(raw for other, raw in fields(mails.HEADER) if other != name)
    content = content or mail(header=header + field + b"\r\n")
    assert gate(content, submitted=way == OUT, sender=ALICE, recipients=recipients) is None
    assert gate.stored.partition(b"\r\n\r\n")[2] == content.partition(b"\r\n\r\n")[2]
    found = [raw for other, raw in fields(gate.stored.partition(b"\r\n\r\n")[0] + b"\r\n") if other == name]
    assert len(found) < 2
    return found[0].partition(b":")[2].replace(b"\r\n", b"").strip() if found else None


KEY = next(
    raw
    for name, raw in fields(mails.stored("gate-core-1.160-encrypted.eml").partition(b"\r\n\r\n")[0] + b"\r\n")
    if name == b"autocrypt"
)
KEYDATA = KEY.partition(b"keydata=")[2].replace(b"\r\n", b"").replace(b"\t", b"").strip()

STAY = [
    b"Date: Sun, 15 Oct 2023 16:43:21 +0000",
    b"Date: 1 Jan 2026 06:43:21 GMT",
    b"Message-ID: <48b9e9cc-2bae-4d41-89b4-a409e2c60c28@localhost>",
    b"Message-ID: <Mr.4Xv0Rh2yWKE.w1p1lmAyCLG@example.org>",
    b"In-Reply-To: <a@localhost>",
    b"References: <a@localhost> <b@localhost>\t<c@localhost>",
    b"From: alice@example.org",
    b"From: <Alice@example.org>",
    b'To: "hidden-recipients": ;',
    b"To: <bob@example.org>",
    b"To: <bob@example.org>, <Bob@example.org>",
    b"To: bob@example.org,\tbob@example.org",
    b"Subject: [...]",
    b"MIME-Version: 1.0",
    b"Chat-Version: 1.0",
    b"Chat-Is-Post-Message: 1",
    b"Auto-Submitted: auto-generated",
    b"Auto-Submitted: auto-replied",
    b"Autocrypt: addr=alice@example.org; prefer-encrypt=mutual; keydata=" + KEYDATA,
    b"Autocrypt: addr=ALICE@example.org; keydata= " + KEYDATA[:40] + b" " + KEYDATA[40:],
]


@pytest.mark.parametrize("way", [OUT, IN])
@pytest.mark.parametrize("field", STAY)
def test_stays_as_it_is(gate, field, way):
    assert left(gate, field, way) == field.partition(b": ")[2]


GO = [
    b"Received: from laptop by example.org; Mon, 1 Jan 2024 00:00:00 +0000",
    b"X-Mailer: meet me",
    b"X-Meet-Me: 1",
    b"Comments: meet me",
    b"Keywords: meet me",
    b"Organization: meet me",
    b"Content-Description: meet me",
    b"Content-Disposition: inline",
    b"Content-ID: <meet@me>",
    b"Autocrypt-Gossip: addr=bob@example.org; keydata=" + KEYDATA,
    b"Autocrypt: addr=bob@example.org; keydata=" + KEYDATA,
    b"Autocrypt: addr=alice@example.org; meet=me; keydata=" + KEYDATA,
    b"Autocrypt: addr=alice@example.org; keydata=" + base64.b64encode(b"meet me at eight" * 30),
    b"Autocrypt: addr=alice@example.org; keydata=" + KEYDATA[:-4],
    b"Autocrypt: addr=alice@example.org; keydata=" + base64.b64encode(base64.b64decode(KEYDATA) + mails.SEIPD1),
    b"Autocrypt: addr=alice@example.org; keydata=" + KEYDATA[:90] + b" " * 9 + KEYDATA[90:],
    b"Autocrypt: addr=alice@example.org; keydata=" + b" ".join(KEYDATA[at : at + 1] for at in range(len(KEYDATA))),
    b"Autocrypt: addr=alice@example.org; keydata=" + base64.b64encode(base64.b64decode(KEYDATA)[:2] + b"x" * 25_000),
    b"Date: at eight",
    b"Message-ID: meet me",
    b"Message-ID: <meet me@example.org>",
    b"Message-ID: <%b@example.org>" % (b"x" * 250),
    b"References: meet me",
    b"Chat-Version: meet me",
    b"Chat-Is-Post-Message: meet me",
    b"Chat-Group-Name: meet me",
    b"Secure-Join: vc-request",
    b"Autocrypt-Setup-Message: v1",
    b"Auto-Submitted: meet-me",
    b"DKIM-Signature: v=1; a=rsa-sha256; b=abc",
    b"Authentication-Results: example.org; dkim=pass",
    b"Resent-From: <meet@me>",
    b"Disposition-Notification-To: <alice@example.org>",
    b"Thread-Topic: meet me",
]


@pytest.mark.parametrize("way", [OUT, IN])
@pytest.mark.parametrize("field", GO)
def test_goes(gate, field, way):
    assert left(gate, field, way) is None


LIST = b"List-ID: meet me <friends.example.org>"


@pytest.mark.parametrize(
    ("field", "out", "incoming"),
    [
        (b"From: Alice <alice@example.org>", b"<alice@example.org>", b"Alice <alice@example.org>"),
        (b"From: alice@example.org (meet me)", b"<alice@example.org>", b"alice@example.org (meet me)"),
        (b'From: "%b" <alice@example.org>' % (b"meet me " * 20), b"<alice@example.org>", b"<alice@example.org>"),
        (b'To: "Bob, at eight" <bob@example.org>', b"<bob@example.org>", b"<bob@example.org>"),
        (b"To: bob@example.org", b"bob@example.org", b"bob@example.org"),
        (b"To: (meet me) bob@example.org", b"<bob@example.org>", b"<bob@example.org>"),
        (b"To: meet@me, Bob <BOB@example.org>", b"<BOB@example.org>", b"<meet@me>, <BOB@example.org>"),
        (b"To: meet me: meet@me;", b'"hidden-recipients": ;', b"<meet@me>"),
        (b"To: meet me:;", b'"hidden-recipients": ;', b'"hidden-recipients": ;'),
        (b'To: "meet@me"', b'"hidden-recipients": ;', b'"hidden-recipients": ;'),
        (b"To: " + b", ".join(b"<a%d@example.org>" % n for n in range(400)), *[b'"hidden-recipients": ;'] * 2),
        (b"Cc: meet@me, Bob <bob@example.org>", b"<bob@example.org>", b"<meet@me>, <bob@example.org>"),
        (
            b"To: we:a@[IPv6:2001:db8::1],bob@example.org;",
            b"<bob@example.org>",
            b"<a@[IPv6:2001:db8::1]>, <bob@example.org>",
        ),
        (b"To: bob@example.org,a:;", *[b"<bob@example.org>"] * 2),
        (b"To: a bob@example.org", *[b"<bob@example.org>"] * 2),
        (b"Cc: meet me", None, None),
        (b"Subject:" + b" " * 9 + b"J\xf6rg", b"[...]", b"J?rg"),
        (b"From:" + b" " * 9 + b"J\xf6rg <alice@example.org>", b"<alice@example.org>", b"J?rg <alice@example.org>"),
        (b"Subject: J\xf6rg", b"[...]", b"J\xf6rg"),
        (b"Subject: meet me", b"[...]", b"meet me"),
        (b"Subject: " + b"meet me " * 100, b"[...]", b"[...]"),
        (b"MIME-Version: 1.0 (Mac OS X Mail 16.0 \\(3696.1\\))", b"1.0", b"1.0"),
        (b"Date: Sun, 15 Oct 2023 16:43:21 +0000 (UTC)", *[b"Sun, 15 Oct 2023 16:43:21 +0000"] * 2),
        (b"Reply-To: Alice <meet@me>", None, b"<meet@me>"),
        (b"Sender: Alice <meet@me>", None, b"<meet@me>"),
        (b"Precedence: bulk", None, b"bulk"),
        (b"X-Microsoft-Original-Message-ID: <a@localhost>", None, b"<a@localhost>"),
        (LIST, None, b"<friends.example.org>"),
        (b"References: <a@b> meet me <c@d>", *[b"<a@b> <c@d>"] * 2),
        (b"References: " + b" ".join(b"<%03d@localhost>" % n for n in range(200)),)
        + (b" ".join(b"<%03d@localhost>" % n for n in range(138, 200)),) * 2,
    ],
)
def test_is_written_anew(gate, field, out, incoming):
    assert left(gate, field, OUT) == out
    assert left(gate, field, IN) == incoming


@pytest.mark.parametrize("way", [OUT, IN])
@pytest.mark.parametrize("field", STAY)
def test_blanks_around_a_value_go(gate, field, way):
    name, _, value = field.partition(b": ")
    long = name + b":" + b" \t" * 400 + value + b" \t" * 400
    assert left(gate, long, way) == value
    assert b" \t \t" not in gate.stored


@pytest.mark.parametrize("way", [OUT, IN])
def test_a_field_given_twice_goes(gate, way):
    assert left(gate, b"Chat-Version: 1.0\r\nChat-Version: 1.0", way) is None
    assert left(gate, b"To: <bob@example.org>\r\nTo: <bob@example.org>", way) is None


@pytest.mark.parametrize("way", [OUT, IN])
@pytest.mark.parametrize(
    "parameters",
    [
        b'protocol="application/pgp-encrypted"; x="meet me"; boundary="%b"',
        b'boundary="%b"; protocol="application/pgp-encrypted"; charset=utf-8',
        b"boundary=%b",
        b'protocol="application/pgp-encrypted";' + b" " * 50 + b'boundary="%b"',
    ],
)
def test_the_type_keeps_its_boundary_only(gate, parameters, way):
    content = mail(type=b"Content-Type: multipart/encrypted; " + parameters % mails.BOUNDARY + b"\r\n")
    expected = b'multipart/encrypted; protocol="application/pgp-encrypted"; boundary="%b"' % mails.BOUNDARY
    assert left(gate, b"Content-Type: x", way, content=content) == expected


def test_a_rewritten_list_of_recipients_is_folded(gate):
    many = [f"a{n}@example.org" for n in range(120)]
    names = b"".join(b",\r\n Meet Me <%b>" % address.encode() for address in many).removeprefix(b",\r\n ")
    found = left(gate, b"To: " + names, OUT, recipients=many)
    assert found == b", ".join(b"<%b>" % address.encode() for address in many)
    assert all(len(line) < 998 for line in gate.stored.split(b"\r\n"))


@pytest.mark.parametrize("way", [OUT, IN])
@pytest.mark.parametrize(
    "name",
    ["gate-core-1.160-vc-request.eml", "gate-core-2.43-vc-request.eml", "gate-core-2.65-vg-request.eml"]
    + ["gate-core-1.160-encrypted.eml", "gate-deltachat.eml", "gate-deltachat-symmetric.eml"],
)
def test_nothing_but_the_subject_of_a_core_changes(gate, name, way):
    content = mails.stored(name)
    sender = content.partition(b"From: <")[2].partition(b">")[0].decode()
    to = content.partition(b"To: <")[2].partition(b">")[0].decode()
    assert gate(content, submitted=way == OUT, sender=sender, recipients=[to or BOB]) is None
    kept = [raw for name, raw in fields(content.partition(b"\r\n\r\n")[0] + b"\r\n") if name != b"subject"]
    assert kept == [r for name, r in fields(gate.stored.partition(b"\r\n\r\n")[0] + b"\r\n") if name != b"subject"]
    assert b"\r\nSubject: [...]\r\n" in gate.stored


def test_a_request_tells_no_more_than_it_needs(gate):
    content = mails.stored("gate-core-1.160-vc-request.eml").replace(
        b"Secure-Join-Invitenumber: ", b"Chat-Group-Name: meet me\r\nSecure-Join-Invitenumber: meet me "
    )
    assert gate(content, submitted=False, sender="alice1600@example.org") is None
    assert b"meet me" not in gate.stored and b"\r\nSecure-Join: vc-request\r\n" in gate.stored


def test_setup_message_of_a_core(gate):
    content = mails.stored("gate-core-1.160-setup-message.eml")
    sender = "alice1600@example.org"
    assert gate(content, submitted=True, sender=sender, recipients=[sender]) is None
    head = gate.stored.partition(b"\r\n\r\n")[0] + b"\r\n"
    assert b"Autocrypt-Setup-Message: v1\r\n" in head and b"1.160.0" not in head
    assert b"From: <alice1600@example.org>\r\nTo: <alice1600@example.org>\r\nSubject: [...]\r\n" in head


def test_bounce(gate):
    content = b"X-Failed-Recipients: bob@example.net\r\nX-Text: meet me\r\n" + mails.stored("gate-bounce.eml")
    assert gate(content, submitted=False, sender="") is None
    head = gate.stored.partition(b"\r\n\r\n")[0] + b"\r\n"
    names = b"x-failed-recipients date from subject to auto-submitted mime-version content-type message-id"
    assert [name for name, _ in fields(head)] == names.split()
    assert b"\r\nDate: Mon, 29 Jul 2024 10:00:00 +0000\r\n" in head
    assert b"\r\nSubject: Undelivered Mail Returned to Sender\r\n" in head


@pytest.mark.parametrize(
    "value",
    [b'"' * 8000, b'"\\' * 4000, b"(" * 8000, b"(a" * 4000, b"a." * 4000, b"<" * 8000, b"a@" * 4000, b"a@b," * 2000],
)
def test_a_hostile_list_of_recipients(gate, value):
    assert left(gate, b"To: " + value, OUT) == b'"hidden-recipients": ;'


def test_thousands_of_fields(gate):
    content = mail(header=mails.HEADER + b"".join(b"A%d: x\r\n" % n for n in range(6000)))
    assert gate(content, submitted=False) is None
    assert gate.stored == mail()
