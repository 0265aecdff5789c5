"""What passes and what does not: the rules, and a corpus of forged messages."""

import subprocess
import sys

import pytest
from chatgate_gate import Kind, inspect

from tests.plugins.gate import mails
from tests.plugins.gate.mails import BOUNDARY, DELTACHAT, FIRST_HEADER, HEADER, SECOND_HEADER, TYPE, armored, mail

SECRET = b"Meet me at eight at the station.\r\n"


def kind(content, *, incoming=True, recipients=("bob@example.org",)):
    return inspect(content, incoming=incoming, recipients=recipients).kind


PREAMBLE = b"This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\r\n"
BARE = b"Content-Type: application/octet-stream\r\n"

ENCRYPTED = {
    "as Delta Chat sends it": mail(),
    "without MIME-Version": mail(header=HEADER.replace(b"MIME-Version: 1.0\r\n", b"")),
    "Apple's MIME-Version": mail(header=HEADER.replace(b"n: 1.0", b"n: 1.0 (Mac OS X Mail 16.0 \\(3696.1\\))")),
    "part headers without anything but the type": mail(
        first_header=b"Content-Type: application/pgp-encrypted\r\n", second_header=BARE
    ),
    "type in another case": mail(
        type=TYPE.replace(b"multipart/encrypted", b"Multipart/Encrypted"),
        second_header=b"content-type: Application/Octet-Stream\r\n",
    ),
    "Thunderbird": mail(
        type=b'Content-Type: multipart/encrypted;\r\n protocol="application/pgp-encrypted";\r\n boundary="%b"\r\n'
        % BOUNDARY,
        preamble=PREAMBLE,
        first_header=b"Content-Type: application/pgp-encrypted\r\n"
        b"Content-Description: PGP/MIME version identification\r\n",
        second_header=b'Content-Type: application/octet-stream; name="encrypted.asc"\r\n'
        b"Content-Description: OpenPGP encrypted message\r\n"
        b'Content-Disposition: inline; filename="encrypted.asc"\r\n',
        armor=armored(mails.PKESK3 + mails.SEIPD1, width=76),
    ),
    "without the protocol": mail(type=b'Content-Type: multipart/encrypted; boundary="%b"\r\n' % BOUNDARY),
    "blank lines where programs put them": mail(preamble=b"", first=b"Version: 1\r\n\r\n", epilogue=b"\r\n\r\n"),
    "no line end at the very end": mail().removesuffix(b"\r\n"),
    "Python's part headers": mail(first_header=b"MIME-Version: 1.0\r\n" + FIRST_HEADER),
    "without a checksum": mail(armored(DELTACHAT, crc=b"")),
    "legacy packets": mail(armored(mails.legacy(1, mails.PKESK3[2:]) + mails.SEIPD1)),
    "symmetric": mail(armored(mails.SKESK6 + mails.SEIPD2)),
}

with_type = b'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary='

