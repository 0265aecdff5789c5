"""The message that a trial hands on, if the operator wants one to be."""

from __future__ import annotations

import secrets
import time
from typing import NamedTuple

from chatgate.api import Gateway, Reply


class Mail(NamedTuple):
    """As the courier's transports take it."""

    domain: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    trace: str


class NotSigned(Exception):
    """str() says why."""


def mail(gateway: Gateway, domain: str, recipient: str) -> Mail:
    """A message from this domain of ours to the recipient, signed. Raises NotSigned."""
    signed = gateway.intake.signed("", _notice(domain, recipient))
    if isinstance(signed, Reply):
        raise NotSigned(f"the message could not be signed: {signed.text}")
    return Mail(recipient.rpartition("@")[2].lower(), "", (recipient,), signed, "doctor")


def _notice(domain: str, recipient: str) -> bytes:
    """A notice that a message is delayed which never was: chatmail servers take it, as they take bounces, although it
    is not encrypted; Delta Chat drops it unseen, as it knows no such message.
    """
    boundary, number = secrets.token_hex(12), secrets.token_hex(16)
    lines = [
        f"From: Mail delivery <mailer-daemon@{domain}>",
        f"To: <{recipient}>",
        "Subject: Test of the way between two mail servers",
        time.strftime("Date: %a, %d %b %Y %H:%M:%S +0000", time.gmtime()),
        f"Message-ID: <{number}@{domain}>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"The operator of {domain} tests whether mail from there arrives. Nothing needs to be done.",
        "",
        f"--{boundary}",
        "Content-Type: message/delivery-status",
        "",
        f"Reporting-MTA: dns; {domain}",
        "",
        f"Final-Recipient: rfc822; {recipient}",
        "Action: delayed",
        "Status: 4.0.0",
        "",
        f"--{boundary}",
        "Content-Type: text/rfc822-headers",
        "",
        f"Message-ID: <test-{number}@{domain}>",
        "",
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(lines).encode("ascii")
