"""SMTP to servers that behave well, and badly in each way."""

from __future__ import annotations

import pytest
from peers import World


def codes(outcome):
    return {one: (reply.code, reply.enhanced) for one, reply in outcome.replies.items()}


def test_a_message_is_handed_on_under_tls(world: World):
    mx = world.mx()
    outcome = world.deliver(content=b"Subject: x\r\n\r\n.dot\r\n..\r\nend\r\n")
    assert codes(outcome) == {"bob@peer.test": (250, "2.0.0")}
    assert (outcome.host, outcome.way, outcome.until) == ("mx.peer.test", "smtp", 0)
    assert mx.mails == [("alice@example.org", ["bob@peer.test"], b"Subject: x\r\n\r\n.dot\r\n..\r\nend\r\n")]
    assert "EHLO mx.example.org" in mx.lines


def test_one_connection_serves_one_message_after_the_other(world: World):
    mx = world.mx()
    for _ in range(5):
        assert codes(world.deliver()) == {"bob@peer.test": (250, "2.0.0")}
    assert mx.connections == 1 and len(mx.mails) == 5
    assert "RSET" not in mx.commands()


def test_each_recipient_has_its_own_answer(world: World):
    mx = world.mx()
    mx.says["RCPT TO:<no@peer.test>"] = b"550 5.1.1 nobody\r\n"
    mx.says["RCPT TO:<full@peer.test>"] = b"452-4.2.2 mailbox\r\n452 4.2.2 full\r\n"
    outcome = world.deliver("bob@peer.test", "no@peer.test", "full@peer.test", "eve@peer.test")
    assert codes(outcome) == {
        "bob@peer.test": (250, "2.0.0"),
        "no@peer.test": (550, "5.1.1"),
        "full@peer.test": (452, "4.2.2"),
        "eve@peer.test": (250, "2.0.0"),
    }
    assert outcome.replies["full@peer.test"].text == "mailbox full"
    assert [mail.recipients for mail in mx.mails] == [["bob@peer.test", "eve@peer.test"]]


@pytest.mark.parametrize("pipelining", [True, False])
def test_the_next_message_follows_one_that_nobody_took(world: World, pipelining: bool):
    mx = world.mx()
    if not pipelining:
        mx.offers.remove("PIPELINING")
    mx.says["RCPT TO:<no@peer.test>"] = b"550 5.1.1 nobody\r\n"
    assert codes(world.deliver("no@peer.test")) == {"no@peer.test": (550, "5.1.1")}
    assert codes(world.deliver()) == {"bob@peer.test": (250, "2.0.0")}
    assert mx.connections == 1


def test_a_server_without_starttls_gets_nothing(world: World):
    mx = world.mx(context=None)
    outcome = world.deliver()
    assert codes(outcome) == {"bob@peer.test": (451, "4.7.4")}
    assert outcome.replies["bob@peer.test"].text == "mx.peer.test does not offer STARTTLS"
    assert "MAIL" not in mx.commands()


def test_hang_after_data_is_temporary(world: World):
    mx = world.mx()
    world.options["data_reply_seconds"] = 0.2
    mx.says["."] = lambda sock: None
    outcome = world.deliver()
    assert codes(outcome) == {"bob@peer.test": (451, "4.4.2")}
