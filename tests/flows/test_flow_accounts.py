"""The operator's commands beside a running gateway take effect at once."""

from __future__ import annotations

import datetime
import imaplib
import json
import smtplib

import pytest
from local_gateway import LocalGateway, Login

from chatgate.testing import pgp_message


def command(gateway: LocalGateway, *arguments: str) -> str:
    done = gateway.run("accounts", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(gateway: LocalGateway, login: Login) -> None:
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        gateway.imap(login)
    with pytest.raises(smtplib.SMTPAuthenticationError):
        gateway.submissions(login)


def test_an_account_made_by_the_operator_logs_in(gateway: LocalGateway) -> None:
    made = json.loads(command(gateway, "create", "operator-s-choice", "--json"))
    assert made["address"] == f"operator-s-choice@{gateway.domain}"
    gateway.imap((made["address"], made["password"])).logout()
    refused(gateway, (made["address"], made["password"] + "x"))


def test_a_new_password_replaces_the_old_one_at_once(gateway: LocalGateway) -> None:
    login = gateway.account()
    gateway.imap(login).logout()
    with gateway.submissions(login):
        pass
    changed = json.loads(command(gateway, "passwd", login[0], "--json"))
    refused(gateway, login)
    gateway.imap((login[0], changed["password"])).logout()


@pytest.mark.parametrize("option", ("", "--free", "--final"))
def test_a_deleted_account_is_gone_with_its_mail(gateway: LocalGateway, option: str) -> None:
    alice, bob = gateway.account(), gateway.account()
    with gateway.submissions(bob) as sender:
        sender.sendmail(bob[0], alice[0], pgp_message(bob[0], alice[0], 90_000))
        command(gateway, "delete", alice[0], "--yes", *([option] if option else []))
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            sender.sendmail(bob[0], alice[0], pgp_message(bob[0], alice[0]))
    another = (alice[0], "another password")
    if option != "--free":
        refused(gateway, another)  # only who had the address may have it again
    if option == "--final":
        refused(gateway, alice)  # and not even that
    else:
        assert gateway.imap(another if option else alice).select("INBOX") == ("OK", [b"0"])


def test_a_disabled_account_waits_with_its_mail(gateway: LocalGateway) -> None:
    alice, bob = gateway.account(), gateway.account()
    with gateway.submissions(bob) as sender:
        sender.sendmail(bob[0], alice[0], pgp_message(bob[0], alice[0]))
        command(gateway, "disable", alice[0])
        with pytest.raises(imaplib.IMAP4.error, match="disabled"):
            gateway.imap(alice)
        with pytest.raises(smtplib.SMTPAuthenticationError, match="disabled"):
            gateway.submissions(alice)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            sender.sendmail(bob[0], alice[0], pgp_message(bob[0], alice[0]))
    command(gateway, "enable", alice[0])
    assert gateway.imap(alice).select("INBOX") == ("OK", [b"1"])


def test_a_deleted_account_s_open_connections_can_do_nothing_more(gateway: LocalGateway) -> None:
    alice, bob = gateway.account(), gateway.account()
    sender, reader = gateway.submissions(alice), gateway.imap(alice)
    sender.sendmail(alice[0], alice[0], pgp_message(alice[0], alice[0]))
    assert reader.select("INBOX") == ("OK", [b"1"])
    command(gateway, "delete", alice[0], "--yes")
    try:
        assert reader.uid("FETCH", "1:*", "(BODY.PEEK[])")[1] == [None]
        assert reader.select("INBOX")[0] == "NO"
        assert reader.append("INBOX", None, None, b"Subject: x\r\n\r\n")[0] == "NO"
        assert reader.create("folder")[0] == "NO"
    except imaplib.IMAP4.abort:
        pass  # thrown out is as good
    with pytest.raises((smtplib.SMTPException, OSError)):
        sender.sendmail(alice[0], bob[0], pgp_message(alice[0], bob[0]))


@pytest.mark.parametrize(
    ("what", "word"),
    [
        (("passwd", "{}"), b"* BYE [EXPIRED] The password was changed"),
        (("disable", "{}", "--reason", "Please call"), b"* BYE [CONTACTADMIN] Please call"),
        (("delete", "{}", "--yes"), b"* BYE"),
    ],
)
def test_open_connections_end_at_once(gateway: LocalGateway, what: tuple[str, ...], word: bytes) -> None:
    """Whatever they are at: waiting for a command, idling in a mailbox, amid a message. Others notice nothing."""
    alice, bob = gateway.account(), gateway.account()
    sender, writer, reader, idler = (
        gateway.submissions(alice), gateway.submissions(alice), gateway.imap(alice), gateway.imap(alice),
    )  # fmt: skip
    other, others = gateway.imap(bob), gateway.submissions(bob)
    idler.select("INBOX")
    writer.mail(alice[0]), writer.rcpt(bob[0])
    assert writer.docmd("DATA")[0] == 354
    writer.send(b"From: <" + alice[0].encode() + b">\r\n")
    with pytest.raises((imaplib.IMAP4.abort, AssertionError)), idler.idling():
        command(gateway, *(word.format(alice[0]) for word in what))
        assert idler.waits_for(rb"^\*").startswith(word)
    assert reader.readline().startswith(word)
    code, text = sender.getreply()
    assert code == 421 and text.startswith(b"4.7.0 ")
    with pytest.raises((smtplib.SMTPException, OSError)):
        writer.send(b"\r\nx\r\n.\r\n")
        code, text = writer.getreply()
        assert code == 421
        writer.noop()
        raise smtplib.SMTPServerDisconnected
    assert others.noop()[0] == 250 and other.noop()[0] == "OK"
    assert other.select("INBOX") == ("OK", [b"0"])


def test_an_app_that_idles_is_told_at_once_of_what_a_command_removes(gateway: LocalGateway) -> None:
    """Nobody else does anything, and IDLE's own look is two minutes away."""
    alice = gateway.account()
    reader = gateway.imap(alice)
    with gateway.submissions(alice) as sender:
        sender.sendmail(alice[0], alice[0], pgp_message(alice[0], alice[0]))
    reader.select("INBOX")
    with reader.idling():
        swept = gateway.run("sweep", "--account", alice[0], "--now", _days_from_now(30))
        assert swept.returncode == 0, swept.stderr
        assert reader.waits_for(rb"EXPUNGE") == b"* 1 EXPUNGE\r\n"
    with pytest.raises((imaplib.IMAP4.abort, AssertionError)), reader.idling():
        command(gateway, "delete", alice[0], "--yes")
        assert b"BYE" in reader.waits_for(rb"BYE")


def _days_from_now(days: int) -> str:
    return (datetime.date.today() + datetime.timedelta(days)).isoformat()


def test_the_list_tells_what_is_there(gateway: LocalGateway) -> None:
    alice = gateway.account()
    message = pgp_message(alice[0], alice[0])
    with gateway.submissions(alice) as sender:
        sender.sendmail(alice[0], alice[0], message)
    rows = {row["address"]: row for row in json.loads(command(gateway, "list", "--json"))}
    assert rows[alice[0]]["messages"] == 1
    assert 0 < rows[alice[0]]["octets"] <= len(message)
    assert rows[alice[0]]["last_login"]
