"""A hunt for what costs more than in proportion: header fields, MIME bodies, commands. A fixed effort."""

from __future__ import annotations

import email.errors
import email.header
import re
import time
from collections import Counter
from itertools import islice

import pytest
from chatgate_imap.message import bodies, envelope, header, mime, words
from chatgate_imap.message.header import Header
from chatgate_imap.message.source import Source
from chatgate_imap.queries import items, keys
from chatgate_imap.syntax import sets
from chatgate_imap.syntax.answers import Refusal
from chatgate_imap.syntax.parser import Parser
from growing import Prey, seconds, slow

from chatgate.api import Message
from contrib.bench.attacks import ATTACKS
from tests.octets import Octets


class Meter:
    """In place of `Work`: gives no turns, and remembers the longest time without one."""

    def __init__(self) -> None:
        self.longest, self.steps, self.last = 0.0, 0, time.thread_time()

    def step(self) -> None:
        now = time.thread_time()
        self.longest = max(self.longest, now - self.last)
        self.last = now
        self.steps += 1

    turn = step

    def each(self, items):
        for item in items:
            self.step()
            yield item


class Free(Meter):
    def step(self) -> None:
        pass


class OneMessage:
    """A store that has one."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def open(self, mailbox_id: int, uid: int) -> Octets:
        return Octets(self.data)

    def header(self, mailbox_id: int, uid: int) -> bytes:
        return self.data


def source(data: bytes, work: Meter) -> Source:
    return Source(Message(1, 1, frozenset(), len(data), 0), False, work, OneMessage(data), 1)


# ---------------------------------------------------------------------------------------------- what is tried

FREE = Free()
WORDS = [
    b"(", b")", b"\\", b'"', b"<", b">", b"@", b",", b";", b":", b"=", b"?", b"a", b"b1", b" ", b"\t", b".",
    b"[", b"]", b"*", b"'", b"%", b"/", b"-", b"_", b"\r\n ", b"\n\t", b"\xff", b"\0", b"=?a?q?", b"?=",
    b"=?utf-8?b?", b"=?hz?q?", b"*0=", b"*1*=", b"name", b"\\(", b'\\"', b"text/plain", b"=?", b"a@b", b"{",
    b"~{", b"=\r\n", b"=C3", b"==",
]  # fmt: skip
LINES = [
    b"\r\n", b"\n", b"--", b"--b", b"--b--", b"--c\r\n", b"\r\n--b\r\n", b"\n--b \n", b"\r\n--b--\r\n", b" ",
    b"\t", b":", b"a", b"A: b\r\n", b"\r\n\r\n", b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: message/rfc822\r\n", b"Content-Type: multipart/digest; boundary=c\r\n\r\n--c\r\n",
    b"Content-Type: text/plain; charset=", b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n", b"=", b"==", b"AAAA", b"=?utf-8?q?x?=", b"Subject: ",
    b"(", b'"', b"\\", b"--" + b"b" * 60,
]  # fmt: skip
CHARSETS = [
    b"utf-8", b"utf-7", b"utf-16", b"punycode ", b"punycode-", b"-punycode", b"idna", b"unicode_escape", b"hz",
    b"gb18030", b"iso-2022-jp", b"iso-2022-kr", b"shift_jis", b"big5", b"koi8-r", b"raw_unicode_escape",
    b"rot13", b"zlib", b"uu",
]  # fmt: skip
ENCODED = [
    b"+AAAA", b"AAAA", b"a-b", b"a", b"-", b"=", b"=C3", b"\r\n", b"\x1b$B", b"~{", b"~}", b"\x80", b"\xff",
    b"\0", b" ",
]  # fmt: skip


def envelopes(value: bytes) -> None:
    octets = b"From: %s\r\nTo: %s\r\nSubject: %s\r\n\r\n" % (value, value, value)
    envelope.envelope(Header(octets, FREE), FREE)


def structures(value: bytes) -> None:
    names = (b"Type", b"Disposition", b"Transfer-Encoding", b"Language", b"Description")
    octets = b"".join(b"Content-%s: %s\r\n" % (name, value) for name in names) + b"\r\n"
    envelope.structure(mime.parse(Octets(octets), FREE), Octets(octets), FREE, True)


def searches_in_fields(value: bytes) -> None:
    found = source(b"Subject: %s\r\nTo: %s\r\nDate: %s\r\n\r\n" % (value, value, value), FREE)
    for name in (b"subject", b"to"):
        found.field_holds(name, "zz"), found.addresses_hold(name, "zz")
    found.header_holds("zz")
    bodies.date_of(found.header().get(b"date") or b"")


def headers(octets: bytes) -> None:
    found = Header(octets, FREE)
    found.fields, found.get(b"a"), found.all(b"a"), found.whole_text()
    header.body_start(octets)


def bodies_of(octets: bytes) -> None:
    octets = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + octets
    found = source(octets, FREE)
    envelope.structure(found.root(), found.content(), FREE, True)
    wanted = bodies.Wanted()
    wanted.add("zz")
    found.found(wanted)


def charsets(octets: bytes) -> None:
    for name in CHARSETS:
        for encoding in (b"", b"base64", b"quoted-printable"):
            decoder = words.Decoder(encoding, name)
            decoder.decode(octets[: len(octets) // 2])
            decoder.decode(octets[len(octets) // 2 :], final=True)


def quietly(parse, line: bytes) -> None:
    try:
        parse(Parser([line]))
    except Refusal:
        pass


def commands(line: bytes) -> None:
    for parse in (items.parse, lambda parser: keys.parse(parser, keys.Context(100, 100))):
        quietly(parse, line)
        quietly(parse, b"(" + line)
    try:
        sets.by_uid(sets.parse(line), range(1, 1000))
    except Refusal:
        pass


KEYS = [
    b"ALL ", b"NOT ", b"OR ", b"(", b")", b"TO a ", b"BODY zz ", b"HEADER ", b"1:*,", b"7,", b"*", b"UID 1:3 ",
    b'"', b"\\", b"BODY.PEEK[", b"]", b"<0.1>", b"HEADER.FIELDS (", b"A ", b"1.", b"UID ", b"FLAGS ",
    b"ENVELOPE ", b"SINCE 1-Jan-2020 ",
]  # fmt: skip

_VALUES = [b'"A (b)" <a@b>, c: d@e;', b"text/plain; charset=utf-8; name*0=a", b"Re: =?utf-8?q?a?= =?utf-8?b?YQ==?= b"]
_PARTS = [b"Content-Type: text/plain\r\n\r\na\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n"]
_COMMANDS = [b"(FLAGS BODY.PEEK[1.2.HEADER.FIELDS (A B)]<0.1>)", b'OR (TO a NOT BODY "b") HEADER c d', b"1:3,7,*"]

# What is hunted, and how many inputs are tried.
TARGETS = {
    "envelopes": (Prey(envelopes, _VALUES, WORDS, 1500), 300),
    "structures": (Prey(structures, _VALUES, WORDS, 1500), 300),
    "searches in fields": (Prey(searches_in_fields, _VALUES, WORDS, 1500), 300),
    "headers": (Prey(headers, _PARTS, WORDS + LINES, 1500), 300),
    "bodies": (Prey(bodies_of, _PARTS, LINES, 1500), 300),
    "charsets": (Prey(charsets, [b"a\xff+AAAA-b"], ENCODED, 10_000), 30),
    "commands": (Prey(commands, _COMMANDS, KEYS + WORDS, 1500), 300),
}


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_costs_more_than_in_proportion(name):
    assert slow(*TARGETS[name]) is None


# ---------------------------------------------------------------------------------------------- once a command


def test_a_search_decodes_each_field_once(monkeypatch):
    """However many keys look into it."""
    calls: Counter[str] = Counter()

    def count(module, name: str) -> None:
        real = getattr(module, name)

        def counted(*arguments, **keywords):
            calls[name] += 1
            return real(*arguments, **keywords)

        monkeypatch.setattr(module, name, counted)

    count(words, "text")
    count(bodies, "addresses")
    count(mime, "parse")
    count(words.Decoder, "decode")
    program = " ".join(f"NOT TO x{n} NOT BODY y{n} NOT TEXT z{n} NOT HEADER Subject u{n}" for n in range(60))
    key, _ = keys.parse(Parser([program.encode()]), keys.Context(1, 1))
    message = b"To: a@b, c@d\r\nSubject: s\r\nContent-Type: text/plain\r\n\r\n" + b"text " * 10_000
    assert key.test(source(message, FREE), 1)
    assert calls == {"text": 2 + 3, "addresses": 1, "parse": 1, "decode": 1}


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack.commands], ids=lambda attack: attack.name)
def test_others_get_turns_amid_attacks(attack):
    """Of what the bench sends, one message of each kind: never long between two steps."""
    for message in islice(attack.messages(), 2):
        meter = Meter()
        for command in attack.commands:
            name, _, rest = command.encode().partition(b" ")
            meter.last = time.thread_time()
            if name == b"SEARCH":
                key, _ = keys.parse(Parser([rest]), keys.Context(1, 1))
                key.test(source(message, meter), 1)
            elif name == b"FETCH" and b"FLAGS" not in rest:
                quietly(
                    lambda parser, data=message, work=meter: items.parse(parser).render(source(data, work)),
                    rest.split(b" ", 1)[1],
                )
            meter.step()
        unit = seconds(lambda _: sum(range(1_000_000)), b"", 1)  # 15 ms or so, and more where all takes longer
        assert meter.longest < 100 * unit  # they were many seconds


# ---------------------------------------------------------------------------------------------- does it find any?


def _peeled(value: bytes, work: Meter) -> bytes:
    """Comments taken off from the inside out."""
    for _ in range(8):
        bare = re.sub(rb'"(?:[^"\\]|\\.)*"?|\((?:[^()\\]|\\.)*\)', lambda m: m[0] if m[0][:1] == b'"' else b" ", value)
        if bare == value:
            break
        value = bare
    return value


def _email_words(value: bytes, work: Meter | None = None) -> str:
    try:
        return str(email.header.decode_header(value.decode("utf-8", "replace")))
    except (ValueError, email.errors.HeaderParseError):
        return ""


def _all_dashes(content: Octets, work: Meter) -> mime.Part:
    """Each line is looked at with all that follows it."""
    for found in re.finditer(rb"\n--", content.data):
        content.data[found.end() :].split(b"\n")
    return PARSE(content, work)


PARSE = mime.parse
KNOWN = [
    ("structures", header, "uncommented", _peeled),
    ("searches in fields", words, "text", _email_words),
    ("bodies", mime, "parse", _all_dashes),
]


@pytest.mark.parametrize(("name", "module", "attribute", "bad"), KNOWN, ids=[row[0] for row in KNOWN])
def test_what_is_known_to_be_slow_is_found(monkeypatch, name, module, attribute, bad):
    monkeypatch.setattr(module, attribute, bad)
    assert slow(*TARGETS[name])
