"""Commands and their order, over real sockets."""

import logging
import smtplib

import pytest
from smtp_wire import ALICE, BOB, PASSWORD, Wire, client_tls, plain

from chatgate.api import PluginError, Reply
from chatgate.testing import imap_client, new_login, port

MAIL = b"From: <alice@example.org>\r\nSubject: [...]\r\n\r\nHello\r\n"


def test_a_mail_goes_in_by_each_of_the_three_ways(started):
    gateway, fake = started()
    with smtplib.SMTP_SSL("127.0.0.1", port(gateway, "submissions"), context=client_tls()) as client:
        client.login(ALICE, PASSWORD)
        assert client.sendmail(ALICE, [BOB], MAIL) == {}
    with smtplib.SMTP("127.0.0.1", port(gateway, "submission")) as client:
        client.starttls(context=client_tls())
        client.login(ALICE, PASSWORD)
        assert client.sendmail(ALICE, [BOB, "carol@example.org"], MAIL) == {}
    with smtplib.SMTP("127.0.0.1", port(gateway, "mx")) as client:
        client.starttls(context=client_tls())
        assert client.sendmail("someone@elsewhere.test", [BOB], MAIL) == {}
    assert [mail.content for mail in fake.mails] == [MAIL] * 3
    assert [mail.origin for mail in fake.mails] == ["account", "account", "peer"]
    assert fake.mails[1].recipients == [BOB, "carol@example.org"]
    assert fake.mails[2].sender == "someone@elsewhere.test"
    assert fake.logins == [ALICE, ALICE]


@pytest.mark.parametrize(
    "service, clear, secured",
    [
        ("submissions", None, ["AUTH PLAIN LOGIN"]),
        ("submission", ["STARTTLS"], ["AUTH PLAIN LOGIN"]),
        ("mx", ["STARTTLS"], []),
    ],
)
def test_what_ehlo_offers(wire, service, clear, secured):
    client = wire(service)
    always = ["[127.0.0.1]", "PIPELINING", "SIZE 52428800", "8BITMIME", "ENHANCEDSTATUSCODES"]
    if clear is not None:
        assert client.ask("EHLO [127.0.0.1]")[4:].split("\n") == [*always, *clear, "HELP"]
        client.start_tls()
    assert client.ask("ehlo whoever")[4:].split("\n") == [*always, *secured, "HELP"]


@pytest.mark.parametrize("service", ["submission", "mx"])
def test_nothing_happens_before_tls(wire, service):
    client = wire(service).hello()
    for command in (
        "MAIL FROM:<alice@example.org>",
        "RCPT TO:<bob@example.org>",
        "DATA",
        "AUTH PLAIN " + plain(ALICE, PASSWORD),
        "VRFY bob",
        "HELO x",
    ):
        assert client.ask(command) == "530 5.7.0 Must issue a STARTTLS command first"
    assert client.alive()
    assert client.fake.logins == client.fake.senders == []


def test_nothing_is_sent_before_login(wire):
    client = wire()
    assert client.ask("MAIL FROM:<alice@example.org>").startswith("503 5.5.1 ")
    client.hello()
    assert client.ask("MAIL FROM:<alice@example.org>").startswith("530 5.7.0 ")
    assert client.ask("RCPT TO:<bob@example.org>").startswith("503 5.5.1 ")
    assert client.ask("DATA").startswith("503 5.5.1 ")


def test_starttls_throws_away_what_came_in_clear(wire):
    client = wire("submission").hello()
    client.send("STARTTLS", "MAIL FROM:<mallory@example.org>", "NOOP")
    assert client.reply()[0] == 220
    assert client.buffer == b""
    client.sock = client_tls().wrap_socket(client.sock)
    assert client.ask("AUTH PLAIN " + plain(ALICE, PASSWORD)) == "503 5.5.1 Send EHLO first"
    client.hello().login()
    assert client.ask("STARTTLS").startswith("503 5.5.1 ")
    assert client.fake.senders == []


