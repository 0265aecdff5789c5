"""SMTP to servers that behave well, and badly in each way."""

from __future__ import annotations

import datetime
import socket
import struct

import gevent
import pytest
from chatgate_courier.policy import Policy
from peers import DAY, Authority, Gone, World, codes, text

from chatgate.testing import until

OK = {"bob": (250, "2.0.0")}


def reset(c):
    """End the connection with a TCP reset."""
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Gone


def close(c):
    raise Gone


def silent(c):
    return None


def endless(c):
    while True:
        c.sock.sendall(b"250-x\r\n" * 100)


def one_endless_line(c):
    while True:
        c.sock.sendall(b"2" * 1000)


def drip(c):
    """A line that never ends, an octet at a time."""
    c.sock.sendall(b"250-")
    while True:
        c.sock.sendall(b"x")
        gevent.sleep(0.02)


def test_a_message_is_handed_on_under_tls(world: World):
    mx = world.mx()
    outcome = world.deliver(content=b"Subject: x\r\n\r\n.dot\r\n..\r\nend\r\n")
    assert codes(outcome) == OK
    assert (outcome.host, outcome.way, outcome.until) == ("mx.peer.test", "smtp", 0)
    assert mx.mails == [("alice@example.org", ["bob@peer.test"], b"Subject: x\r\n\r\n.dot\r\n..\r\nend\r\n")]
    assert mx.lines[:3] == ["EHLO mx.example.org", "STARTTLS", "EHLO mx.example.org"]


@pytest.mark.parametrize(
    "content", [b".x\r\n", b"a\r\n.\r\nb\r\n", b"no end", b"a\r\n.", b"x" * 200_000 + b"\r\n.\r\n"]
)
def test_what_arrives_is_what_was_sent(world: World, content: bytes):
    mx = world.mx()
    assert codes(world.deliver(content=content)) == OK
    assert mx.mails[0].content == (content if content.endswith(b"\r\n") else content + b"\r\n")


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\n.\r\r\n"])
def test_bare_line_ends_are_never_sent(world: World, content: bytes):
    mx = world.mx()
    assert codes(world.deliver(content=content)) == {"bob": (554, "5.6.0")}
    assert not mx.connections


def test_one_connection_serves_one_message_after_the_other(world: World):
    mx = world.mx()
    for _ in range(5):
        assert codes(world.deliver()) == OK
    assert mx.connections == 1 and len(mx.mails) == 5
    assert "RSET" not in mx.commands()
    world.transports.close()
    assert mx.commands()["QUIT"] == 1


def test_a_connection_ends_after_its_messages_and_the_next_resumes_its_tls_session(world: World):
    world.options["messages_per_connection"] = 2
    mx = world.mx()
    for _ in range(4):
        assert codes(world.deliver()) == OK
    assert mx.connections == 2 and mx.tls_sessions_reused == 1
    until(lambda: mx.commands()["QUIT"] == 2)


@pytest.mark.parametrize("pipelining", [True, False])
def test_each_recipient_has_its_own_answer(world: World, pipelining: bool):
    mx = world.mx()
    if not pipelining:
        mx.offers.remove("PIPELINING")
    mx.says["RCPT TO:<no@peer.test>"] = b"550 5.1.1 nobody\r\n"
    mx.says["RCPT TO:<full@peer.test>"] = b"452-4.2.2 mailbox\r\n452 4.2.2 full\r\n"
    outcome = world.deliver("bob@peer.test", "no@peer.test", "full@peer.test", "eve@peer.test")
    assert codes(outcome) == {**OK, "no": (550, "5.1.1"), "full": (452, "4.2.2"), "eve": (250, "2.0.0")}
    assert outcome.replies["full@peer.test"].text == "mailbox full"
    assert [mail.recipients for mail in mx.mails] == [["bob@peer.test", "eve@peer.test"]]


@pytest.mark.parametrize("pipelining", [True, False])
def test_the_next_message_follows_one_that_nobody_took(world: World, pipelining: bool):
    mx = world.mx()
    if not pipelining:
        mx.offers.remove("PIPELINING")
    mx.says["RCPT TO:<no@peer.test>"] = b"550 5.1.1 nobody\r\n"
    assert codes(world.deliver("no@peer.test")) == {"no": (550, "5.1.1")}
    assert codes(world.deliver()) == OK
    assert mx.connections == 1


