"""How a command ends other than with OK: handlers raise these, and the session writes the tagged line in one place."""

from __future__ import annotations

from chatgate.api import Reply


class Refusal(Exception):
    """text: one line for the client. code: a response code (RFC 3501 §7.1, RFC 5530) without brackets, or ""."""

    word = b"NO"

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = code

    def line(self) -> bytes:
        """The tagged answer without its tag: word, code and text."""
        return tagged(self.word, self.text, self.code)


class No(Refusal):
    """The command was understood but cannot be carried out."""


class Bad(Refusal):
    """The command breaks the grammar or is not allowed in this state."""

    word = b"BAD"


class Bye(Exception):
    """The connection cannot go on. text: for the untagged BYE."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = code


def code_of(reply: Reply, refused: str = "") -> str:
    """The response code of a refusal: its own, or UNAVAILABLE (RFC 5530 §3) if temporary, or `refused` if permanent."""
    return reply.imap or ("UNAVAILABLE" if reply.temporary else refused)


class Closed(Exception):
    """The client is gone; there is nobody to answer."""


def tagged(word: bytes, text: str, code: str = "") -> bytes:
    """`OK [CODE] text`: every answer has a text, as Python's imaplib cannot read a line without one."""
    if code:
        return b"%s [%s] %s" % (word, code.encode(), text.encode("ascii", "replace"))
    return b"%s %s" % (word, text.encode("ascii", "replace"))
