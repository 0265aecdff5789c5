"""Notices of what was not delivered."""

import email

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatgate.mail.dsn import DELAYED, GIVEN_UP, Failure, notice
from chatgate.reply import Reply

FAILURES = [Failure("bob@d.test", "5.2.2", "the mailbox is full")]


def parts(content, failures=FAILURES, sender="alice@d.test"):
    made = notice("d.test", sender, content, failures)
    assert b"\n" not in made.replace(b"\r\n", b"") and b"\r" not in made.replace(b"\r\n", b"")
    report = email.message_from_bytes(made)
    assert report.get_content_type() == "multipart/report" and not report.defects
    words, status, original = report.get_payload()
    assert [p.get_content_type() for p in (words, status, original)] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    return words.get_payload(), status, email.message_from_string(original.get_payload())


def test_what_is_quoted_of_the_message():
    header = b"X-Secret: s\r\nmessage-id: <1@x>\r\nMessage-ID: <2@x>\r\nDate: d\r\nTo: \xc3\xbc\r\n"
    header += b"Subject: " + b"x" * 3000
    _, _, original = parts(header + b"\r\n\r\nbody\r\n")
    assert list(original.items()) == [("message-id", "<1@x>"), ("Date", "d")]


@pytest.mark.parametrize("content", [b"", b"\r\nbody only\r\n", b"no field\r\n", b"Message-ID: <1@x>"])
def test_a_message_that_has_hardly_a_header(content):
    parts(content)


def test_each_failure_is_told_to_people_and_programs():
    failures = [*FAILURES, Failure("carol@e.test", "5.1.1", "no such address")]
    words, status, _ = parts(b"Message-ID: <1@x>\r\n\r\n", failures)
    assert "bob@d.test: the mailbox is full" in words and "carol@e.test: no such address" in words
    blocks = [dict(block.items()) for block in status.get_payload() if block.keys()]
    assert blocks[0] == {"Reporting-MTA": "dns; d.test"}
    assert [(b["Final-Recipient"], b["Action"], b["Status"]) for b in blocks[1:]] == [
        ("rfc822; bob@d.test", "failed", "5.2.2"),
        ("rfc822; carol@e.test", "failed", "5.1.1"),
    ]


@pytest.mark.parametrize(
    ("why", "status", "reason", "code"),
    [
        (Reply(550, "5.1.1", "<bob@d.test>: no such user here"), "5.1.1", "no such user here", 550),
        (Reply(553, "5.1.3", "Malformed address"), "5.1.3", "Malformed address", 553),
        (Reply(550, "4.1.1", "<carol@d.test>: no"), "5.0.0", "<carol@d.test>: no", 550),
    ],
)
def test_what_rcpt_would_have_said(why, status, reason, code):
    assert Failure.refused("bob@d.test", why) == Failure("bob@d.test", status, reason, code)


def test_who_said_it_and_what_can_be_done():
    failures = [
        Failure("bob@d.test", "5.1.1", "no such user", 550, "mx.d.test"),
        Failure("carol@d.test", "5.1.1", "mx.d.test: no such user", 550, "mx.d.test"),
        Failure("dan@e.test", "5.7.1", "not from you", 554, "mx.e.test"),
        Failure("eve@f.test", "5.0.0", "because", 554),
    ]
    report = email.message_from_bytes(notice("d.test", "alice@d.test", b"", failures, GIVEN_UP))
    words, status, _ = report.get_payload()
    lines = words.get_payload().splitlines()
    assert report["Subject"] == "Not delivered"
    assert lines[2:6] == [
        "bob@d.test: the server mx.d.test says: no such user",
        "carol@d.test: mx.d.test: no such user",
        "dan@e.test: the server mx.e.test says: not from you",
        "eve@f.test: because",
    ]
    assert [line.split()[0] for line in lines[7:10]] == ["Check", "That", "Reach"], "each advice once"
    blocks = [dict(block.items()) for block in status.get_payload() if block.keys()][1:]
    assert [block.get("Remote-MTA") for block in blocks] == ["dns; mx.d.test"] * 2 + ["dns; mx.e.test", None]
    late = email.message_from_bytes(notice("d.test", "alice@d.test", b"", failures[:1], DELAYED))
    assert "Action: delayed" in late.as_string() and "still being tried" in late.as_string()


@given(st.text(max_size=40), st.text(max_size=1000), st.binary(max_size=200))
def test_nothing_breaks_out_of_its_place(recipient, reason, content):
    content = content.replace(b"\r", b"").replace(b"\n", b"\r\n")
    _, status, _ = parts(content, [Failure(recipient, "5.2.2", reason)])
    assert len([block for block in status.get_payload() if block.keys()]) == 2


def test_of_a_header_without_end_the_beginning_is_looked_at():
    header = b"Message-ID: <a@b>\r\n" + b"X: y\r\n" * 1000 + b"Subject: late\r\n"
    quoted = notice("example.org", "a@example.org", header + b"\r\n", []).rpartition(b"rfc822-headers\r\n\r\n")[2]
    assert quoted.startswith(b"Message-ID: <a@b>\r\n\r\n--")