def test_a_server_that_waits_for_a_message_for_nobody_gets_an_empty_one(world: World):
    mx = world.mx()
    mx.says |= {"RCPT TO:<no@peer.test>": b"550 5.1.1 nobody\r\n", "DATA": b"354 go\r\n"}
    assert codes(world.deliver("no@peer.test")) == {"no": (550, "5.1.1")}
    assert codes(world.deliver()) == OK
    assert mx.connections == 1 and len(mx.mails) == 1


def test_many_recipients_go_in_several_transactions(world: World):
    world.options["recipients_per_message"] = 2
    mx = world.mx()
    everybody = [f"u{i}@peer.test" for i in range(5)]
    assert set(codes(world.deliver(*everybody)).values()) == {(250, "2.0.0")}
    assert [len(mail.recipients) for mail in mx.mails] == [2, 2, 1] and mx.connections == 1


@pytest.mark.parametrize("said", [b"452 4.5.3 too many\r\n", b"452 too many\r\n", b"552 5.5.3 too many\r\n"])
def test_those_for_whom_there_is_no_room_follow_at_once(world: World, said: bytes):
    mx = world.mx()
    mx.says["RCPT"] = lambda c: b"250 2.1.5 ok\r\n" if len(c.recipients) < 2 else said
    everybody = [f"u{i}@peer.test" for i in range(5)]
    assert {reply.code for reply in world.deliver(*everybody).replies.values()} == {250}
    assert [mail.recipients for mail in mx.mails] == [everybody[:2], everybody[2:4], everybody[4:]]
    assert mx.connections == 1


def test_a_full_mailbox_is_asked_for_once(world: World):
    mx = world.mx()
    mx.says["RCPT TO:<full@peer.test>"] = b"452 4.2.2 full\r\n"
    assert codes(world.deliver("full@peer.test", "bob@peer.test")) == {**OK, "full": (452, "4.2.2")}
    assert sum(line.startswith("RCPT TO:<full") for line in mx.lines) == 1


@pytest.mark.parametrize(
    ("key", "said", "code"),
    [
        ("MAIL", b"451 4.7.1 later\r\n", (451, "4.7.1")),
        ("MAIL", b"550 5.7.1 no\r\n", (550, "5.7.1")),
        ("RCPT", b"451 4.7.1 greylisted\r\n", (451, "4.7.1")),
        ("DATA", b"451 4.3.0 later\r\n", (451, "4.3.0")),
        ("DATA", b"554 5.7.1 no\r\n", (554, "5.7.1")),
        (".", b"451 4.3.0 later\r\n", (451, "4.3.0")),
        (".", b"554 5.7.1 No valid DKIM signature found\r\n", (554, "5.7.1")),
        (".", b"523 Encryption Needed: Invalid Unencrypted Mail\r\n", (523, "")),
        (".", b"354 what\r\n", (451, "4.5.0")),  # no answer to a message
        ("RCPT", b"354 what\r\n", (451, "4.5.0")),
    ],
)
@pytest.mark.parametrize("pipelining", [True, False])
def test_a_refusal_is_final_for_this_try(world: World, key: str, said: bytes, code: tuple[int, str], pipelining: bool):
    mx = world.mx()
    other = world.mx("mx2.peer.test", "127.0.0.2")
    world.dns.exchanges["peer.test"] = ((10, "mx.peer.test"), (20, "mx2.peer.test"))
    if not pipelining:
        mx.offers.remove("PIPELINING")
    mx.says[key] = said
    outcome = world.deliver("bob@peer.test", "eve@peer.test")
    assert set(codes(outcome).values()) == {code} and outcome.host == "mx.peer.test"
    assert not other.connections
    del mx.says[key]
    assert codes(world.deliver()) == OK