def test_starttls_without_a_handshake_ends(wire):
    client = wire("mx", core={"handshake_seconds": 0.3}).hello()
    assert client.ask("STARTTLS").startswith("220 ")
    client.send("EHLO again")
    assert client.ended() or client.buffer  # a TLS alert may come first
    with Wire(client.gateway, "mx") as other:
        assert other.ask("STARTTLS").startswith("220 ")
        assert other.ended()  # timed out


def test_the_order_of_commands(sender):
    client = sender()
    assert client.ask("RCPT TO:<bob@example.org>") == "503 5.5.1 Need MAIL command"
    assert client.ask("DATA") == "503 5.5.1 Need MAIL command"
    assert client.ask("mail from: <alice@example.org> size=100 BODY=8BITMIME auth=<>") == "250 2.1.0 OK"
    assert client.ask("MAIL FROM:<alice@example.org>") == "503 5.5.1 Nested MAIL command"
    assert client.ask("DATA") == "554 5.5.1 No valid recipients"
    assert client.ask("rcpt TO: <bob@example.org>") == "250 2.1.5 OK"
    assert client.ask("RSET") == "250 2.0.0 OK"
    assert client.ask("RCPT TO:<bob@example.org>") == "503 5.5.1 Need MAIL command"
    client.start_mail()
    assert client.ask(".").startswith("250 2.0.0 OK ")
    assert client.ask("DATA") == "503 5.5.1 Need MAIL command"
    client.start_mail()
    assert client.ask("x", ".").startswith("250 2.0.0 OK ")
    assert client.ask("MAIL FROM:<alice@example.org>") == "250 2.1.0 OK"
    client.hello()  # forgets the transaction too
    assert client.ask("RCPT TO:<bob@example.org>") == "503 5.5.1 Need MAIL command"
    assert [mail.content for mail in client.fake.mails] == [b"", b"x\r\n"]


def test_small_commands(sender):
    client = sender()
    assert client.ask("NOOP with words") == "250 2.0.0 OK"
    for address in ("bob@example.org", "nobody@example.org", "<x@y.test>", ""):
        assert client.ask(f"VRFY {address}").startswith("252 2.0.0 ")
    assert client.ask("HELP") == (
        "214 2.0.0 Commands: AUTH DATA EHLO EXPN HELO HELP MAIL NOOP QUIT RCPT RSET STARTTLS VRFY"
    )
    assert client.ask("help MAIL").startswith("214 2.0.0 ")
    assert client.ask("EXPN list").startswith("502 5.5.1 ")
    assert client.ask("RSET now").startswith("501 5.5.4 ")
    assert client.ask("STARTTLS now").startswith("501 5.5.4 ")
    assert client.ask("QUIT now").startswith("501 5.5.4 ")
    assert client.ask("HELO x") == "250 [127.0.0.1]"
    assert client.ask("quit") == "221 2.0.0 Bye"
    assert client.ended()


