"""Somebody with an account, as a plain mail client sees it."""

from __future__ import annotations

import imaplib
import re
import secrets
import smtplib
from collections import Counter
from collections.abc import Sequence

from bed import NO_CHECK, Relay
from people import until

# Not that of chatgate.testing, which has gevent take the place of threads: these scripts block as they like.
from contrib.bench.payload import encrypted_body

SECONDS = 60


class Account:
    """Made on the gateway by its first login. domain: one of the gateway's, its first if none is given."""

    def __init__(self, relay: Relay, domain: str = "") -> None:
        self.relay = relay
        domain = domain or (f"[{relay.host.address}]" if relay.literal else relay.domains[0])
        self.address = f"{secrets.token_hex(5)[:9]}@{domain}"
        self._password = secrets.token_hex(11)
        self.imap().logout()

    def imap(self) -> imaplib.IMAP4_SSL:
        imap = imaplib.IMAP4_SSL(self.relay.host.address, ssl_context=NO_CHECK, timeout=SECONDS)
        imap.login(self.address, self._password)
        return imap

    def mails(self) -> list[bytes]:
        """All in INBOX, in the order in which they came."""
        with self.imap() as imap:
            if not int(imap.select("INBOX", readonly=True)[1][0] or 0):
                return []
            answer = imap.fetch("1:*", "(BODY.PEEK[])")[1]
            return [part[1] for part in answer if isinstance(part, tuple)]

    def identities(self) -> Counter[str]:
        """How often a mail with each Message-ID is there."""
        found = (re.search(rb"^message-id:\s*(<.*?>)", mail, re.IGNORECASE | re.MULTILINE) for mail in self.mails())
        return Counter(one[1].decode() for one in found if one)

    def count(self, identity: str) -> int:
        return self.identities()[identity]

    def gets(self, text: str, seconds: float = SECONDS) -> bytes:
        """The mail with this in it, once it is there."""
        found: list[bytes] = []

        def there() -> bool:
            found[:] = [mail for mail in self.mails() if text.encode() in mail]
            return bool(found)

        until(f"{self.address} has a mail with {text!r}", there, seconds)
        return found[0]

    def session(self) -> smtplib.SMTP_SSL:
        smtp = smtplib.SMTP_SSL(self.relay.host.address, context=NO_CHECK, timeout=SECONDS)
        smtp.login(self.address, self._password)
        return smtp

    def sends(self, *recipients: str, octets: int = 4096) -> str:
        """An encrypted message; its Message-ID, by which it is found again."""
        identity = new_identity()
        content = encrypted(self.address, identity, octets)
        with self.session() as smtp:
            refused = smtp.sendmail(self.address, recipients, content)
        assert not refused, refused
        return identity


def new_identity() -> str:
    return f"<{secrets.token_hex(12)}@localhost>"


def encrypted(sender: str, identity: str, octets: int = 4096) -> bytes:
    """A message as Delta Chat sends it, of about this many octets. identity: its Message-ID."""
    boundary = secrets.token_hex(12)
    head = (
        f'From: <{sender}>\r\nTo: "hidden-recipients": ;\r\nSubject: [...]\r\nMessage-ID: {identity}\r\n'
        "Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="{boundary}"\r\n\r\n'
    )
    return head.encode() + encrypted_body(octets, boundary)


def fields(mail: bytes) -> Sequence[str]:
    """The fields of the header, unfolded."""
    head = mail.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("utf-8", "replace")
    return head.replace("\n\t", " ").replace("\n ", " ").splitlines()