def test_one_who_is_the_reason_why_all_were_refused_sinks_nobody_else(world: World):
    mx = world.mx()

    def judge(c):
        return b"523 Encryption Needed\r\n" if "strict@peer.test" in c.recipients else b"250 2.0.0 ok\r\n"

    mx.says["."] = judge
    outcome = world.deliver("bob@peer.test", "strict@peer.test", "eve@peer.test")
    assert codes(outcome) == {**OK, "strict": (523, ""), "eve": (250, "2.0.0")}
    assert mx.connections == 1


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"554 5.7.1 go away\r\n", "go away"),
        (b"421 4.3.2 busy\r\n", "busy"),
        (close, "mx.peer.test closed the connection before its greeting"),
        (reset, "mx.peer.test closed the connection before its greeting"),
        (b"SSH-2.0-OpenSSH\r\n", "mx.peer.test sends something that is not SMTP before its greeting"),
        (b"220-a\r\n250 b\r\n", "mx.peer.test sends something that is not SMTP before its greeting"),
        (endless, "mx.peer.test sends replies that are too long before its greeting"),
        (one_endless_line, "mx.peer.test sends lines that are too long before its greeting"),
        (drip, "mx.peer.test does not answer within 0.5 seconds before its greeting"),
        (silent, "mx.peer.test does not answer within 0.5 seconds before its greeting"),
    ],
)
def test_the_next_host_takes_what_the_first_cannot(world: World, said, why: str):
    world.options["reply_seconds"] = 0.5
    mx = world.mx()
    mx.says["greeting"] = said
    outcome = world.deliver()
    assert text(outcome) == why
    assert (
        codes(outcome)["bob"][0] == (554 if said[:3] == b"554" else 451 if callable(said) or said[:1] != b"4" else 421)
        if not callable(said)
        else 451
    )
    other = world.mx("mx2.peer.test", "127.0.0.2")
    world.dns.exchanges["peer.test"] = ((10, "mx.peer.test"), (20, "mx2.peer.test"))
    outcome = world.deliver()
    assert codes(outcome) == OK and outcome.host == "mx2.peer.test"
    assert len(other.mails) == 1


def test_one_host_that_refuses_and_one_that_is_down_is_temporary(world: World):
    world.mx().says["greeting"] = b"554 5.7.1 go away\r\n"
    world.dns.exchanges["peer.test"] = ((10, "mx.peer.test"), (20, "mx2.peer.test"))
    world.dns.hosts["mx2.peer.test"] = ("127.0.0.2",)
    outcome = world.deliver()
    assert codes(outcome) == {"bob": (451, "4.4.1")}
    assert text(outcome).startswith(
        "No mail server of peer.test can be used; the last one tried: mx2.peer.test refuses"
    )


