"""The way of a message through a whole gateway, as ordinary clients see it."""

from __future__ import annotations

import email
import imaplib
import json
import smtplib
import urllib.request

import pytest
from local_gateway import HTTPS, MX, LocalGateway, bodies, number

from chatgate.testing import client_tls, pgp_message


def same_body(got: bytes, sent: bytes) -> bool:
    """The header may change on the way, the body may not."""
    return got.partition(b"\r\n\r\n")[2] == sent.partition(b"\r\n\r\n")[2]


def test_from_first_login_to_deletion(gateway: LocalGateway) -> None:
    alice, bob = gateway.nobody(), gateway.nobody()
    reader = gateway.imap(bob)
    assert reader.select("INBOX") == ("OK", [b"0"])
    uidvalidity, uidnext = number(reader, "UIDVALIDITY"), number(reader, "UIDNEXT")
    for count, port in enumerate((gateway.submissions, gateway.submission), 1):
        message = pgp_message(alice[0], bob[0])
        with reader.idling():
            with port(alice) as sender:
                assert sender.sendmail(alice[0], bob[0], message) == {}
            reader.waits_for(b"^\\* %d EXISTS" % count)
        got = bodies(reader)[uidnext + count - 1]
        assert same_body(got, message)
        assert email.message_from_bytes(got)["Message-ID"] == email.message_from_bytes(message)["Message-ID"]
    reader.uid("STORE", f"1:{uidnext}", "+FLAGS", r"(\Deleted)")
    reader.close()
    assert reader.select("INBOX") == ("OK", [b"1"])
    assert list(bodies(reader)) == [uidnext + 1]
    reader.uid("STORE", f"{uidnext + 1}", "+FLAGS", r"(\Deleted)")
    reader.close()
    assert reader.select("INBOX") == ("OK", [b"0"])
    assert (number(reader, "UIDVALIDITY"), number(reader, "UIDNEXT")) == (uidvalidity, uidnext + 2)


def test_one_message_for_many_is_in_every_mailbox_once(gateway: LocalGateway) -> None:
    people = [gateway.account() for _ in range(5)]
    alice, message = people[0], pgp_message(people[0][0], people[1][0])
    with gateway.submissions(alice) as sender:
        sender.sendmail(alice[0], [address for address, _ in people], message)
    for person in people:
        reader = gateway.imap(person)
        assert reader.select("INBOX") == ("OK", [b"1"])
        assert same_body(*bodies(reader).values(), message)


def test_an_unknown_recipient_is_refused_at_once(gateway: LocalGateway) -> None:
    alice = gateway.nobody()
    with gateway.submissions(alice) as sender, pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
        sender.sendmail(alice[0], f"nobodyhere@{gateway.domain}", pgp_message(alice[0], "x@y"))
    ((code, _),) = refusal.value.recipients.values()
    assert code == 550


def test_cleartext_does_not_pass(gateway: LocalGateway) -> None:
    alice, bob = gateway.nobody(), gateway.account()
    clear = f"From: <{alice[0]}>\r\nTo: <{bob[0]}>\r\nSubject: hi\r\n\r\nhello\r\n"
    with gateway.submissions(alice) as sender, pytest.raises(smtplib.SMTPDataError) as refusal:
        sender.sendmail(alice[0], bob[0], clear)
    assert (refusal.value.smtp_code, b"Invalid Unencrypted Mail" in refusal.value.smtp_error) == (523, True)
    assert gateway.imap(bob).select("INBOX") == ("OK", [b"0"])


def test_a_password_once_chosen_is_the_password(gateway: LocalGateway) -> None:
    address, password = gateway.account()
    with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
        gateway.submissions((address, password + "x"))
    assert refusal.value.smtp_code == 535
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        gateway.imap((address, password + "x"))
    gateway.imap((address, password)).logout()


