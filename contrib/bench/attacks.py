"""What one account can ask of an IMAP server to make it work or remember as much as possible.

Each attack is data: messages to APPEND, and command lines to repeat. They may be answered in any way a server likes;
what counts is that others do not notice.
"""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

LARGE = 20_000_000  # octets: what every chatmail server takes


@dataclass(frozen=True)
class Attack:
    """messages: made when it begins, as they are large. commands: sent in turn, without tags, in a mailbox of its own
    that is selected and called {box}. connections: that do so side by side. reads: whether it takes the answers.
    """

    name: str
    messages: Callable[[], Iterator[bytes]]
    commands: tuple[str, ...]
    connections: int = 1
    reads: bool = True


def _message(fields: bytes, body: bytes = b"") -> bytes:
    return b"From: <a@example.org>\r\n" + fields + b"\r\n" + body


def _charsets() -> Iterator[bytes]:
    """Codecs of Python that are no charset of mail and take time in the square of the length."""
    body = b"a" * 100_000 + b"-" + b"bcd1" * 100_000
    for name in (b"punycode ", b"punycode-", b"-punycode", b"idna", b"unicode_escape", b"utf-7", b"hz"):
        yield _message(b'MIME-Version: 1.0\r\nContent-Type: text/plain; charset="%s"\r\n' % name, body)


def _words() -> Iterator[bytes]:
    yield _message(b"Subject: " + b"=?utf-8?q?a?=" * 5000 + b"\r\n")
    yield _message(b"Subject: " + b"=?utf-8?b?YQ=\r\n ?=" * 4000 + b"\r\n")
    yield _message(b"Subject: " + b"=?" * 60_000 + b"\r\n")


def _addresses() -> Iterator[bytes]:
    value = b",\r\n ".join(b'"a (b) %d" <u%d@example.org> (c)' % (n, n) for n in range(1500))
    for _ in range(60):
        yield _message(b"To: " + value + b"\r\n")


def _long_field() -> Iterator[bytes]:
    yield _message(b"X-Long: " + b"\r\n ".join([b"word " * 12] * 4000) + b"\r\n")
    yield _message(b"To: " + b"(" * 120_000 + b"\r\nCc: " + b'"\\' * 60_000 + b"\r\n")


def _text() -> Iterator[bytes]:
    yield _message(
        b"Subject: text\r\n",
        b"a line of text, of seventy octets, so that there is work to be done\r\n" * (LARGE // 70),
    )


def _base64() -> Iterator[bytes]:
    lines = base64.encodebytes(b"more text " * (LARGE // 14)).replace(b"\n", b"\r\n")
    yield _message(b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n", lines)


def _comments() -> Iterator[bytes]:
    for value in (b"a" + b">\\(" * 20_000, b"a; b=" + b'"\\' * 30_000, b"(" * 30_000, b"a" + b";x" * 30_000):
        yield _message(b"MIME-Version: 1.0\r\nContent-Disposition: %s\r\nContent-Type: %s\r\n" % (value, value))


def _delimiters() -> Iterator[bytes]:
    fields = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    yield _message(fields, b"--b\r\n\r\n" + b"--bc\r\n" * (LARGE // 6))
    yield _message(fields, b"--b\r\n" * (LARGE // 5))


def _parts() -> Iterator[bytes]:
    opened, body = [], []
    for level in range(28):
        opened.append(b"level%d" % level)
        body.append(b"Content-Type: multipart/mixed; boundary=level%d\r\n\r\n--level%d\r\n" % (level, level))
    leaf = b"Content-Type: text/plain; charset=utf-8; name=x\r\n\r\nx\r\n--level27\r\n"
    text = b"".join(body) + leaf * 1900
    yield _message(b"MIME-Version: 1.0\r\n" + text)


def _one() -> Iterator[bytes]:
    yield _message(b"Subject: one\r\n", b"x")


def _noise() -> Iterator[bytes]:
    draw = random.Random(7)
    yield _message(b"Subject: noise\r\n", base64.encodebytes(draw.randbytes(LARGE * 3 // 4)).replace(b"\n", b"\r\n"))


# As many as fit where the octets of names are counted: each has two.
_NAMES = [a + b for a in string.ascii_lowercase + string.digits for b in string.ascii_lowercase + string.digits]


def _fields() -> Iterator[bytes]:
    """A field of each name, and four times as many that nobody asks for."""
    fields = b"".join(b"%s: x\r\nX-%s: x\r\n" % (name.encode(), name.encode() * 3) for name in _NAMES)
    for _ in range(64):
        yield _message(fields + b"X-More: x\r\n" * 3 * len(_NAMES))


ATTACKS = (
    Attack("search in charsets", _charsets, ("SEARCH BODY zz", "SEARCH TEXT zz")),
    Attack("search in encoded words", _words, ("SEARCH SUBJECT zz", "SEARCH HEADER Subject zz TEXT yy")),
    Attack("search in addresses", _addresses, ("SEARCH " + " ".join(["NOT TO zz"] * 100), "SEARCH OR FROM zz CC zz")),
    Attack("search in long fields", _long_field, ("SEARCH " + " ".join(["NOT HEADER X-Long z"] * 25), "SEARCH TO z")),
    Attack("search in large text", _text, ("SEARCH " + " ".join(f"NOT TEXT zz{n}" for n in range(10)),)),
    Attack("search in base64", _base64, ("SEARCH BODY zz", "SEARCH NOT BODY zz NOT BODY yy")),
    Attack("structure of comments", _comments, ("FETCH 1:* BODYSTRUCTURE", "FETCH 1:* (BODY ENVELOPE)")),
    Attack("structure of delimiters", _delimiters, ("FETCH 1:* BODYSTRUCTURE", "FETCH 1:* BODY.PEEK[2.1]")),
    Attack("structure of parts", _parts, ("FETCH 1 BODYSTRUCTURE", "SEARCH BODY zz", "FETCH 1 (BODY.PEEK[1.1.1.1.2])")),
    Attack("envelopes", _addresses, ("FETCH 1:* (" + " ".join(["ENVELOPE"] * 50) + ")",)),
    Attack(
        "header fields",
        _fields,
        (
            "FETCH 1:* (" + " ".join(f"BODY.PEEK[HEADER.FIELDS ({' '.join(_NAMES)} y{n})]" for n in range(14)) + ")",
            "FETCH 1:* (" + " ".join(f"BODY.PEEK[HEADER.FIELDS.NOT (x{n})]" for n in range(20)) + ")",
        ),
    ),
    Attack("partials", _text, ("FETCH 1 (" + " ".join(f"BODY.PEEK[1]<{n}.100>" for n in range(99)) + ")",)),
    Attack("one text many times", _text, ("FETCH 1 (" + " ".join(["BODY.PEEK[TEXT]"] * 100) + ")",)),
    Attack("large mail unread", _noise, ("FETCH 1 BODY.PEEK[]",) * 3, connections=40, reads=False),
    Attack(
        "copies of copies",
        _one,
        # The first one stays, to begin again with.
        ("COPY 1:* {box}",) * 16
        + ("SELECT {box}", "FETCH 1:* FLAGS", "STORE 1:* +FLAGS (\\Deleted)", "STORE 1 -FLAGS (\\Deleted)", "EXPUNGE"),
    ),
    Attack("sort and thread", _addresses, ("SORT (SUBJECT TO) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL")),
)
