"""Delivery status notifications (RFC 3464): mail that tells a sender which recipients did not get a message."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from chatgate.mail.headers import fields, split
from chatgate.reply import Reply

# Fields by which the sender, or the sender's client, recognises the message.
_QUOTED = frozenset((b"message-id", b"date", b"from", b"to", b"subject"))
_LONGEST = 2000  # octets of such a field
_LONGEST_TEXT = 400  # of an address, or of a reason; an address has up to 320
_LOOKED_AT = 1000  # fields of a header, which may be as long as the message


@dataclass(frozen=True, slots=True)
class Failure:
    """One recipient who did not get the message. status: an enhanced status code (RFC 3463). reason: a few words for a
    person, printed after a colon. code: an SMTP reply code. host: the other server that refused it, or was tried last;
    "" if none was.
    """

    recipient: str
    status: str
    reason: str
    code: int = 550
    host: str = ""

    @classmethod
    def refused(cls, recipient: str, why: Reply, host: str = "") -> Failure:
        """From the Reply that refused this recipient. A reply's text often begins with the recipient, who is named
        before the colon anyway.
        """
        return cls(recipient, why.status, why.text.removeprefix(f"<{recipient}>: "), why.code, host)


class Occasion(NamedTuple):
    """What a notice is about. action: of RFC 3464 §2.3.3. opening: before the recipients. closing: behind them; "" for
    advice that fits why each of them failed.
    """

    subject: str
    action: str
    opening: str
    closing: str = ""


# Some were refused, or had no room, when the message came; the others have got it.
LEFT_OUT = Occasion(
    "Not delivered to everybody", "failed", "These have not got your message:", "All others you sent it to have."
)
# Delivery elsewhere was tried, and given up.
GIVEN_UP = Occasion("Not delivered", "failed", "Your message was not delivered to:")
# It is still tried.
DELAYED = Occasion(
    "Not delivered yet",
    "delayed",
    "Your message has not been delivered yet to:",
    "It is still being tried. There is no need to send it again: you will be told if it is given up.",
)

# What a person can do, by how the status of a failure begins (RFC 3463); the first that fits.
_ADVICE = (
    ("5.1.1", "Check that the address is right. The person may have left that server."),
    ("5.1.", "Check that the address is right, above all what is behind the @."),
    ("5.2.2", "The person has to make room first. Then send it again."),
    ("5.2.3", "Send something smaller."),
    ("5.3.4", "Send something smaller."),
    ("5.4.7", "Send it again later, or reach the person in another way."),
    ("5.7.", "That server, or yours, does not take such a message. Whoever runs your server can find out why."),
    ("", "Reach the person in another way. The operators of the two servers can tell more."),
)


def notice(
    domain: str, sender: str, content: bytes, failures: Sequence[Failure], occasion: Occasion = LEFT_OUT
) -> bytes:
    """The notification to the sender of a message. domain: the mail domain that the notification is from. content: the
    message, of which only some header fields are quoted, among them the Message-ID, by which Delta Chat finds the
    message and marks it as failed.

    Delta Chat shows the subject and the first part as the reason, and accepts such mail from a "mailer-daemon" only.
    Since 2.50 it ignores it unless `force_encryption` is off, and does not report single members of groups.
    """
    boundary = secrets.token_hex(12)
    lines = [
        f"From: Mail delivery <mailer-daemon@{domain}>",
        f"To: <{sender}>",
        f"Subject: {occasion.subject}",
        time.strftime("Date: %a, %d %b %Y %H:%M:%S +0000", time.gmtime()),
        f"Message-ID: <{secrets.token_hex(16)}@{domain}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        *_words(failures, occasion),
        "",
        f"--{boundary}",
        "Content-Type: message/delivery-status",
        "",
        f"Reporting-MTA: dns; {domain}",
        "",
    ]
    for failure in failures:
        lines += [
            f"Final-Recipient: rfc822; {_ascii(failure.recipient)}",
            f"Action: {occasion.action}",
            f"Status: {failure.status}",
            *([f"Remote-MTA: dns; {_ascii(failure.host)}"] if failure.host else []),
            f"Diagnostic-Code: smtp; {failure.code} {failure.status} {_ascii(failure.reason)}",
            "",
        ]
    lines += [f"--{boundary}", "Content-Type: text/rfc822-headers", "", ""]
    head = "\r\n".join(lines).encode("ascii", "replace")
    return head + _quoted(content) + f"\r\n--{boundary}--\r\n".encode()


def _words(failures: Sequence[Failure], occasion: Occasion) -> list[str]:
    lines = [occasion.opening, ""]
    for failure in failures:
        reason = _ascii(failure.reason)
        # Many a reason names the host itself.
        if failure.host and failure.host.lower() not in reason.lower():
            reason = f"the server {_ascii(failure.host)} says: {reason}"
        lines.append(f"{_ascii(failure.recipient)}: {reason}")
    if occasion.closing:
        return [*lines, "", occasion.closing]
    advice = dict.fromkeys(next(text for begins, text in _ADVICE if one.status.startswith(begins)) for one in failures)
    return [*lines, "", *advice]


def _ascii(text: str) -> str:
    """The text as one line of printable ASCII that is not too long, whatever it was."""
    return "".join(char if " " <= char <= "~" else "?" for char in text[:_LONGEST_TEXT])


def _quoted(content: bytes) -> bytes:
    """The first field of each name, if it is short and in ASCII."""
    found: dict[bytes, bytes] = {}
    for name, field in islice(fields(split(content)[0]), _LOOKED_AT):
        if name in _QUOTED and len(field) <= _LONGEST and field.isascii():
            found.setdefault(name, field)
    return b"".join(found.values())