# name: a message that carries cleartext, or that some program could read so that it does.
FORGED = {
    "text/plain": HEADER + b"Content-Type: text/plain\r\n\r\n" + SECRET,
    "no content type": HEADER + b"\r\n" + SECRET,
    "armor in text/plain": HEADER + b"Content-Type: text/plain\r\n\r\n" + armored(DELTACHAT),
    "multipart/mixed": mail(type=TYPE.replace(b"encrypted;", b"mixed;", 1)),
    "multipart/signed": mail(type=TYPE.replace(b"encrypted;", b"signed;", 1)),
    "another protocol": mail(type=TYPE.replace(b"application/pgp-encrypted", b"application/pkcs7-mime")),
    "two types": mail(type=TYPE + b"Content-Type: text/plain\r\n"),
    "two types, the other first": mail(type=b"Content-Type: text/plain\r\n" + TYPE),
    "the same type twice": mail(type=TYPE + TYPE),
    "whole message base64": mail(header=HEADER + b"Content-Transfer-Encoding: base64\r\n"),
    "whole message quoted-printable": mail(header=HEADER + b"Content-Transfer-Encoding: quoted-printable\r\n"),
    "two encodings": mail(header=HEADER + b"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: 7bit\r\n"),
    "MIME version 2": mail(header=HEADER.replace(b"MIME-Version: 1.0", b"MIME-Version: 2.0")),
    "two MIME versions": mail(header=HEADER + b"MIME-Version: 1.0\r\n"),
    "preamble": mail(preamble=SECRET),
    "preamble after the known one": mail(preamble=PREAMBLE + SECRET),
    "preamble before the known one": mail(preamble=SECRET + PREAMBLE),
    "preamble like the known one": mail(preamble=PREAMBLE.replace(b"4880", b"2000")),
    "known preamble twice": mail(preamble=PREAMBLE * 2),
    "a blank in the preamble": mail(preamble=b" \r\n"),
    "very many blank lines before": mail(preamble=b"\r\n" * 40),
    "epilogue": mail(epilogue=SECRET),
    "epilogue after blank lines": mail(epilogue=b"\r\n\r\n" + SECRET),
    "epilogue of line feeds": mail(epilogue=b"\n\n"),
    "very many blank lines after": mail(epilogue=b"\r\n" * 40),
    "text behind the last delimiter": mail().removesuffix(b"\r\n") + SECRET,
    "no last delimiter": mail().replace(b"--%b--\r\n" % BOUNDARY, b""),
    "last delimiter without its end": mail().replace(b"--%b--\r\n" % BOUNDARY, b"--%b\r\n" % BOUNDARY),
    "only the version": mail()[: mail().index(SECOND_HEADER)].removesuffix(b"\r\n") + b"--\r\n",
    "only the second part": mail().replace(b"--%b\r\n%b\r\nVersion: 1\r\n\r\n" % (BOUNDARY, FIRST_HEADER), b""),
    "a third part": mail(third=b"--%b\r\nContent-Type: text/plain\r\n\r\n%b\r\n" % (BOUNDARY, SECRET)),
    "an empty third part": mail(third=b"--%b\r\n\r\n\r\n" % BOUNDARY),
    "a part between": mail(between=b"--%b\r\nContent-Type: text/plain\r\n\r\n%b\r\n" % (BOUNDARY, SECRET)),
    "parts the other way round": mail(first_header=SECOND_HEADER, second_header=FIRST_HEADER),
    "closed early": mail(between=b"--%b--\r\n" % BOUNDARY),
    "closed early with the rest as epilogue": mail(armored(DELTACHAT) + b"\r\n--%b--\r\n" % BOUNDARY + SECRET),
    "text in the first part": mail(first=b"Version: 1\r\n" + SECRET),
    "text before the version": mail(first=SECRET + b"Version: 1\r\n"),
    "version 2": mail(first=b"Version: 2\r\n"),
    "version with a bare LF": mail(first=b"Version: 1\n\n"),
    "no version": mail(first=b""),
    "first part base64": mail(first_header=FIRST_HEADER.replace(b"7bit", b"base64"), first=b"VmVyc2lvbjogMQ==\r\n"),
    "first part text/plain": mail(first_header=b"Content-Type: text/plain\r\n"),
    "second part base64": mail(second_header=SECOND_HEADER.replace(b"7bit", b"base64")),
    "second part quoted-printable": mail(second_header=SECOND_HEADER.replace(b"7bit", b"quoted-printable")),
    "second part quoted-printable with a soft break": mail(
        armored(DELTACHAT)[:200] + b"=\r\n" + armored(DELTACHAT)[200:],
        second_header=SECOND_HEADER.replace(b"7bit", b"quoted-printable"),
    ),
    "second part text/plain": mail(second_header=b"Content-Type: text/plain\r\n"),
    "second part without a type": mail(second_header=b"Content-Transfer-Encoding: 7bit\r\n"),
    "second part without a header": mail(second_header=b""),
    "second part with two types": mail(second_header=BARE + b"Content-Type: text/plain\r\n"),
    "second part a message": mail(second_header=b"Content-Type: message/rfc822\r\n"),
    "second part a multipart": mail(
        b"--x\r\n\r\n" + SECRET + b"--x--\r\n", second_header=b"Content-Type: multipart/mixed; boundary=x\r\n"
    ),
    "text in a part's header": mail(second_header=SECOND_HEADER + b"X-Text: " + SECRET),
    "comment field in a part's header": mail(second_header=SECOND_HEADER + b"Comments: " + SECRET),
    "text in the description": mail(second_header=BARE + b"Content-Description: " + SECRET),
    "text in the file name": mail(
        second_header=BARE + b'Content-Disposition: inline; filename="Meet me at eight.asc"\r\n'
    ),
    "long file name": mail(second_header=BARE + b"Content-Disposition: inline; filename=%b\r\n" % (b"x" * 41)),
    "text in a parameter": mail(second_header=b'Content-Type: application/octet-stream; x="Meet me"\r\n'),
    "text in the charset": mail(second_header=b'Content-Type: application/octet-stream; charset="Meet me"\r\n'),
    "text as disposition": mail(second_header=BARE + b"Content-Disposition: meet-me-at-eight\r\n"),
    "text as encoding": mail(second_header=BARE + b"Content-Transfer-Encoding: meet-me-at-eight\r\n"),
    "comment in a part's type": mail(second_header=b"Content-Type: application/octet-stream (meet me)\r\n"),
    "long part header": mail(second_header=BARE + b"Content-Description:" + b"\r\n x" * 400 + b"\r\n"),
    "no header end in the second part": mail(armored(DELTACHAT).replace(b"\r\n\r\n", b"\r\n"), second_header=b"A: 1"),
    "text before the armor": mail(SECRET + armored(DELTACHAT)),
    "text after the armor": mail(armored(DELTACHAT) + SECRET),
    "armor after a blank line": mail(b"\r\n" + armored(DELTACHAT)),
    "armor header": mail(armored(DELTACHAT, headers=b"Comment: Meet me at eight\r\n")),
    "text where the checksum is": mail(armored(DELTACHAT, crc=b"=Meet-me-at-eight\r\n")),
    "text for armor": mail(SECRET),
    "no armor": mail(b""),
    "signed message": mail(armored(DELTACHAT).replace(b"PGP MESSAGE", b"PGP SIGNED MESSAGE")),
    "literal data": mail(armored(mails.packet(11, b"b\x00\x00\x00\x00\x00" + SECRET))),
    "literal data after session keys": mail(
        armored(mails.PKESK3 + mails.packet(11, b"b\x00\x00\x00\x00\x00" + SECRET))
    ),
    "text after the packets": mail(armored(DELTACHAT + SECRET)),
    "two armors": mail(armored(DELTACHAT) * 2),
    "boundary that begins the armor": mail(type=with_type + b'"---BEGIN"\r\n', boundary=b"---BEGIN"),
    "boundary that ends the armor": mail(
        type=with_type + b'"---END PGP MESSAGE-----"\r\n', boundary=b"---END PGP MESSAGE-----"
    ),
    "boundary of dashes": mail(type=with_type + b'"---"\r\n', boundary=b"---"),
    "boundary in other case": mail(boundary=BOUNDARY.upper()),
    "delimiter with a blank": mail().replace(b"--%b\r\n" % BOUNDARY, b"--%b \r\n" % BOUNDARY),
    "delimiter with more behind": mail().replace(b"--%b\r\n" % BOUNDARY, b"--%bx\r\n" % BOUNDARY),
    "line feeds only": mail().replace(b"\r\n", b"\n"),
    "line feeds only in the body": HEADER + TYPE + b"\r\n" + mail()[len(HEADER + TYPE) + 2 :].replace(b"\r\n", b"\n"),
    "NUL in the header": mail(header=HEADER + b"A: \x00\r\n"),
    "NUL in the armor": mail(armored(DELTACHAT)[:200] + b"\x00" + armored(DELTACHAT)[200:]),
    "header line without a colon": mail(header=HEADER + SECRET),
    "blank before the colon": mail(header=HEADER, type=TYPE.replace(b"Type:", b"Type :")),
    "folded line of blanks": mail(header=HEADER + b"A: 1\r\n \r\n"),
    "type in a folded line": mail(type=b"X: y\r\n " + TYPE),
    "endless header": mail(header=HEADER + b"A: " + b"x" * 70000 + b"\r\n"),
    "empty": b"",
    "only a header": HEADER,
    "only line ends": b"\r\n" * 20,
}


