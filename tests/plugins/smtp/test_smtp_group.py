"""A message to many of whom some are refused for good: an account's own goes to the others."""

import email

import gevent
import pytest
from smtp_wire import ALICE, BOB, inbox

from chatgate.api import Reply

MAIL, TO_BOB = f"MAIL FROM:<{ALICE}>", f"RCPT TO:<{BOB}>"
TO_NOBODY, TO_SELF = "RCPT TO:<nobody@example.org>", f"RCPT TO:<{ALICE}>"
NO_SUCH = "550 5.1.1 No such user"
TAKEN, TOLD = "250 2.1.0 OK", "250 2.1.5 OK"
CONTENT = "Message-ID: <1@x>\r\n\r\nhello"


def told(client):
    """What the notices to alice say: (recipient, status, diagnosis) of each, and who got the messages."""
    *mails, notice = client.fake.mails
    assert (notice.sender, notice.recipients) == ("", [ALICE])
    report = email.message_from_bytes(notice.content)
    assert report.get_content_type() == "multipart/report"
    blocks = [block for block in report.get_payload()[1].get_payload() if block["Final-Recipient"]]
    facts = [(b["Final-Recipient"].removeprefix("rfc822; "), b["Status"], b["Diagnostic-Code"]) for b in blocks]
    return facts, [mail.recipients for mail in mails]


@pytest.mark.parametrize(
    ("recipients", "taken"),
    [
        ([TO_NOBODY, TO_BOB], [BOB]),
        ([TO_BOB, TO_NOBODY], [BOB]),
        ([TO_NOBODY, TO_BOB, TO_SELF], [BOB, ALICE]),
        ([TO_SELF, TO_NOBODY, TO_BOB], [ALICE, BOB]),
    ],
)
def test_of_commands_sent_at_once_the_others_get_it_and_the_sender_is_told(sender, recipients, taken):
    client = sender()
    client.send(MAIL, *recipients, "DATA")
    assert client.replies(len(recipients) + 1) == [TAKEN, *[TOLD] * len(recipients)]
    assert client.reply()[0] == 354
    assert client.ask(CONTENT, ".").startswith("250 2.0.0 ")
    assert told(client) == ([("nobody@example.org", "5.1.1", "smtp; 550 5.1.1 No such user")], [taken])


def test_the_next_command_may_come_a_little_later(sender):
    client = sender(lookahead_seconds=30.0)
    for part in (MAIL + "\r\n" + TO_NOBODY + "\r\n", "RC", "PT TO", f":<{BOB}>\r\nDA", "TA\r\n"):
        client.send(part.encode())
        gevent.sleep(0.02)
    assert [reply[:3] for reply in client.replies(4)] == ["250", "250", "250", "354"]
    assert client.ask(CONTENT, ".").startswith("250 2.0.0 ")
    assert told(client)[1] == [[BOB]]


@pytest.mark.parametrize("recipients", [[TO_NOBODY], ["RCPT TO:<a@elsewhere.test>"]])
def test_a_message_to_one_is_refused_at_rcpt(sender, recipients):
    client = sender(lookahead_seconds=30.0)  # it does not take that long: the next command is there
    client.send(MAIL, *recipients, "DATA", "RSET")
    replies = client.replies(4)
    assert replies[1][:8] in ("550 5.1.", NO_SUCH[:8])
    assert [replies[0], *replies[2:]] == [TAKEN, "554 5.5.1 No valid recipients", "250 2.0.0 OK"]


def test_who_waits_for_replies_is_refused_at_rcpt_and_not_kept_waiting_twice(sender, monkeypatch):
    client = sender()
    looks = []
    look = "chatgate_smtp.driver.Stream.next_verb"
    monkeypatch.setattr(look, lambda stream, seconds: looks.append(seconds) or b"")
    for _ in range(2):
        assert client.ask(MAIL) == TAKEN
        for _ in range(3):
            assert client.ask(TO_NOBODY) == NO_SUCH
        assert client.ask("DATA") == "554 5.5.1 No valid recipients"
        assert client.ask("RSET") == "250 2.0.0 OK"
    assert looks == [0.05, 0.05]


def test_with_others_taken_before_there_is_no_need_to_look_ahead(sender):
    client = sender()
    assert [client.ask(command) for command in (MAIL, TO_BOB, TO_NOBODY, TO_NOBODY)] == [TAKEN, TOLD, TOLD, TOLD]
    assert client.ask("DATA").startswith("354 ")
    assert client.ask(CONTENT, ".").startswith("250 2.0.0 ")
    assert len(told(client)[0]) == 1
    client.start_mail()
    assert client.ask(CONTENT, ".").startswith("250 2.0.0 ")
    assert len(client.fake.mails) == 3, "nothing is left of it for the next message"


