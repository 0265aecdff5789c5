"""Mail of real programs, and words in its place: what they write passes, what anybody could write does not."""

import base64
import quopri

import pytest
from chatgate_gate import Kind, inspect
from chatgate_gate.descriptions import DESCRIPTIONS

from tests.plugins.gate import mails
from tests.plugins.gate.mails import BOUNDARY, DELTACHAT, FIRST_HEADER, SECOND_HEADER, TYPE, armored, mail

BARE = b"Content-Type: application/octet-stream\r\n"

CORES = ("1.160", "2.12", "2.24", "2.43")


def kind(content, *, incoming=True, recipients=()):
    return inspect(content, incoming=incoming, recipients=recipients).kind


@pytest.mark.parametrize("incoming", [True, False])
@pytest.mark.parametrize(
    ("name", "expected"),
    [(f"gate-core-{core}-vc-request.eml", Kind.SECUREJOIN_REQUEST) for core in CORES]
    + [
        ("gate-core-2.65-vg-request.eml", Kind.SECUREJOIN_REQUEST),
        ("gate-core-1.160-encrypted.eml", Kind.ENCRYPTED),
        ("gate-roundcube-enigma.eml", Kind.ENCRYPTED),
        ("gate-evolution-localized.eml", Kind.ENCRYPTED),
        ("gate-horde-preamble.eml", Kind.ENCRYPTED),
        ("gate-mime-version-text.eml", Kind.CLEARTEXT),
    ],
)
def test_sample(name, expected, incoming):
    assert kind(mails.stored(name), incoming=incoming) is expected


@pytest.mark.parametrize(("core", "sender"), [("1.160", "alice1600@example.org"), ("2.43", "alice2430@example.org")])
def test_setup_message_of_a_core(core, sender):
    content = mails.stored(f"gate-core-{core}-setup-message.eml")
    assert kind(content, incoming=False, recipients=[sender]) is Kind.SETUP_MESSAGE
    assert kind(content, incoming=True, recipients=[sender]) is Kind.CLEARTEXT
    without = content.replace(b"application/autocrypt-setup", b"text/html")
    assert kind(without, incoming=False, recipients=[sender]) is Kind.CLEARTEXT
    assert kind(content + b"x\r\n" * 40_000, incoming=False, recipients=[sender]) is Kind.CLEARTEXT


def test_an_old_cores_request_repeats_the_messages_own_id_and_no_other():
    content = mails.stored("gate-core-1.160-vc-request.eml")
    head, _, part = content.rpartition(b"\r\nMessage-ID: <")
    for other in (b"Message-ID: <meet.me.at.eight@localhost>\r\nX: <", b"Message-ID: <x", b"In-Reply-To: <"):
        assert kind(head + b"\r\n" + other + part) is Kind.CLEARTEXT
    twice = b"\r\nMessage-ID: <" + part.partition(b"\r\n")[0]
    assert kind(head + twice + b"\r\nMessage-ID: <" + part) is Kind.CLEARTEXT


SENTENCES = [
    b"This is an OpenPGP/MIME encrypted message (RFC 2440 and 3156)",
    b"This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156).",
    b"This is an OpenPGP/MIME encrypted message (RFC 3156).",
    b"This is an OpenPGP/MIME encrypted message",
    b"This message is in MIME format and has been PGP encrypted.",
    b"This is a MIME-encapsulated message.",
    b"This is a multi-part message in MIME format.",
]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_preamble(sentence):
    assert kind(mail(preamble=sentence + b"\r\n\r\n")) is Kind.ENCRYPTED
    assert kind(mail(preamble=sentence + b" Meet me.\r\n\r\n")) is Kind.CLEARTEXT
    assert kind(mail(preamble=sentence + b"\r\n" + sentence + b"\r\n")) is Kind.CLEARTEXT


def encoded(text: str, how: str) -> bytes:
    """In encoded words of at most 75 octets, on folded lines (RFC 2047)."""
    words, part = [], ""
    for letter in [*text, ""]:
        raw = (part + letter).encode()
        if letter == "" or len(raw) > 20:
            out = base64.b64encode(part.encode()) if how == "B" else quopri.encodestring(part.encode(), header=True)
            words.append(b"=?UTF-8?%b?%b?=" % (how.encode(), out.replace(b"=\n", b"")))
            part = ""
        part += letter
    return b"\r\n ".join(words)