def test_the_library_needs_nothing_but_python():
    code = "import chatgate_gate, sys; print({'chatgate', 'gevent', 'gnupg', 'pluggy'} & {*sys.modules})"
    plugins = str(mails.MAIL.parents[1] / "plugins")
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": plugins}, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")


@pytest.mark.parametrize("incoming", [True, False])
@pytest.mark.parametrize("name", ENCRYPTED)
def test_encrypted(name, incoming):
    verdict = inspect(ENCRYPTED[name], incoming=incoming)
    assert (verdict.kind, verdict.reason) == (Kind.ENCRYPTED, "")
    assert verdict.admitted
    assert verdict.sender == "alice@example.org"


@pytest.mark.parametrize("incoming", [True, False])
@pytest.mark.parametrize("name", FORGED)
def test_forged(name, incoming):
    verdict = inspect(FORGED[name], incoming=incoming, recipients=["alice@example.org"])
    assert verdict.kind in (Kind.CLEARTEXT, Kind.MALFORMED)
    assert not verdict.admitted
    assert verdict.reason and verdict.reason.isascii() and "eet me" not in verdict.reason


def test_version_in_the_armor_only_from_outside():
    content = mail(armored(DELTACHAT, headers=b"Version: ProtonMail\r\n"))
    assert kind(content, incoming=True) is Kind.ENCRYPTED
    assert kind(content, incoming=False) is Kind.CLEARTEXT