@pytest.mark.parametrize("recipients", [[TO_NOBODY, TO_SELF], [TO_NOBODY, TO_NOBODY, TO_SELF]])
def test_a_copy_for_oneself_does_not_make_it_delivered(sender, recipients):
    """An app with several devices sends to itself too; with a 250 it would show the message as delivered."""
    client = sender()
    client.send(MAIL, *recipients, "DATA", "NOOP")
    replies = client.replies(len(recipients) + 3)
    assert replies == [TAKEN, *[TOLD] * len(recipients), NO_SUCH, "250 2.0.0 OK"]
    assert client.fake.mails == []


def test_if_all_are_refused_the_message_is(sender):
    client = sender()
    client.send(MAIL, TO_NOBODY, "RCPT TO:<x@elsewhere.test>", "DATA")
    assert client.replies(4) == [TAKEN, TOLD, "550 5.1.2 Mail to this domain is not served here", NO_SUCH]
    assert client.fake.mails == []


def test_every_refusal_for_good_is_of_that_kind(sender):
    client = sender()
    answers = {"gone@example.org": Reply(550, "5.2.1", "<gone@example.org>: this account is disabled")}
    client.fake.answers["recipient"] = lambda session, address: answers.get(address, inbox(address))
    long = "x" * 3000 + "@example.org"
    refused = ["gone@example.org", "x y@example.org", long, "böb@example.org"]
    client.send(MAIL, *(f"RCPT TO:<{address}>" for address in refused), TO_BOB, "DATA")
    assert [reply[:3] for reply in client.replies(7)] == ["250"] * 6 + ["354"]
    assert client.ask(CONTENT, ".").startswith("250 2.0.0 ")
    facts, (recipients,) = told(client)
    assert recipients == [BOB]
    assert facts[0] == ("gone@example.org", "5.2.1", "smtp; 550 5.2.1 this account is disabled")
    assert [status for _, status, _ in facts[1:]] == ["5.1.3", "5.1.3", "5.6.7"]
    assert [diagnosis[:9] for _, _, diagnosis in facts[1:]] == ["smtp; 553"] * 3
    assert all(len(line) < 998 for line in client.fake.mails[-1].content.split(b"\r\n"))


def test_a_refusal_for_now_is_one_for_the_message(sender):
    """The app tries again."""
    client = sender()
    client.fake.answers["recipient"] = lambda session, address: Reply(450, "4.2.1", "later") if address != BOB else None
    client.send(MAIL, TO_BOB, TO_NOBODY, TO_BOB, "RSET")
    assert client.replies(5)[2] == "450 4.2.1 later"


def test_other_servers_are_told_of_each(wire):
    client = wire("mx").hello().start_tls()
    client.send("MAIL FROM:<x@elsewhere.test>", TO_NOBODY, TO_BOB, "DATA")
    assert [reply[:9] for reply in client.replies(4)] == ["250 2.1.0", "550 5.1.1", "250 2.1.5", "354 End d"]


def test_the_sender_is_refused_as_ever(sender):
    client = sender()
    client.send("MAIL FROM:<bob@example.org>", TO_NOBODY, TO_BOB, "DATA")
    assert [reply[:3] for reply in client.replies(4)] == ["250", "553", "553", "554"]


def test_no_notice_of_a_message_that_is_not_taken(sender):
    client = sender()
    client.fake.answers["filter"] = lambda session, envelope: Reply(523, "", "No")
    client.send(MAIL, TO_NOBODY, TO_BOB, "DATA")
    client.replies(4)
    assert client.ask(CONTENT, ".") == "523 No"
    assert client.fake.mails == []


class Fails:
    """An answer that fails after so many."""

    def __init__(self, after):
        self.left = after

    def __call__(self):
        self.left -= 1
        if self.left < 0:
            raise RuntimeError


def test_who_cannot_be_told_hears_it_at_once(sender):
    client = sender()
    client.send(MAIL, TO_NOBODY, TO_BOB, "DATA")
    client.replies(4)
    client.fake.answers["store"] = Fails(after=1)
    assert client.ask(CONTENT, ".").startswith("451 4.3.0 ")


def test_a_gateway_that_stops_does_not_wait_for_it(sender):
    client = sender(lookahead_seconds=30.0)
    client.send(MAIL, TO_NOBODY)
    assert client.reply()[0] == 250
    client.gateway.stop()
    assert client.reply()[0] == 421 and client.ended()