@pytest.mark.parametrize("text", sorted(DESCRIPTIONS))
def test_description(text):
    for value in (encoded(text, "B"), encoded(text, "Q"), text.encode()):
        assert kind(mail(second_header=BARE + b"Content-Description: %b\r\n" % value)) is Kind.ENCRYPTED
        more = value + b" at eight"
        assert kind(mail(second_header=BARE + b"Content-Description: %b\r\n" % more)) is Kind.CLEARTEXT


SECOND_HEADERS = {
    "size and dates": b"Content-Type: application/octet-stream; name=encrypted.asc\r\n"
    b'Content-Disposition: inline;\r\n filename=encrypted.asc;\r\n size=529;\r\n creation-date="Thu, 01 Jan'
    b' 2026 10:00:00 +0000";\r\n modification-date="1 Jan 2026 10:00:00 GMT"\r\n',
    "mode": b'Content-Type: application/octet-stream; x-unix-mode=0644; name="encrypted.asc"\r\n',
    "msg.asc": BARE + b'Content-Disposition: attachment; filename="msg.asc"\r\n',
    "long": BARE + b'Content-Disposition: attachment; filename="openpgp-encrypted-message.asc"\r\n',
    "blanks": BARE + b'Content-Disposition: attachment; filename="OpenPGP encrypted message.asc"\r\n',
    "name in the disposition": BARE + b'Content-Disposition: inline; name="encrypted.asc"\r\n',
    "us-ascii": b'MIME-Version: 1.0\r\nContent-Type: application/octet-stream; charset="us-ascii"\r\n',
}


@pytest.mark.parametrize("name", SECOND_HEADERS)
def test_header_of_the_encrypted_part(name):
    assert kind(mail(second_header=SECOND_HEADERS[name])) is Kind.ENCRYPTED


INLINE = b'Content-Type: application/octet-stream; name="encrypted.asc"\r\n'
INLINE += b'Content-Description: OpenPGP encrypted message\r\nContent-Disposition: inline; filename="encrypted.asc"\r\n'
PGP = b"Content-Type: application/pgp-encrypted\r\n"
KDE = dict(
    first_header=PGP + b"Content-Disposition: attachment\r\nContent-Transfer-Encoding: 7Bit\r\n",
    first=b"Version: 1",
    second_header=BARE + b'Content-Disposition: inline; filename="msg.asc"\r\nContent-Transfer-Encoding: 7Bit\r\n',
)


def declared(parameters: bytes) -> bytes:
    return b"Content-Type: multipart/encrypted;" + parameters + b"\r\n"


# As their sources put a message together; the words of RFC 3156 are theirs, too.
PROGRAMS = {
    "Claws Mail": dict(
        type=declared(b' boundary="Encrypt_/wZ+0.a1=Qx7";\r\n protocol="application/pgp-encrypted"'),
        boundary=b"Encrypt_/wZ+0.a1=Qx7",
        preamble=b"\r\n",
        first_header=PGP,
        first=b"Version: 1\r\n",
        second_header=BARE,
    ),
    "GpgOL": dict(
        type=declared(b'\r\n\tprotocol="application/pgp-encrypted";\r\n\tboundary="=-=K/zQ3a1b2=-="'),
        boundary=b"=-=K/zQ3a1b2=-=",
        preamble=b"\r\n\r\n",
        first_header=PGP,
        second_header=BARE
        + b'Content-Disposition: inline;\r\n\tfilename="openpgp-encrypted-message.asc"\r\n'
        + b"Content-Transfer-Encoding: 7Bit\r\n",
    ),
    "FairEmail": dict(
        type=declared(b' protocol="application/pgp-encrypted"; \r\n\tboundary="----=_Part_12_13579086.1767225600"'),
        boundary=b"----=_Part_12_13579086.1767225600",
        first_header=PGP + b"Content-Transfer-Encoding: 7bit\r\n",
        second_header=b"Content-Type: application/octet-stream; name=encrypted.asc\r\n"
        b"Content-Transfer-Encoding: 7bit\r\nContent-Disposition: inline; filename=encrypted.asc\r\n",
    ),
    "KMail": KDE
    | dict(
        type=declared(b' boundary="nextPart1234567.AbCdEfGhIj"; protocol="application/pgp-encrypted"'),
        boundary=b"nextPart1234567.AbCdEfGhIj",
    ),
    "SnappyMail": KDE,
    "NeoMutt": dict(
        type=declared(b' protocol="application/pgp-encrypted";\r\n\tboundary="qu5y3j7sgzixkvoq"'),
        boundary=b"qu5y3j7sgzixkvoq",
        first_header=PGP + b"Content-Disposition: attachment\r\n",
        second_header=BARE + b'Content-Disposition: attachment; filename="msg.asc"\r\n',
    ),
    "K-9 Mail and Thunderbird for Android": dict(
        type=declared(b' boundary="----KQ2X0ZT4B7N1";\r\n protocol="application/pgp-encrypted"'),
        boundary=b"----KQ2X0ZT4B7N1",
        first_header=PGP,
        first=b"Version: 1",
        second_header=b'Content-Type: application/octet-stream;\r\n name="encrypted.asc"\r\n'
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"Content-Disposition: inline;\r\n filename=encrypted.asc;\r\n size=1234\r\n",
    ),
    "Proton": dict(
        preamble=b"\r\nThis is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\r\n",
        first_header=b'Content-Type: application/pgp-encrypted; name="version.asc"\r\n'
        b"Content-Description: PGP/MIME version identification\r\n",
        second_header=INLINE,
    ),
    "Mailvelope": dict(
        first_header=PGP + b"Content-Description: PGP/MIME version identification\r\n",
        first=b"Version: 1\r\n",
        second_header=INLINE,
    ),
    "nodemailer-openpgp": dict(
        preamble=b"\r\nThis is an OpenPGP/MIME encrypted message\r\n\r\n",
        first_header=PGP + b"Content-Transfer-Encoding: 7bit\r\n",
        first=b"Version: 1\r\n",
        second_header=b"Content-Type: application/octet-stream; name=encrypted.asc\r\n"
        b"Content-Disposition: inline; filename=encrypted.asc\r\nContent-Transfer-Encoding: 7bit\r\n",
    ),
}