@pytest.mark.parametrize(
    "command, answer",
    [
        ("MAIL", "501 5.5.4"),
        ("MAIL alice@example.org", "501 5.5.4"),
        ("MAIL FROM:alice@example.org", "501 5.5.4"),
        ("MAIL FROM:<alice@example.org", "501 5.5.4"),
        ("MAIL FROM:<alice@example.org>SIZE=1", "501 5.5.4"),
        ("MAIL FROM:<<alice@example.org>>", "501 5.5.4"),
        ("MAIL FROM:<alice@example.org.>", "553 5.1.3"),
        ('MAIL FROM:<"alice"@example.org>', "553 5.1.3"),
        ("MAIL FROM:<@relay.test:alice@example.org>", "553 5.1.3"),
        ("MAIL FROM:<älice@example.org>".encode() + b"\r\n", "553 5.6.7"),
        (b"MAIL FROM:<\xff@example.org>\r\n", "553 5.6.7"),
        ("MAIL FROM:<alice@example.org> SIZE=52428801", "552 5.3.4"),
        ("MAIL FROM:<alice@example.org> SIZE=99999999999999999999999999999999", "501 5.5.4"),
        ("MAIL FROM:<alice@example.org> SIZE=-1", "501 5.5.4"),
        ("MAIL FROM:<alice@example.org> SIZE=", "501 5.5.4"),
        ("MAIL FROM:<alice@example.org> SIZE", "501 5.5.4"),
        ("MAIL FROM:<alice@example.org> BODY=BINARYMIME", "501 5.5.4"),
        ("MAIL FROM:<alice@example.org> SMTPUTF8", "555 5.5.4"),
        ("MAIL FROM:<alice@example.org> FOO=BAR", "555 5.5.4"),
        ("EHLO", "501 5.5.4"),
        ("EHLO two words", "501 5.5.4"),
        ("EHLO ü", "501 5.5.4"),
        ("HELO", "501 5.5.4"),
        ("", "500 5.5.2"),
        (" NOOP", "500 5.5.1"),
        ("BDAT 10", "500 5.5.1"),
        ("__class__", "500 5.5.1"),
        ("PUSH x", "500 5.5.1"),
        (b"N\xd6\xd6P\r\n", "500 5.5.2"),
        (b"\0\0\0\r\n", "500 5.5.1"),
    ],
)
def test_refused_commands(sender, command, answer):
    client = sender()
    assert client.ask(command).startswith(answer + " ")
    assert client.alive()


@pytest.mark.parametrize("address", ["", "bob@example.org", "alice@example.net"])
def test_a_foreign_sender_is_refused_at_rcpt(sender, address):
    """As Postfix does it, and clients look for it there."""
    client = sender()
    assert client.refused(address) == "553 5.7.1 Sender address rejected: not owned by user"
    client.start_mail()
    assert client.ask(".").startswith("250 ")


@pytest.mark.parametrize(
    "command, answer",
    [
        ("RCPT", "501 5.5.4"),
        ("RCPT TO:bob@example.org", "501 5.5.4"),
        ("RCPT FROM:<bob@example.org>", "501 5.5.4"),
        ("RCPT TO:<bob@example.org> NOTIFY=NEVER", "555 5.5.4"),
        ("RCPT TO:<>", "553 5.1.3"),
        ("RCPT TO:<bob>", "553 5.1.3"),
        ("RCPT TO:<böb@example.org>", "553 5.6.7"),
        ("RCPT TO:<nobody@example.org>", "550 5.1.1"),
        ("RCPT TO:<bob@elsewhere.test>", "550 5.1.2"),
        ("RCPT TO:<bob@[127.0.0.9]>", "550 5.1.2"),
        ("RCPT TO:<PostMaster>", "250 2.1.5"),
        ("RCPT TO:<Bob+tag@EXAMPLE.org>", "250 2.1.5"),
    ],
)
def test_recipients(sender, command, answer):
    client = sender()
    assert client.ask("MAIL FROM:<ALICE@example.org>") == "250 2.1.0 OK"
    assert client.ask(command).startswith(answer + " ")
    assert client.ask("RCPT TO:<bob@example.org>") == "250 2.1.5 OK"


def test_an_address_at_an_ip_literal(wire):
    client = wire(domain="[127.0.0.4]").hello().login("u@[127.0.0.4]")
    client.start_mail("u@[127.0.0.4]", "v@[127.0.0.4]")
    assert client.ask(".").startswith("250 ")
    client.start_mail("u@127.0.0.4", "v@127.0.0.4", "w@[127.0.0.4]")
    assert client.ask(".").startswith("250 ")
    mail = client.fake.mails[1]
    assert (mail.sender, mail.recipients) == ("u@[127.0.0.4]", ["v@[127.0.0.4]", "w@[127.0.0.4]"])


