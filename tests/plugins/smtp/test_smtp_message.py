"""DATA over real sockets: where it ends, what is refused, and that the session is in step afterwards."""

import contextlib

import gevent
import pytest
from chatgate_smtp.options import SmtpOptions
from smtp_wire import ALICE, BOB, Wire

from chatgate.api import Reply

SMUGGLED = b"MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nsmuggled\r\n"

# What other servers have taken for the end of DATA.
FALSE_ENDS = {
    "LF . LF": b"\n.\n",
    "CR . CR": b"\r.\r",
    "CRLF . LF": b"\r\n.\n",
    "CRLF . CR": b"\r\n.\r",
    "LF . CRLF": b"\n.\r\n",
    "CR . CRLF": b"\r.\r\n",
    "CR . LF": b"\r.\n",
    "LF . CR": b"\n.\r",
    "CRLF . CRCRLF": b"\r\n.\r\r\n",
    "CRCRLF . CRLF": b"\r\r\n.\r\r\n",
    "CRLF . NUL CRLF": b"\r\n\0.\r\n",
    "LF CR . LF CR": b"\n\r.\n\r",
    "CRLF . blank CRLF": b"\r\n. \r\n",
    "CRLF .. CRLF": b"\r\n..\r\n",
}
CLEAN = {"CRLF . NUL CRLF", "CRLF . blank CRLF", "CRLF .. CRLF"}


@pytest.mark.parametrize("name", FALSE_ENDS)
def test_nothing_but_crlf_dot_crlf_ends_a_message(sender, name):
    client = sender()
    client.start_mail()
    client.send(b"before" + FALSE_ENDS[name] + SMUGGLED + b".\r\n")
    reply = client.reply()
    if name in CLEAN:
        assert reply[0] == 250
        assert b"smuggled" in client.fake.mails[0].content
    else:
        assert reply == (554, "5.6.0 Message refused: a bare CR or LF in it, lines end with CR LF")
        assert client.fake.mails == []
    assert client.alive()
    assert len(client.fake.senders) == 1  # no second MAIL came to life


@pytest.mark.parametrize("bare", [b"a\rb", b"a\nb", b"\r\n\ra", b"\n", b"\r", b"a\r\r\nb"])
def test_bare_cr_and_lf_are_refused(sender, bare):
    client = sender()
    client.start_mail()
    client.send(b"Subject: x\r\n\r\n" + bare + b"\r\n.\r\n")
    assert client.reply()[0] == 554
    assert client.alive() and client.fake.mails == []
    client.start_mail()
    assert client.ask("clean", ".").startswith("250 ")


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_a_message_in_small_pieces(sender, step):
    client = sender()
    client.start_mail()
    stuffed = b"..one\r\n...\r\n\r\nx.\r\n..\r\n.\r\nNOOP\r\n"
    for at in range(0, len(stuffed), step):
        client.send(stuffed[at : at + step])
        gevent.sleep(0)
    assert client.replies(2)[1] == "250 2.0.0 OK"
    assert client.fake.mails[0].content == b".one\r\n..\r\n\r\nx.\r\n.\r\n"


def test_eight_bit_and_nul_come_through_untouched(sender):
    client = sender()
    content = bytes(octet for octet in range(256) if octet not in b"\r\n") * 3 + b"\r\n"
    client.start_mail()
    client.send(content, b".\r\n")
    assert client.reply()[0] == 250
    assert client.fake.mails[0].content == content


@pytest.mark.parametrize("octets, code", [(4999, 250), (5000, 250), (5001, 552), (5003, 552), (9000, 552)])
def test_the_size_limit_is_exact(sender, octets, code):
    client = sender(core={"max_message_bytes": 5000})
    client.start_mail()
    content = b".\r\n" + (b"." * 98 + b"\r\n") * 47
    content += b"x" * (octets - len(content) - 2) + b"\r\n"
    assert len(content) == octets
    client.send(b"." + content.replace(b"\r\n.", b"\r\n.."), b".\r\n", b"NOOP\r\n")
    first, second = client.replies(2)
    assert first.startswith(str(code)) and second == "250 2.0.0 OK"
    assert [len(mail.content) for mail in client.fake.mails] == ([octets] if code == 250 else [])