@pytest.mark.parametrize("incoming", [True, False])
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name, incoming):
    structure = PROGRAMS[name]
    assert kind(mail(**structure), incoming=incoming) is Kind.ENCRYPTED
    # And no place for words was opened.
    for place in ("first_header", "second_header"):
        for words in (b"Content-Description: meet me at eight\r\n", b"X-Words: meet me\r\n"):
            spoilt = structure | {place: structure[place] + words}
            assert kind(mail(**spoilt), incoming=incoming) is Kind.CLEARTEXT
    for place in ("first", "between", "third"):
        spoilt = structure | {place: structure.get(place, b"") + b"meet me at eight\r\n"}
        assert kind(mail(**spoilt), incoming=incoming) is Kind.CLEARTEXT


PROTON = b"-----BEGIN PGP MESSAGE-----\r\nVersion: ProtonMail\r\nComment: https://protonmail.com\r\n"
MAILVELOPE = b"-----BEGIN PGP MESSAGE-----\r\nVersion: Mailvelope v6.0.0\r\nComment: https://mailvelope.com\r\n"


@pytest.mark.parametrize("begin", [PROTON, MAILVELOPE])
def test_armor_of_programs_that_name_themselves(begin):
    armor = armored(DELTACHAT).replace(b"-----BEGIN PGP MESSAGE-----\r\n", begin)
    assert kind(mail(armor)) is Kind.ENCRYPTED
    assert kind(mail(armor.replace(b"://", b"://meet-me-at-eight."))) is Kind.CLEARTEXT


