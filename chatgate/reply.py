"""An answer to a client, in terms that every protocol plugin can translate into its own."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a decision hook says to the client.

    code: an SMTP reply code (RFC 5321 §4.2), as those say more than IMAP's or HTTP's: 2xx accepts, 4xx refuses for now,
    5xx refuses for good. IMAP answers OK or NO, HTTP a status, with the same text.
    enhanced: an enhanced status code (RFC 3463) such as "5.1.1", or "".
    text: one line of printable ASCII for the person at the other end; never the text of an exception.
    imap: an IMAP response code (RFC 5530) such as "LIMIT", without brackets, or "" for the default of the plugin.
    """

    code: int
    enhanced: str = ""
    text: str = "OK"
    imap: str = ""

    @property
    def accepts(self) -> bool:
        """Is it a yes, a code below 400?"""
        return self.code < 400

    @property
    def temporary(self) -> bool:
        """The client may try the same thing again later."""
        return 400 <= self.code < 500

    @property
    def status(self) -> str:
        """An enhanced status code that always fits `code` (RFC 2034 §4): plugins may give none, or one of another
        class.
        """
        kind = str(self.code // 100)
        return self.enhanced if _STATUS.fullmatch(self.enhanced) and self.enhanced[0] == kind else f"{kind}.0.0"

    def __str__(self) -> str:
        return f"{self.enhanced} {self.text}" if self.enhanced else self.text


# The answer for every failure on our side. It must not contain the word "authentication": Delta Chat takes texts with
# it for a wrong password and tells its user so.
UNAVAILABLE = Reply(451, "4.3.0", "Temporary server problem, please try again later", imap="UNAVAILABLE")


def login_refusal(answer: object) -> Reply | None:
    """The Reply for a client when `chatgate_authenticate` answered something else than an Account. None: no plugin knew
    the address, so treat it like a wrong password. An accepting Reply, or anything that is no Reply, is a plugin's
    fault and not the password's: UNAVAILABLE.
    """
    if answer is None or (isinstance(answer, Reply) and not answer.accepts):
        return answer
    return UNAVAILABLE


def text_problem(text: str) -> str:
    """Why a text by the operator cannot be a reply's text; "" if it can."""
    if not text.isascii() or not text.isprintable() or not 0 < len(text) <= 200:
        return "one line of up to 200 ASCII characters"
    if "authentication" in text.lower():
        return 'not with the word "authentication", which Delta Chat takes for a wrong password'
    return ""