def test_mx_takes_mail_for_its_own_only(wire):
    client = wire("mx").hello().start_tls()
    assert client.ask("AUTH PLAIN " + plain(ALICE, PASSWORD)).startswith("502 5.5.1 ")
    assert client.ask("MAIL FROM:<> AUTH=<>").startswith("555 5.5.4 ")
    assert client.ask("MAIL FROM:<>") == "250 2.1.0 OK"
    assert client.ask("RCPT TO:<x@elsewhere.test>") == "550 5.7.1 Relaying denied"
    assert client.ask("RCPT TO:<nobody@example.org>") == "550 5.1.1 No such user"
    assert client.ask("RCPT TO:<bob@example.org>") == "250 2.1.5 OK"
    assert client.ask("DATA").startswith("354 ")
    assert client.ask(".").startswith("250 ")
    assert client.fake.mails[0].sender == ""


def test_a_pipelined_transaction(sender):
    client = sender()
    client.send("MAIL FROM:<alice@example.org>", "RCPT TO:<bob@example.org>", "DATA")
    codes = [reply[:9] for reply in client.replies(3)]
    assert codes == ["250 2.1.0", "250 2.1.5", "354 End d"]
    client.send("one", ".", "MAIL FROM:<alice@example.org>", "RCPT TO:<bob@example.org>", "DATA")
    codes = [reply[:9] for reply in client.replies(4)]
    assert codes == ["250 2.0.0", "250 2.1.0", "250 2.1.5", "354 End d"]
    client.send("two", ".", "QUIT")
    assert [reply[:3] for reply in client.replies(2)] == ["250", "221"]
    assert client.ended()
    assert [(mail.content, mail.recipients) for mail in client.fake.mails] == [(b"one\r\n", [BOB]), (b"two\r\n", [BOB])]


def test_pipelining_with_no_recipient_left(sender):
    client = sender()
    client.send("MAIL FROM:<alice@example.org>", "RCPT TO:<nobody@example.org>", "DATA", "RSET", "NOOP")
    codes = [reply[:9] for reply in client.replies(5)]
    assert codes == ["250 2.1.0", "550 5.1.1", "554 5.5.1", "250 2.0.0", "250 2.0.0"]


def test_everything_at_once_before_the_login_is_answered_one_by_one(wire):
    client = wire()
    client.send(
        "EHLO [127.0.0.1]",
        "MAIL FROM:<alice@example.org>",
        "AUTH PLAIN " + plain(ALICE, PASSWORD),
        "MAIL FROM:<alice@example.org>",
        "RCPT TO:<bob@example.org>",
        "DATA",
        "impatient",
        ".",
        "QUIT",
    )
    codes = [reply[:3] for reply in client.replies(8)]
    assert codes == ["250", "530", "235", "250", "250", "354", "250", "221"]
    assert client.fake.mails[0].content == b"impatient\r\n"


def test_replies_to_pipelined_commands_come_in_one_write(wire):
    client = wire("mx")
    client.send("NOOP", "NOOP", "NOOP")
    client.reply()
    assert client.buffer.count(b"\r\n") == 2


def test_a_refusing_connect_is_the_greeting(started):
    gateway, fake = started()
    for reply, greeting in (
        (Reply(450, "4.7.1", "Not now"), "421 4.7.1 Not now"),
        (Reply(550, "5.7.1", "Not you"), "554 5.7.1 Not you"),
        (Reply(554, "", "Evil\r\n220 "), "554 5.0.0"),
    ):
        fake.answers["connect"] = lambda session, reply=reply: reply
        for service in ("submissions", "submission", "mx"):
            with Wire(gateway, service, greeting=False) as client:
                assert client.line() == greeting
                assert client.ended()
    fake.answers["connect"] = lambda session: Reply(250)
    with Wire(gateway, "mx") as client:
        assert client.alive()