# ------------------------------------------------------------------------------------------------- Secure-Join


@pytest.mark.parametrize("incoming", [True, False])
@pytest.mark.parametrize("step", [b"vc-request", b"vg-request"])
def test_securejoin_request(step, incoming):
    assert kind(mails.securejoin(step), incoming=incoming) is Kind.SECUREJOIN_REQUEST


@pytest.mark.parametrize(
    "content",
    [
        mails.securejoin(b"vc-auth-required"),
        mails.securejoin(b"vc-request-with-auth"),
        mails.securejoin(b"VC-REQUEST"),
        mails.securejoin(text=b"Secure-Join: vc-request\r\n" + SECRET),
        mails.securejoin(text=SECRET),
        mails.securejoin(text=b""),
        mails.securejoin(text=b"\n\nSecure-Join: vc-request"),
        mails.securejoin(text=b"\r\n" * 40 + b"Secure-Join: vc-request"),
        mails.securejoin(preamble=SECRET),
        mails.securejoin(epilogue=SECRET),
        mails.securejoin(more=b"--Gl92xgZjOShJ5PGHntqYkoo2OK2Dvi\r\nContent-Type: text/plain\r\n\r\n" + SECRET),
        mails.securejoin(part_header=b"Content-Type: text/html\r\n"),
        mails.securejoin(part_header=b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n"),
        mails.securejoin(part_header=b"Content-Type: text/plain\r\nX-Text: " + SECRET),
        mails.securejoin(header=HEADER + b"Secure-Join: vc-request\r\n"),
        mails.securejoin().replace(b"multipart/mixed", b"multipart/alternative"),
        mails.securejoin().replace(b"\r\nSecure-Join: vc-request\r\nS", b"\r\nS", 1),
        HEADER + b"Secure-Join: vc-request\r\nContent-Type: text/plain\r\n\r\nSecure-Join: vc-request\r\n",
    ],
)
def test_forged_securejoin_request(content):
    assert kind(content) is Kind.CLEARTEXT


# ----------------------------------------------------------------------------------------------- setup message


def test_setup_message_only_to_oneself_and_only_outgoing():
    content = mails.stored("gate-setup-message.eml")
    assert kind(content, incoming=False, recipients=["alice@example.org"]) is Kind.SETUP_MESSAGE
    assert kind(content, incoming=False, recipients=["ALICE@Example.org"]) is Kind.SETUP_MESSAGE
    assert kind(content, incoming=True, recipients=["alice@example.org"]) is Kind.CLEARTEXT
    for recipients in ([], ["bob@example.org"], ["alice@example.org", "bob@example.org"], ["alice@example.org"] * 2):
        assert kind(content, incoming=False, recipients=recipients) is Kind.CLEARTEXT


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: Autocrypt Setup Message", b"Subject: autocrypt setup message"),
        (b"Subject: Autocrypt Setup Message", b"Subject: Autocrypt Setup Message 2"),
        (b"Subject: Autocrypt Setup Message", b"Subject: Autocrypt Setup Message\r\nSubject: Hello"),
        (b"multipart/mixed", b"multipart/alternative"),
        (b"multipart/mixed", b"text/plain"),
        (b"From: alice@example.org", b"From: bob@example.org"),
        (b"From: alice@example.org\r\n", b""),
    ],
)
def test_what_is_no_setup_message(old, new):
    content = mails.stored("gate-setup-message.eml")
    assert old in content
    assert kind(content.replace(old, new, 1), incoming=False, recipients=["alice@example.org"]) is Kind.CLEARTEXT


