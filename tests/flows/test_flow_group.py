"""A message to many of whom some have no room: the others get it, and nobody loses anything without a word."""

from __future__ import annotations

import email
import smtplib
from collections.abc import Callable

import pytest

from chatgate.running.gateway import Gateway
from chatgate.testing import imap_client, mx_client, new_login, pgp_message, smtp_client

Login = tuple[str, str]

QUOTA = 20_000
SENDER = "someone@elsewhere.test"


@pytest.fixture
def gateway(gateway_factory: Callable[..., Gateway]) -> Gateway:
    plugins = ("tls", "maildb", "passwordless", "gate", "smtp", "imap")
    return gateway_factory(*plugins, maildb={"quota_bytes": QUOTA}, passwordless={"scrypt_cost": 10})


def people(gateway: Gateway, count: int) -> list[Login]:
    """Accounts that have logged in once."""
    logins = [new_login(gateway) for _ in range(count)]
    for login in logins:
        imap_client(gateway, login).logout()
    return logins


def fill(gateway: Gateway, login: Login, leave: int) -> None:
    """Leave room for so many octets only."""
    account = gateway.store.account(login[0])
    assert account is not None
    content = b"x" * (QUOTA - leave - gateway.store.usage(account.id).octets)
    with imap_client(gateway, login) as imap:
        assert imap.append("Trash", "", "", content)[0] == "OK"


def inbox(gateway: Gateway, login: Login) -> list[bytes]:
    with imap_client(gateway, login) as imap:
        imap.select("INBOX", readonly=True)
        found = imap.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
        return [part[1] for part in found if isinstance(part, tuple)]


def test_those_with_room_get_it_and_the_sender_is_told_who_did_not(gateway: Gateway) -> None:
    alice, bob, carol, dave = people(gateway, 4)
    fill(gateway, carol, 100)
    fill(gateway, dave, 0)
    message = pgp_message(alice[0], bob[0])
    with smtp_client(gateway, alice) as smtp:
        assert smtp.sendmail(alice[0], [bob[0], carol[0], dave[0], alice[0]], message) == {}
    (got,) = inbox(gateway, bob)
    assert got.partition(b"\r\n\r\n")[2] == message.partition(b"\r\n\r\n")[2]
    assert inbox(gateway, carol) == inbox(gateway, dave) == []
    own, notice = inbox(gateway, alice)
    assert own.partition(b"\r\n\r\n")[2] == message.partition(b"\r\n\r\n")[2]
    report = email.message_from_bytes(notice)
    assert report["From"] == "Mail delivery <mailer-daemon@example.org>" and report["To"] == f"<{alice[0]}>"
    assert report["Auto-Submitted"] == "auto-replied"
    assert report.get_content_type() == "multipart/report" and report.get_param("report-type") == "delivery-status"
    words, status, original = report.get_payload()
    assert f"{carol[0]}: the mailbox is full" in words.get_payload() and bob[0] not in words.get_payload()
    _, *recipients = status.get_payload()
    assert [r["Final-Recipient"] for r in recipients if r.keys()] == [f"rfc822; {carol[0]}", f"rfc822; {dave[0]}"]
    assert {(r["Action"], r["Status"]) for r in recipients if r.keys()} == {("failed", "5.2.2")}
    assert original.get_content_type() == "text/rfc822-headers"
    quoted = email.message_from_string(original.get_payload())
    assert quoted["Message-ID"] == email.message_from_bytes(message)["Message-ID"]
    # The gate of another server like this one would let it pass, as it is.
    assert all(len(line) < 999 for line in notice.split(b"\r\n")) and notice.isascii()


def test_if_nobody_has_room_nothing_is_stored_and_it_is_tried_again(gateway: Gateway) -> None:
    alice, bob, carol = people(gateway, 3)
    fill(gateway, bob, 10)
    fill(gateway, carol, 10)
    with smtp_client(gateway, alice) as smtp, pytest.raises(smtplib.SMTPDataError) as refusal:
        smtp.sendmail(alice[0], [bob[0], carol[0]], pgp_message(alice[0], bob[0]))
    assert (refusal.value.smtp_code, refusal.value.smtp_error) == (452, b"4.2.2 Mailbox is full, try again later")
    assert inbox(gateway, alice) == inbox(gateway, bob) == []


def test_a_copy_for_oneself_does_not_make_it_delivered(gateway: Gateway) -> None:
    """An app with several devices sends to itself too; with a 250 it would show the message as delivered."""
    alice, bob = people(gateway, 2)
    fill(gateway, bob, 0)
    with smtp_client(gateway, alice) as smtp:
        smtp.mail(alice[0])
        assert [smtp.rcpt(login[0])[0] for login in (bob, alice)] == [250, 250]
        assert smtp.data(pgp_message(alice[0], bob[0]))[0] == 452
    assert inbox(gateway, alice) == inbox(gateway, bob) == []