@pytest.mark.parametrize("key", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("said", [close, reset, b"what?\r\n", b"999 no\r\n"])
def test_a_dialogue_that_breaks_goes_on_at_the_next_host(world: World, key: str, said):
    mx, other = world.mx(), world.mx("mx2.peer.test", "127.0.0.2")
    world.dns.exchanges["peer.test"] = ((10, "mx.peer.test"), (20, "mx2.peer.test"))
    mx.says[key] = said
    outcome = world.deliver()
    assert codes(outcome) == OK and outcome.host == "mx2.peer.test" and len(other.mails) == 1


@pytest.mark.parametrize("said", [close, reset, silent, b"what?\r\n"])
def test_a_lost_answer_to_the_message_is_temporary_and_goes_to_no_other_host(world: World, said):
    """As the host may have accepted the message."""
    world.options["data_reply_seconds"] = 0.3
    mx, other = world.mx(), world.mx("mx2.peer.test", "127.0.0.2")
    world.dns.exchanges["peer.test"] = ((10, "mx.peer.test"), (20, "mx2.peer.test"))
    mx.says["RCPT TO:<no@peer.test>"] = b"550 5.1.1 nobody\r\n"
    mx.says["."] = said
    assert codes(world.deliver("bob@peer.test", "no@peer.test")) == {"bob": (451, "4.4.2"), "no": (550, "5.1.1")}
    assert not other.connections


def test_a_host_that_hangs_after_messages_is_left_alone_like_one_that_is_down(world: World):
    world.options |= {"data_reply_seconds": 0.2, "failures_in_a_row": 2}
    mx = world.mx()
    mx.says["."] = silent
    for _ in range(3):
        world.deliver()
    assert mx.connections == 2
    assert world.transports.down_until("peer.test") > world.now


def test_what_a_host_says_before_it_closes_in_the_middle_of_a_message_counts(world: World):
    world.options["block_seconds"] = 5.0
    mx = world.mx()
    mx.offers = ["PIPELINING"]

    def full(c):
        c.sock.sendall(c.out + b"354 go\r\n552 5.3.4 too large\r\n")
        raise Gone

    mx.says["DATA"] = full
    outcome = world.deliver(content=b"x" * 8_000_000 + b"\r\n")
    assert codes(outcome)["bob"] in {(552, "5.3.4"), (451, "4.4.2")}


def test_a_kept_connection_that_was_closed_costs_nothing(world: World):
    mx = world.mx()
    assert codes(world.deliver()) == OK
    for said in (close, reset, b"421 4.4.2 idle too long\r\n"):
        seen: list[int] = []

        def first_closes(c, said=said, seen=seen):
            seen.append(1)
            if len(seen) == 1:
                return said(c) if callable(said) else said
            return b"250 2.1.0 ok\r\n"

        mx.says["MAIL"] = first_closes
        assert codes(world.deliver()) == OK
        assert len(seen) == 2


def test_a_size_that_is_too_large_is_told_without_sending_it(world: World):
    mx = world.mx()
    outcome = world.deliver(content=b"x" * 1_000_001)
    assert codes(outcome) == {"bob": (552, "5.3.4")}
    assert text(outcome) == "mx.peer.test takes messages of up to 1000000 octets, not of 1000003"
    assert "MAIL" not in mx.commands()
    world.deliver(content=b"small\r\n")
    assert "MAIL FROM:<alice@example.org> SIZE=7" in mx.lines


def test_octets_above_127_need_8bitmime(world: World):
    mx = world.mx()
    assert codes(world.deliver(content="grün\r\n".encode())) == OK
    assert "MAIL FROM:<alice@example.org> SIZE=7 BODY=8BITMIME" in mx.lines
    mx.offers.remove("8BITMIME")
    world.transports.close()
    world._made = None
    assert codes(world.deliver(content="grün\r\n".encode())) == {"bob": (554, "5.6.3")}
    assert codes(world.deliver(content=b"green\r\n")) == OK


def test_the_null_sender_and_the_name_of_the_senders_domain(world: World):
    mx = world.mx()
    world.transports.deliver(world.mail()._replace(sender=""))
    assert "MAIL FROM:<> SIZE=21" in mx.lines and "EHLO mx.example.org" in mx.lines


@pytest.mark.parametrize(
    ("names", "dates", "why"),
    [
        (("mx.peer.test",), (-2 * DAY, -DAY), "mx.peer.test has a certificate that is expired"),
        (("mx.peer.test",), (DAY, 2 * DAY), "mx.peer.test has a certificate that is not valid yet"),
        (("other.test",), (-DAY, DAY), "mx.peer.test has a certificate for another name"),
        (("127.0.0.1",), (-DAY, DAY), "mx.peer.test has a certificate for another name"),
    ],
)
def test_a_certificate_must_be_valid_for_the_host(
    world: World, names: tuple[str, ...], dates: tuple[datetime.timedelta, ...], why: str
):
    mx = world.mx(context=world.authority.context(*names, begins=dates[0], ends=dates[1]))
    outcome = world.deliver()
    assert codes(outcome) == {"bob": (451, "4.7.5")} and text(outcome) == why
    assert "MAIL" not in mx.commands()
    world.policies["peer.test"] = Policy(verify=False)
    assert codes(world.deliver()) == OK


def test_a_certificate_must_be_of_a_known_authority(world: World, tmp_path):
    world.mx(context=Authority(tmp_path, "Another CA").context("mx.peer.test"))
    outcome = world.deliver()
    assert codes(outcome) == {"bob": (451, "4.7.5")}
    assert text(outcome) == "mx.peer.test has a certificate of an unknown authority"


def test_a_connection_to_an_untrusted_host_does_not_serve_a_domain_that_wants_trust(world: World):
    world.mx(context=world.authority.context("other.test"))
    world.policies["lax.test"] = Policy(verify=False)
    world.dns.exchanges["lax.test"] = ((10, "mx.peer.test"),)
    assert codes(world.deliver(domain="lax.test")) == OK
    assert codes(world.deliver()) == {"bob": (451, "4.7.5")}


def test_a_server_without_starttls_gets_nothing(world: World):
    mx = world.mx(context=None)
    outcome = world.deliver()
    assert codes(outcome) == {"bob": (451, "4.7.4")}
    assert text(outcome) == "mx.peer.test does not offer STARTTLS"
    assert "MAIL" not in mx.commands()


def test_but_where_the_operator_allows_it(world: World):
    mx = world.mx(context=None)
    world.policies["peer.test"] = Policy(tls=False)
    assert codes(world.deliver()) == OK
    assert "STARTTLS" not in mx.commands()


@pytest.mark.parametrize("said", [b"454 4.7.0 TLS not available\r\n", b"220 go\r\n250 injected\r\n", close])
def test_starttls_that_fails_or_is_abused(world: World, said):
    mx = world.mx()
    mx.says["STARTTLS"] = said
    assert codes(world.deliver())["bob"][0] == 451
    assert "MAIL" not in mx.commands()


def test_a_handshake_that_hangs(world: World):
    world.options["tls_seconds"] = 0.3
    mx = world.mx()
    mx.says["STARTTLS"] = lambda c: c.sock.sendall(b"220 go\r\n")
    outcome = world.deliver()
    assert codes(outcome) == {"bob": (451, "4.7.5")}
    assert text(outcome) == "mx.peer.test does not answer within 0.3 seconds in the TLS handshake"


def test_ehlo_that_is_refused(world: World):
    world.mx().says["EHLO"] = b"550 5.7.1 bad name\r\n"
    assert codes(world.deliver()) == {"bob": (550, "5.7.1")}


def test_the_whole_try_is_bounded(world: World):
    world.options |= {"try_seconds": 0.5, "data_reply_seconds": 60.0}
    mx = world.mx()
    mx.says["."] = silent
    outcome = world.deliver()
    assert codes(outcome) == {"bob": (451, "4.4.2")}
    assert text(outcome) == "mx.peer.test: No answer for the whole message within 0.5 seconds"
    for _ in range(2):
        world.deliver()
    assert world.transports.down_until("peer.test") > world.now  # it counts as a host that is down


def test_what_is_no_address_is_not_said_to_anybody(world: World):
    mx = world.mx()
    bad = "x> BODY=7BIT\r\nRCPT TO:<y@peer.test"
    outcome = world.deliver("bob@peer.test", bad)
    assert outcome.replies[bad].code == 553 and outcome.replies["bob@peer.test"].code == 250
    assert mx.mails[0].recipients == ["bob@peer.test"]
    mail = world.mail()._replace(sender="a\r\nb@example.org")
    assert codes(world.transports.deliver(mail)) == {"bob": (553, "5.1.7")}


def test_a_message_that_goes_round_in_circles_stops(world: World):
    mx = world.mx()
    hops = b"Received: from a by b\r\n" * 100
    assert codes(world.deliver(content=hops + b"\r\nReceived: body\r\n")) == OK
    assert codes(world.deliver(content=hops + b"received: c\r\n\r\nx\r\n")) == {"bob": (554, "5.4.6")}
    assert len(mx.mails) == 1


def test_no_more_connections_than_allowed_at_the_same_time(world: World):
    world.options["connections_per_host"] = 3
    mx = world.mx()
    mx.says["."] = lambda c: (gevent.sleep(0.01), b"250 2.0.0 ok\r\n")[1]
    outcomes = [gevent.spawn(world.deliver) for _ in range(20)]
    gevent.joinall(outcomes)
    assert all(codes(one.value) == OK for one in outcomes)
    assert mx.most == 3 and len(mx.mails) == 20


def test_killed_in_the_middle_it_leaves_nothing_behind(world: World):
    mx = world.mx()
    mx.says["."] = silent
    trying = gevent.spawn(world.deliver)
    until(lambda: "DATA" in mx.commands())
    trying.kill()
    until(lambda: mx.now == 0)
    del mx.says["."]
    assert codes(world.deliver()) == OK