WORDS = {
    "in MIME-Version": b"MIME-Version: 1.0 meet me\r\n" + BARE,
    "in a comment of MIME-Version": b"MIME-Version: 1.0 (meet me)\r\n" + BARE,
    "as size": BARE + b"Content-Disposition: inline; size=eight\r\n",
    "as a long size": BARE + b"Content-Disposition: inline; size=%b\r\n" % (b"8" * 30),
    "in a date": BARE + b'Content-Disposition: inline; creation-date="Thu, 01 Jan 2026 10:00:00 +0000 (meet me)"\r\n',
    "as a date": BARE + b'Content-Disposition: inline; creation-date="at eight"\r\n',
    "as a file name": BARE + b'Content-Disposition: inline; filename="meet-me.asc"\r\n',
    "before a file name": BARE + b'Content-Disposition: inline; filename="meet-me.encrypted.asc"\r\n',
    "as an ending": BARE + b'Content-Disposition: inline; filename="encrypted.meet-me"\r\n',
    "in many words": BARE + b'Content-Disposition: inline; filename="%b.asc"\r\n' % (b"text-" * 6 + b"text"),
    "as charset": b"Content-Type: application/octet-stream; charset=meet-me-at-eight\r\n",
    "as mode": b"Content-Type: application/octet-stream; x-unix-mode=eight\r\n",
    "as format": b"Content-Type: application/octet-stream; format=meet-me\r\n",
    "as encoding": BARE + b"Content-Transfer-Encoding: meet-me\r\n",
    "in an encoding's comment": BARE + b"Content-Transfer-Encoding: 7bit (meet me)\r\n",
    "as a parameter's name": b"Content-Type: application/octet-stream; meet-me=yes\r\n",
    "as a field": BARE + b"Meet-Me: yes\r\n",
    "as Content-ID": BARE + b"Content-ID: <meet-me>\r\n",
    "as Message-ID": BARE + b"Message-ID: <48b9e9cc-2bae-4d41-89b4-a409e2c60c28@localhost>\r\n",
    "in a known description": BARE + b"Content-Description: OpenPGP encrypted message for eight\r\n",
    "in an encoded description": BARE + b"Content-Description: =?utf-8?B?bWVldCBtZQ==?=\r\n",
    "as a description's charset": BARE + b"Content-Description: =?meet-me?Q?OpenPGP?= encrypted message\r\n",
    "as a description's language": BARE + b"Content-Description: =?utf-8*meet-me?Q?OpenPGP?= encrypted message\r\n",
    "in blanks": BARE + b"Content-Disposition:          inline\r\n",
    "in tabs": BARE + b"Content-Disposition: inline;\t\t \t  \t\t\t \t\r\n filename=encrypted.asc\r\n",
}


@pytest.mark.parametrize("incoming", [True, False])
@pytest.mark.parametrize("name", WORDS)
def test_words(name, incoming):
    assert kind(mail(second_header=WORDS[name]), incoming=incoming) is Kind.CLEARTEXT


def test_a_boundary_of_words():
    words = b"meet me at eight"
    content = mail(type=TYPE.replace(BOUNDARY, words), boundary=words)
    assert kind(content) is Kind.CLEARTEXT
    request = mails.securejoin().replace(b"Gl92xgZjOShJ5PGHntqYkoo2OK2Dvi", words)
    assert kind(request) is Kind.CLEARTEXT


@pytest.mark.parametrize(
    "headers",
    [
        b"Version: GnuPG v2\r\n",
        b"Version: GnuPG v1.4.12 (GNU/Linux)\r\n",
        b"Version: GnuPG/MacGPG2 v2.0.17 (Darwin)\r\n",
        b"Version: BCPG v1.45\r\n",
        b"Version: BCPG C# v1.8.6.0\r\n",
        b"Version: OpenPGP.js v4.10.10\r\nComment: https://openpgpjs.org\r\n",
        b"Version: GopenPGP 2.7.3\r\nComment: https://gopenpgp.org\r\n",
        b"Version: FlowCrypt 7.4.1 Gmail Encryption\r\nComment: Seamlessly send and receive encrypted email\r\n",
        b"Version: Mailvelope v4.3.0\r\n",
        b"Version: PGP Desktop 10.1.1 (Build 10)\r\n",
        b"Comment: GPGTools - https://gpgtools.org\r\n",
    ],
)
def test_armor_headers_of_programs(headers):
    content = mail(armored(DELTACHAT, headers=headers))
    assert kind(content) is Kind.ENCRYPTED
    assert kind(content, incoming=False) is Kind.CLEARTEXT


@pytest.mark.parametrize(
    "headers",
    [
        b"Version: Meet me at eight\r\n",
        b"Version: GnuPG v2 meet me\r\n",
        b"Version: GnuPG v2 (meet me)\r\n",
        b"Version: GnuPG v2\r\nVersion: GnuPG v2\r\n",
        b"Comment: https://meet.example\r\n",
        b"Hash: SHA256\r\n",
    ],
)
def test_words_in_armor_headers(headers):
    assert kind(mail(armored(DELTACHAT, headers=headers))) is Kind.CLEARTEXT


def test_a_report_needs_its_part_for_programs():
    content = mails.stored("gate-bounce.eml")
    assert kind(content) is Kind.BOUNCE
    assert kind(content.replace(b"message/delivery-status", b"text/plain")) is Kind.CLEARTEXT


def test_the_first_part_is_as_strict():
    assert kind(mail(first_header=FIRST_HEADER + b"X: meet me\r\n")) is Kind.CLEARTEXT
    assert kind(mail(first_header=FIRST_HEADER + b"MIME-Version: 1.0 meet me\r\n")) is Kind.CLEARTEXT
    assert kind(mail(first_header=FIRST_HEADER, second_header=SECOND_HEADER)) is Kind.ENCRYPTED