def test_too_much_is_read_to_its_end_and_refused(sender):
    client = sender(core={"max_message_bytes": 100_000})
    assert "SIZE 100000" in client.ask("EHLO x")
    client.start_mail()
    client.send(b"x" * 70 + b"\r\n")
    for _ in range(19):
        client.send((b"y" * 98 + b"\r\n") * 100)
    client.send(b"NOOP\r\nQUIT\r\n.\r\n")
    assert client.reply() == (552, "5.3.4 Message exceeds maximum size")
    assert client.alive() and client.fake.mails == []
    assert client.gateway.hub.plugin("smtp").receiving.uploads[True].free == SmtpOptions().max_inflight_bytes
    client.start_mail()
    assert client.ask("small", ".").startswith("250 ")


def test_a_message_without_end_is_cut_off(sender):
    client = sender(core={"max_message_bytes": 10_000})
    client.start_mail()
    with pytest.raises(OSError):
        for _ in range(2000):
            client.send(b"x" * 10_000)
            gevent.sleep(0)
    # One that looks at its replies has this one: it is not lost to a reset.
    other = Wire(client.gateway).hello().login()
    other.start_mail()
    other.send(b"x" * 200_000)
    assert other.reply() == (552, "5.3.4 Message exceeds maximum size")
    other.close()


def test_a_line_too_long(sender):
    client = sender(max_line_bytes=1000)
    for length, code in ((998, 250), (999, 554), (100_000, 554)):
        client.start_mail()
        client.send(b"short\r\n", b"x" * length + b"\r\n", b"short\r\n.\r\n")
        assert client.reply()[0] == code
        assert client.alive()


def test_too_many_recipients(sender):
    client = sender(max_recipients=3)
    assert client.ask("MAIL FROM:<alice@example.org>").startswith("250 ")
    assert client.ask("RCPT TO:<nobody@example.org>").startswith("550 ")  # counts too
    for name in "ab":
        assert client.ask(f"RCPT TO:<{name}@example.org>") == "250 2.1.5 OK"
    assert client.ask("RCPT TO:<c@example.org>") == "452 4.5.3 Too many recipients"
    assert client.ask("DATA").startswith("354 ")
    assert client.ask(".").startswith("250 ")
    assert client.fake.mails[0].recipients == ["a@example.org", "b@example.org"]
    client.start_mail(ALICE, "a@example.org", "b@example.org", "c@example.org")


def test_a_thousand_recipients_in_one_go(sender):
    client = sender()
    names = [f"user{number}@example.org" for number in range(1000)]
    client.send("MAIL FROM:<alice@example.org>", *(f"RCPT TO:<{name}>" for name in names), "DATA")
    assert [reply[:3] for reply in client.replies(1002)] == ["250"] * 1001 + ["354"]
    assert client.ask(".").startswith("250 ")
    assert client.fake.mails[0].recipients == names


def test_refused_recipients_are_no_errors(sender):
    client = sender(max_errors=3)
    assert client.ask("MAIL FROM:<alice@example.org>").startswith("250 ")
    for _ in range(20):
        assert client.ask("RCPT TO:<nobody@example.org>").startswith("550 ")
    assert client.ask("RCPT TO:<bob@example.org>").startswith("250 ")


FULL = (452, "4.3.1 Too much mail at once, try again later")
SMALL = {"max_inflight_bytes": 100_000, "max_inflight_bytes_mx": 100_000, "core": {"max_message_bytes": 100_000}}