def test_a_sender_without_room_is_told_all_the_same(gateway: Gateway) -> None:
    alice, bob, carol = people(gateway, 3)
    fill(gateway, alice, 0)
    fill(gateway, carol, 0)
    with smtp_client(gateway, alice) as smtp:
        assert smtp.sendmail(alice[0], [bob[0], carol[0], alice[0]], pgp_message(alice[0], bob[0])) == {}
    (notice,) = inbox(gateway, alice)
    assert carol[0].encode() in notice and b"rfc822; " + alice[0].encode() in notice
    assert len(inbox(gateway, bob)) == 1


def test_who_cannot_be_told_hears_it_at_once(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob, carol = people(gateway, 3)
    fill(gateway, alice, 0)
    fill(gateway, carol, 0)
    monkeypatch.setattr("chatgate.mail.intake._BEYOND", 100)
    with smtp_client(gateway, alice) as smtp, pytest.raises(smtplib.SMTPDataError) as refusal:
        smtp.sendmail(alice[0], [bob[0], carol[0]], pgp_message(alice[0], bob[0]))
    assert refusal.value.smtp_code == 452
    assert inbox(gateway, alice) == []


def test_other_servers_are_refused_for_the_full_one_alone(gateway: Gateway) -> None:
    bob, carol = people(gateway, 2)
    fill(gateway, carol, 1000)
    message = pgp_message(SENDER, bob[0])
    with mx_client(gateway) as smtp:  # says the size, as EHLO offers
        refused = smtp.sendmail(SENDER, [bob[0], carol[0]], message)
    full = f"4.2.2 <{carol[0]}>: mailbox is full, try again later".encode()
    assert refused == {carol[0]: (452, full)}
    assert (len(inbox(gateway, bob)), len(inbox(gateway, carol))) == (1, 0)


def test_other_servers_that_do_not_say_the_size_get_it_through_with_the_next_try(gateway: Gateway) -> None:
    bob, carol = people(gateway, 2)
    fill(gateway, carol, 1000)
    message = pgp_message(SENDER, bob[0])
    with mx_client(gateway) as smtp:
        smtp.ehlo()
        del smtp.esmtp_features["size"]
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            smtp.sendmail(SENDER, [bob[0], carol[0]], message)
        assert refusal.value.smtp_code == 452
        assert inbox(gateway, bob) == inbox(gateway, carol) == [], "not for some: all would get it twice"
        assert list(smtp.sendmail(SENDER, [bob[0], carol[0]], message)) == [carol[0]]
    assert (len(inbox(gateway, bob)), len(inbox(gateway, carol))) == (1, 0)


@pytest.mark.parametrize("gone_first", [True, False])
def test_members_whose_accounts_are_gone(gateway: Gateway, gone_first: bool) -> None:
    """All commands at once, as Delta Chat sends them."""
    alice, bob, carol, dave = people(gateway, 4)
    store = gateway.store
    accounts = {login[0]: store.account(login[0]) for login in (carol, dave)}
    store.delete_account(accounts[carol[0]].id)  # type: ignore[union-attr]
    store.set_disabled(accounts[dave[0]].id, "for spam")  # type: ignore[union-attr]
    recipients = [carol[0], dave[0], bob[0]] if gone_first else [bob[0], carol[0], dave[0]]
    message = pgp_message(alice[0], bob[0])
    commands = [f"MAIL FROM:<{alice[0]}>", *map("RCPT TO:<{}>".format, recipients)]
    with smtp_client(gateway, alice) as smtp:
        smtp.ehlo()
        smtp.send("".join(f"{command}\r\n" for command in commands))
        assert [smtp.getreply()[0] for _ in range(4)] == [250] * 4
        assert smtp.data(message)[0] == 250
    assert len(inbox(gateway, bob)) == 1
    (notice,) = inbox(gateway, alice)
    words, status, _ = email.message_from_bytes(notice).get_payload()
    assert f"{carol[0]}: no such user here" in words.get_payload()
    assert f"{dave[0]}: this account is disabled" in words.get_payload() and "spam" not in words.get_payload()
    failed = {r["Final-Recipient"]: r["Status"] for r in status.get_payload() if r["Action"]}
    assert failed == {f"rfc822; {carol[0]}": "5.1.1", f"rfc822; {dave[0]}": "5.2.1"}


def test_those_without_room_and_those_who_are_gone_are_in_one_notice(gateway: Gateway) -> None:
    alice, bob, carol = people(gateway, 3)
    fill(gateway, carol, 0)
    with smtp_client(gateway, alice) as smtp:
        smtp.sendmail(alice[0], [bob[0], carol[0], "nobody@example.org"], pgp_message(alice[0], bob[0]))
    (notice,) = inbox(gateway, alice)
    status = email.message_from_bytes(notice).get_payload()[1]
    assert [r["Status"] for r in status.get_payload() if r["Action"]] == ["5.1.1", "5.2.2"]