# ---------------------------------------------------------------------------------------------------- bounces


def test_bounce_only_from_outside():
    content = mails.stored("gate-bounce.eml")
    assert kind(content, incoming=True) is Kind.BOUNCE
    assert kind(content, incoming=False) is Kind.CLEARTEXT


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Auto-Submitted: auto-replied\r\n", b""),
        (b"Auto-Submitted: auto-replied", b"Auto-Submitted:"),
        (b"Auto-Submitted: auto-replied", b"Auto-Submitted: no"),
        (b"Auto-Submitted: auto-replied", b"Auto-Submitted: auto-replied\xff"),
        (b"Auto-Submitted: auto-replied", b"Auto-Submitted: auto-replied\r\nAuto-Submitted: auto-replied"),
        (b"MAILER-DAEMON@", b"postmaster@"),
        (b"MAILER-DAEMON@", b"mailer-daemon.bob@"),
        (b"MAILER-DAEMON@", b"bob@"),
        (b"From: MAILER-DAEMON@", b"From: bob@example.net\r\nFrom: MAILER-DAEMON@"),
        (b"multipart/report", b"multipart/mixed"),
        (b"report-type=delivery-status", b"report-type=disposition-notification"),
    ],
)
def test_what_is_no_bounce(old, new):
    content = mails.stored("gate-bounce.eml")
    assert old in content
    assert kind(content.replace(old, new, 1)) is Kind.CLEARTEXT


# ------------------------------------------------------------------------------------------------------- From


@pytest.mark.parametrize(
    ("field", "sender", "shown"),
    [
        (b"From: Alice <alice@example.org>\r\n", "alice@example.org", b"Alice <alice@example.org>"),
        (b"From: Alice\r\n <alice@example.org>\r\n", "alice@example.org", b"Alice <alice@example.org>"),
        (b"From: nobody\r\n", None, b"nobody"),
        (b"From: a@example.org, b@example.org\r\n", None, b"a@example.org, b@example.org"),
        (b"From: a@example.org\r\nFrom: b@example.org\r\n", None, b""),
        (b"From: a@example.org\r\nFROM: a@example.org\r\n", None, b""),
        (b"Sender: a@example.org\r\n", None, b""),
    ],
)
def test_sender(field, sender, shown):
    verdict = inspect(mail(header=field + HEADER[HEADER.index(b"Date") :]), incoming=True)
    assert (verdict.kind, verdict.sender, verdict.from_field) == (Kind.ENCRYPTED, sender, shown)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gate-deltachat.eml", Kind.ENCRYPTED),
        ("gate-thunderbird.eml", Kind.ENCRYPTED),
        ("gate-securejoin-request.eml", Kind.SECUREJOIN_REQUEST),
        ("gate-bounce.eml", Kind.BOUNCE),
        ("gate-cleartext.eml", Kind.CLEARTEXT),
        ("gate-literal.eml", Kind.CLEARTEXT),
    ],
)
def test_sample_mails(name, expected):
    assert kind(mails.stored(name)) is expected
