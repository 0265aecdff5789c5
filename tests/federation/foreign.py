"""Postfix and opendkim as Debian has them, and a gateway, in both directions. Runs inside a namespace:
`python foreign.py FOLDER`.
"""

from __future__ import annotations

import smtplib
import sys
import time
from collections.abc import Callable
from pathlib import Path

from account import Account, encrypted, fields, new_identity
from bed import Bed, bed
from people import until
from postfix import Postfix, lay_over

HERE, THERE = "red.example", "post.example"
NEITHER = 2500  # a port of postfix where nothing is signed or checked


class Story:
    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        lay_over(bed.folder)
        self.red = bed.relay(11, HERE)
        self.post = Postfix(bed, 15, THERE, ("peter", "petra"))

    def tell(self) -> None:
        self.post.start()
        self.red.start()
        self.alice = Account(self.red)
        chapters: list[Callable[[], None]] = [
            self.from_here_signed_and_verified_there,
            self.from_there_signed_and_verified_here,
            self.nobody_there_nobody_here,
            self.what_is_not_signed_well,
            self.they_check_our_certificate,
            self.we_check_theirs,
        ]
        for chapter in chapters:
            begin = time.monotonic()
            chapter()
            print(f"{chapter.__name__}: {time.monotonic() - begin:.1f} s", flush=True)
        self.post.stop()
        self.bed.stop()

    def from_here_signed_and_verified_there(self) -> None:
        sent = self.alice.sends(f"peter@{THERE}", f"petra@{THERE}")
        for who in ("peter", "petra"):
            mail = self.there(who, sent)
            results = [line for line in fields(mail) if line.startswith("Authentication-Results:")]
            assert any("dkim=pass" in line and f"header.d={HERE}" in line for line in results), fields(mail)

    def from_there_signed_and_verified_here(self) -> None:
        mail = self.alice.gets(self.peter_sends(self.alice.address))
        assert not [line for line in fields(mail) if line.startswith(("DKIM-Signature:", "Received:"))], fields(mail)
        large = new_identity()
        self.submit(encrypted(f"peter@{THERE}", large, 3_000_000), self.alice.address)
        assert len(self.alice.gets(large)) > 2_900_000

    def nobody_there_nobody_here(self) -> None:
        """Each tells its own sender: we by a notice that names whom there is not, they by theirs, signed."""
        nobody = f"nobody@{THERE}"
        self.alice.sends(nobody)
        notice = self.alice.gets(nobody).decode()
        assert "multipart/report" in notice and "Action: failed" in notice and "5.1.1" in notice, notice
        assert "User unknown" in notice, notice
        gone = f"gone12345@{HERE}"
        self.peter_sends(gone)
        mail = self.there("peter", "no such user here").decode()
        assert gone in mail and "550" in mail, mail
        # A notice of theirs for somebody here: only signed, and only of the domain that it names, does it pass.
        relayed = new_identity()
        content = encrypted(self.alice.address, relayed)
        with smtplib.SMTP(self.post.host.address, NEITHER, timeout=60) as smtp:
            smtp.sendmail(self.alice.address, [f"nowhere@unknown.{HERE}"], content)
        assert f"MAILER-DAEMON@{THERE}".lower() in self.alice.gets(relayed).decode().lower()

    def what_is_not_signed_well(self) -> None:
        self.post.restart(dkim=False)
        self.refused("554 5.7.1 No DKIM signature found")
        self.post.restart(key="another")
        self.refused("554 5.7.1 No valid DKIM signature found")
        self.post.restart()
        # No answer from the DNS is nobody's fault: they are to try again.
        since, asked = len(self.post.log()), f"post._domainkey.{THERE}"
        self.bed.dns.fault(asked, "servfail")
        self.red.stop()
        self.red.start()  # with no key in its memory
        sent = self.peter_sends(self.alice.address)
        assert " 451 " in self.post.says("status=deferred", since), self.post.log()[since:]
        self.bed.dns.fault(asked)
        self.alice.gets(sent, 120)

    def they_check_our_certificate(self) -> None:
        """As with MTA-STS: the certificate must be valid for the host that is the MX."""
        since = len(self.post.log())
        self.post.restart(smtp_tls_security_level="secure")
        self.alice.gets(self.peter_sends(self.alice.address))
        assert "Verified TLS connection established" in self.post.says(f"TLS connection established to {HERE}", since)
        assert "status=sent" in self.post.says(f"to=<{self.alice.address}>", since)

    def we_check_theirs(self) -> None:
        """Nothing goes to a host that cannot show who it is: the sender hears why, in the end."""
        self.red.stop()
        self.red.set("maildb", queue_days="0.0002")  # 17 seconds, in which one more try fails
        self.red.start()
        for name, days_ago in (("elsewhere.example", 0), (self.post.name, 3)):
            self.post.certificate(name, days_ago)
            self.post.restart()
            since = len(self.post.log())
            sent = self.alice.sends(f"peter@{THERE}")
            until("it has been tried", lambda: "certificate" in str(self.red.json("queue", "list")))
            notice = self.alice.gets(sent).decode()
            assert "certificate" in notice and self.post.name in notice, notice
            assert not [mail for mail in self.post.mails("peter") if sent.encode() in mail]
            assert "from=<" not in self.post.log()[since:], "the message went over a connection that proves nothing"
        self.post.certificate(self.post.name)
        self.post.restart()
        self.there("peter", self.alice.sends(f"peter@{THERE}"))

    def refused(self, text: str) -> None:
        """Peter hears of it from his own server."""
        since = len(self.post.log())
        sent = self.peter_sends(self.alice.address)
        assert text in self.post.says("status=bounced", since), self.post.log()[since:]
        assert not [mail for mail in self.alice.mails() if sent.encode() in mail]

    def peter_sends(self, *recipients: str) -> str:
        sent = new_identity()
        self.submit(encrypted(f"peter@{THERE}", sent), *recipients)
        return sent

    def submit(self, content: bytes, *recipients: str) -> None:
        with smtplib.SMTP(self.post.host.address, timeout=60) as smtp:
            smtp.sendmail(f"peter@{THERE}", recipients, content)

    def there(self, who: str, text: str) -> bytes:
        """The mail with this in it, once postfix has put it into a mailbox."""
        found: list[bytes] = []

        def come() -> bool:
            found[:] = [mail for mail in self.post.mails(who) if text.encode() in mail]
            return bool(found)

        until(f"{who} has a mail with {text!r}", come)
        return found[0]


def main(folder: Path) -> None:
    with bed(folder) as made:
        story = Story(made)
        try:
            story.tell()
        except BaseException:
            print(f"--- {THERE} ---\n{story.post.log()[-8000:]}", flush=True)
            raise


if __name__ == "__main__":
    main(Path(sys.argv[1]))