def test_a_failing_plugin_refuses_and_tells_nothing(started, caplog):
    gateway, fake = started()

    def broken(*facts):
        raise RuntimeError("secret detail")

    with Wire(gateway).hello().login() as client:
        for hook in ("sender", "recipient"):
            fake.answers[hook] = broken
            assert client.refused(ALICE) == "451 4.3.0 Temporary server problem, please try again later"
            del fake.answers[hook]
        client.start_mail()
        fake.answers["store"] = broken
        assert client.ask(".") == "451 4.3.0 Temporary server problem, please try again later"
        del fake.answers["store"]
        client.start_mail()
        assert client.ask(".").startswith("250 ")
    fake.answers["connect"] = broken
    with Wire(gateway, greeting=False) as client:
        assert client.line() == "421 4.3.0 Temporary server problem, please try again later"
    assert "secret detail" not in caplog.text


def test_an_error_of_our_own_tells_nothing_either(sender, monkeypatch, caplog):
    client = sender()
    client.start_mail()
    monkeypatch.setattr(client.gateway.intake, "accept", lambda session, envelope: 1 / 0)
    assert client.ask(".") == "451 4.3.0 Temporary server problem, please try again later"
    assert "ZeroDivisionError" in caplog.text and "division by zero" not in caplog.text
    assert client.ask("DATA").startswith("503 ")
    assert client.alive()


def test_a_reply_that_would_break_its_line_loses_its_text(sender):
    client = sender()
    client.fake.answers["sender"] = lambda session, address: Reply(550, "5.7.1", "no\r\n250 yes")
    assert client.refused(ALICE) == "550 5.7.1"
    assert client.alive()


def test_the_log_holds_nothing_of_clients(started, caplog):
    caplog.set_level(logging.DEBUG)
    gateway, fake = started()
    with Wire(gateway).hello() as client:
        client.ask("AUTH PLAIN " + plain(ALICE, "wrong"))
        client.ask("AUTH LOGIN " + plain(ALICE, "wrong"))
        client.ask("*")
        client.login()
        client.start_mail()
        client.ask("Subject: hidden-subject", "", "hidden-body", ".")
        client.ask("GARBAGE 127.0.0.1")
    for hidden in ("127.0.0.1", PASSWORD, plain(ALICE, PASSWORD), plain(ALICE, "wrong"), "hidden"):
        assert hidden not in caplog.text
    told = [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG]
    assert not any("alice" in text or "bob" in text for text in told)


def test_metadata_says_how_many_recipients_a_message_may_have(started):
    gateway, _ = started(max_recipients=77)

    def ask(mailbox, entry):
        return gateway.hub.get_metadata(session=None, mailbox=mailbox, entry=entry)

    assert ask("", "/shared/vendor/deltachat/maxsmtprecipients") == b"77"
    assert ask("INBOX", "/shared/vendor/deltachat/maxsmtprecipients") is None
    assert ask("", "/shared/admin") is None


def test_check(started, monkeypatch):
    gateway, _ = started(submissions=(), submission=())
    assert "mx" in [s.name for s in gateway.services] and "submissions" not in [s.name for s in gateway.services]
    smtp = gateway.hub.plugin("smtp")
    assert [problem.level for problem in smtp.chatgate_check()] == ["warning"]
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.0")
    assert [problem.level for problem in smtp.chatgate_check()] == ["error", "warning"]


def test_one_setting_says_how_large_a_message_may_be(gateway_factory):
    gateway = gateway_factory("tls", "maildb", "passwordless", "smtp", "imap", core={"max_message_bytes": 70_000})
    with Wire(gateway) as client:
        assert "\nSIZE 70000\n" in client.ask("EHLO x")
    with imap_client(gateway, new_login(gateway)) as client:
        assert "APPENDLIMIT=70000" in client.capability()[1][0].decode().split()


def test_a_budget_must_hold_the_largest_message(started):
    with pytest.raises(PluginError, match="max_inflight_bytes: must be max_message_bytes of 00-chatgate.toml or more"):
        started(max_inflight_bytes=1000)
