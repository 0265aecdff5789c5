"""ENHANCEDSTATUSCODES is offered, so every refusal has one, of the class of its reply code (RFC 2034 §4)."""

import base64
import re

import pytest
from chatgate_smtp.replies import line
from smtp_wire import ALICE, BOB, PASSWORD, Wire, plain

from chatgate.api import Reply

ENCRYPTION = "Encryption Needed: Invalid Unencrypted Mail"
CODE = re.compile(r"([45])\d\d \1\.\d{1,3}\.\d{1,3}( |$)")
COMMANDS = "HELO EHLO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT VRFY EXPN HELP BDAT ETRN XCLIENT PROXY".split()
ARGUMENTS = [
    "",
    " x",
    " x y",
    " FROM:<a",
    " FROM:<a@b.test>",
    " FROM:<alice@example.org> SIZE=x",
    " FROM:<alice@example.org> SIZE=999999999999",
    " FROM:<alice@example.org> X=Y",
    " FROM:<älice@example.org>",
    " FROM:<alice@example.org>",
    " TO:<b",
    " TO:<nobody@example.org>",
    " TO:<x@elsewhere.test>",
    " TO:<a..b@example.org>",
    " TO:<bob@example.org> NOTIFY=NEVER",
    " PLAIN",
    " PLAIN !",
    " PLAIN " + base64.b64encode(b"x").decode(),
    " PLAIN " + plain(ALICE, "wrong"),
    " PLAIN " + plain(ALICE, PASSWORD, BOB),
    " LOGIN",
    " LOGIN !",
    " CRAM-MD5",
    " PLAIN a b",
]


def states(service):
    """How far a client has come."""
    yield lambda wire: wire
    yield lambda wire: wire.hello()
    yield lambda wire: (wire if service == "submissions" else wire.hello().start_tls()).hello()
    if service == "submissions":
        yield lambda wire: wire.hello().login()
        yield lambda wire: said(wire.hello().login(), "MAIL FROM:<alice@example.org>")
    if service == "mx":
        yield lambda wire: said(wire.hello().start_tls(), "MAIL FROM:<a@b.test>")


def said(wire, command):
    assert wire.ask(command).startswith("250 ")
    return wire


@pytest.mark.parametrize("service", ["submissions", "submission", "mx"])
def test_every_command_said_wrong(started, service):
    gateway, _ = started(max_login_failures=1000, max_errors=1000, max_commands_per_message=1000)
    seen = set()
    for state in states(service):
        for command in COMMANDS:
            wire = state(Wire(gateway, service))
            for argument in ARGUMENTS:
                wire.send(command + argument)
                answer = told(wire)
                if int(answer[:3] or 0) >= 400:
                    assert CODE.match(answer), (command + argument, answer)
                    seen.add(answer)
                if answer[:3] in ("221", "220", "421", "521", ""):
                    wire.close()
                    wire = state(Wire(gateway, service))
            wire.close()
    assert len(seen) > 10


def told(wire):
    """The answer, after whatever an open question needs to end it."""
    code, text = wire.reply()
    while code in (334, 354):
        wire.send("*" if code == 334 else ".")
        code, text = wire.reply()
    return f"{code} {text}" if code else ""


@pytest.mark.parametrize(
    "last",
    [
        b"\xff\xfe\r\n",
        b"N\xd6\xd6P\r\n",
        b"\r\n",
        b"x" * 5000 + b"\r\n",
        b"NOOP\n",
        b"NOOP\r\r\n",
    ],
)
def test_lines_that_are_none(sender, last):
    client = sender()
    client.send(last)
    code, text = client.reply()
    assert CODE.match(f"{code} {text}")


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"bare\nLF\r\n", "554 5.6.0"),
        (b"x" * 9000 + b"\r\n", "554 5.6.0"),
        ((b"y" * 98 + b"\r\n") * 100, "552 5.3.4"),
    ],
)
def test_content_that_is_refused(sender, content, answer):
    client = sender(core={"max_message_bytes": 9500})
    client.start_mail()
    client.send(content + b".\r\n")
    code, text = client.reply()
    assert f"{code} {text}".startswith(answer + " ")


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(550, "5.1.1", "No"), "550 5.1.1 No"),
        (Reply(550, "", "No"), "550 5.0.0 No"),
        (Reply(450, "5.1.1", "No"), "450 4.0.0 No"),
        (Reply(250), "250 2.0.0 OK"),
        (Reply(550, "5.1.1", "No\r\n250 yes"), "550 5.1.1"),
        (Reply(550, "5.1.1\r\n250", "No"), "550 5.0.0 No"),
        (Reply(523, "", ENCRYPTION), f"523 {ENCRYPTION}"),
    ],
)
def test_a_reply_of_a_plugin_as_a_line(reply, told):
    assert line(reply) == told


# ------------------------------------------------------------------------------------------------ mail in circles

HOPS = b"Received: from a by b; Mon, 2 Nov 2026 10:00:00 +0000\r\n"


@pytest.mark.parametrize("service", ["submissions", "mx"])
@pytest.mark.parametrize(
    ("header", "code"),
    [
        (HOPS * 99, 250),
        (HOPS * 100, 554),
        (HOPS.replace(b"Received", b"RECEIVED ") * 100, 554),
        (b"Subject: x\r\n" + HOPS * 100, 554),
        (HOPS * 99 + b"X-Received: x\r\nReceived-SPF: pass\r\nSubject: x\r\n Received: folded\r\n", 250),
        (HOPS * 99 + b"\r\nReceived: in the body\r\n", 250),
    ],
)
def test_a_hundred_hops_are_a_loop(wire, service, header, code):
    client = wire(service).hello()
    client = client.login() if service == "submissions" else client.start_tls()
    client.start_mail()
    client.send(header + b"\r\nbody\r\n.\r\n")
    answer = client.reply()
    assert answer[0] == code
    if code == 554:
        assert answer[1].startswith("5.4.6 ")