def lines(octets):
    return (b"x" * 98 + b"\r\n") * (octets // 100)


def when(so):
    for _ in range(500):
        if so():
            return
        gevent.sleep(0.01)
    raise AssertionError("it never came to that")


def test_unfinished_mail_of_all_connections_is_bounded_and_the_slowest_gives_way(started):
    gateway, fake = started(**SMALL)
    uploads = gateway.hub.plugin("smtp").receiving.uploads[True]
    with Wire(gateway).hello().login() as slow, Wire(gateway).hello().login("fast@example.org") as fast:
        slow.start_mail()
        slow.send(lines(70_000))
        when(lambda: uploads.free == 30_000)
        gevent.sleep(0.3)
        fast.start_mail("fast@example.org")
        fast.send(lines(90_000) + b".\r\n")
        assert fast.reply()[0] == 250
        slow.send(b"the rest\r\n.\r\n")
        assert slow.reply() == FULL
        assert slow.alive() and uploads.free == 100_000
        slow.start_mail()
        slow.send(lines(70_000))
        when(lambda: uploads.free == 30_000)
    when(lambda: uploads.free == 100_000)  # also of clients that went away
    assert [len(mail.content) for mail in fake.mails] == [90_000]


def test_mail_of_strangers_leaves_room_for_that_of_accounts(started):
    """32 of them with half a message each took it all from everybody for as long as they liked."""
    gateway, _ = started(**SMALL)
    uploads = gateway.hub.plugin("smtp").receiving.uploads
    evil = [Wire(gateway, "mx").hello().start_tls() for _ in range(4)]
    for client in evil:
        client.start_mail("evil@example.com").send(lines(24_000))
    when(lambda: uploads[False].free == 4_000)
    with Wire(gateway).hello().login() as client, Wire(gateway, "mx").hello().start_tls() as server:
        client.start_mail()
        client.send(lines(90_000) + b".\r\n")
        assert client.reply()[0] == 250
        gevent.sleep(2)
        server.start_mail("friend@example.net")
        server.send(lines(50_000) + b".\r\n")
        assert server.reply()[0] == 250
    for client in evil:
        client.close()


def test_a_message_that_comes_too_slowly_is_cut_off_and_one_that_keeps_the_pace_is_not(started):
    gateway, fake = started(min_upload_rate=1000, data_idle_seconds=0.5)
    with Wire(gateway).hello().login() as slow, Wire(gateway).hello().login() as steady:
        slow.start_mail()
        steady.start_mail()
        cut = gevent.spawn(slow.line)
        for _ in range(30):
            with contextlib.suppress(OSError):
                slow.send(b"x" * 8 + b"\r\n")  # 200 octets a second
            steady.send(b"x" * 198 + b"\r\n")  # 4000
            gevent.sleep(0.05)
        assert cut.get(timeout=60) == "421 4.4.2 Timeout, closing connection"
        assert steady.ask(".").startswith("250 ")
    assert len(fake.mails) == 1


def test_a_refusal_of_the_filter_is_the_answer(sender):
    client = sender()
    refusal = Reply(523, "", "Encryption Needed: Invalid Unencrypted Mail")
    client.fake.answers["filter"] = lambda session, envelope: refusal
    client.start_mail()
    assert client.ask("plain", ".") == "523 Encryption Needed: Invalid Unencrypted Mail"
    del client.fake.answers["filter"]
    client.start_mail(ALICE, BOB, "carol@example.org")
    assert client.ask("again", ".").startswith("250 2.0.0 OK ")


def test_held_replies_go_out_before_a_message_is_stored(sender):
    client = sender()
    may_go_on = gevent.event.Event()
    client.fake.answers["store"] = may_go_on.wait
    client.send("MAIL FROM:<alice@example.org>", "RCPT TO:<bob@example.org>", "DATA", "impatient", ".")
    assert [reply[:3] for reply in client.replies(3)] == ["250", "250", "354"]
    may_go_on.set()
    assert client.reply()[0] == 250