def test_the_account_the_site_hands_out_logs_in(gateway: LocalGateway) -> None:
    request = urllib.request.Request(f"https://{gateway.host}:{HTTPS}/new", method="POST")
    with urllib.request.urlopen(request, timeout=60, context=client_tls()) as answer:
        new = json.load(answer)
    assert new["email"].endswith(f"@{gateway.domain}")
    login = (new["email"], new["password"])
    with gateway.submissions(login) as sender:
        sender.sendmail(new["email"], new["email"], pgp_message(new["email"], new["email"]))
    assert gateway.imap(login).select("INBOX") == ("OK", [b"1"])


def test_mail_survives_an_ordinary_restart(gateway: LocalGateway) -> None:
    alice, bob = gateway.nobody(), gateway.account()
    message = pgp_message(alice[0], bob[0])
    with gateway.submissions(alice) as sender:
        sender.sendmail(alice[0], bob[0], message)
    reader = gateway.imap(bob)
    reader.select("INBOX")
    before = number(reader, "UIDVALIDITY"), bodies(reader)
    assert gateway.stop() == 0
    gateway.start()
    reader = gateway.imap(bob)
    reader.select("INBOX")
    assert (number(reader, "UIDVALIDITY"), bodies(reader)) == before
    assert same_body(*before[1].values(), message)


def test_an_other_device_s_flags_do_not_stand_among_the_answers_to_fetch(gateway: LocalGateway) -> None:
    """Delta Chat takes every FETCH response for one to its own command, and gives up when it holds no size."""
    alice = gateway.account()
    with gateway.submissions(alice) as sender:
        for _ in range(2):
            sender.sendmail(alice[0], alice[0], pgp_message(alice[0], alice[0]))
    phone, tablet = gateway.imap(alice), gateway.imap(alice)
    for device in (phone, tablet):
        device.select("INBOX")
    phone.uid("STORE", "1", "+FLAGS", r"(\Seen)")
    for uids in ("2", "3:502", "1:2"):
        status, answers = tablet.uid("FETCH", uids, "(UID RFC822.SIZE)")
        assert status == "OK"
        assert all(answer is None or b"RFC822.SIZE" in answer for answer in answers), answers
    with tablet.idling():
        tablet.waits_for(rb"^\* 1 FETCH .*FLAGS \(.*\\Seen")


def from_elsewhere(gateway: LocalGateway) -> smtplib.SMTP:
    """Connected to port 25's stand-in as another mail server."""
    client = smtplib.SMTP(gateway.host, MX, timeout=60)
    client.starttls(context=client_tls())
    return client


def test_mail_from_elsewhere_comes_in_when_it_is_encrypted(gateway: LocalGateway) -> None:
    bob, stranger = gateway.account(), "stranger@elsewhere.test"
    message = pgp_message(stranger, bob[0])
    clear = f"From: <{stranger}>\r\nTo: <{bob[0]}>\r\nSubject: hi\r\n\r\nhello\r\n"
    with from_elsewhere(gateway) as client:
        assert client.sendmail(stranger, bob[0], message) == {}
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            client.sendmail(stranger, bob[0], clear)
    assert refusal.value.smtp_code == 523
    reader = gateway.imap(bob)
    assert reader.select("INBOX") == ("OK", [b"1"])
    assert same_body(*bodies(reader).values(), message)


def test_it_is_no_open_relay(gateway: LocalGateway) -> None:
    bob = gateway.account()
    for sender in ("stranger@elsewhere.test", bob[0], ""):
        with from_elsewhere(gateway) as client, pytest.raises(smtplib.SMTPException) as refusal:
            client.sendmail(
                sender, "somebody@third.test", pgp_message(sender or "mailer-daemon@x.test", "somebody@third.test")
            )
        assert refusal.type in (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused)


def test_nobody_sends_in_another_s_name(gateway: LocalGateway) -> None:
    alice, bob = gateway.account(), gateway.account()
    with gateway.submissions(alice) as sender:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            sender.sendmail(bob[0], bob[0], pgp_message(bob[0], bob[0]))
        with pytest.raises(smtplib.SMTPDataError):
            sender.sendmail(alice[0], bob[0], pgp_message(bob[0], bob[0]))
    assert gateway.imap(bob).select("INBOX") == ("OK", [b"0"])
