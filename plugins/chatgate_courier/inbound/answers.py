"""What a request is answered: SMTP's replies, and the status of HTTP that says the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bottle import HTTPResponse

from chatgate.api import Reply

EACH = "each"  # the value of X-MAIL-STATUS

_RETRY_SECONDS = "60"


class Answers:
    """line: a reply as SMTP writes it. each: does the sender understand one answer for each recipient?"""

    def __init__(self, line: Callable[[Reply], str], each: bool) -> None:
        self._line, self.each = line, each

    def of(self, replies: Sequence[Reply]) -> HTTPResponse:
        """replies: one for each recipient, in their order; only if the sender understands that, some may be positive
        and others not.
        """
        status = _status(replies)
        if self.each:
            response = said(status, "".join(f"{self._line(reply)}\r\n" for reply in replies))
            response.set_header("X-MAIL-STATUS", EACH)
        else:
            response = said(status, "250 OK" if status == 200 else self._line(worst(replies)))
        if status == 503:
            response.set_header("Retry-After", _RETRY_SECONDS)
        return response


def worst(replies: Sequence[Reply]) -> Reply:
    """The one that says most about all: that they may try again, if this holds for any of them."""
    return min(replies, key=lambda reply: (reply.accepts, not reply.temporary))


def said(status: int, text: str, close: bool = False) -> HTTPResponse:
    """close: what else comes on the connection is of no use."""
    headers = {"Content-Type": "text/plain; charset=us-ascii", "Cache-Control": "no-store"}
    return HTTPResponse(text, status, headers | ({"Connection": "close"} if close else {}))


def _status(replies: Sequence[Reply]) -> int:
    accepted = sum(reply.accepts for reply in replies)
    if accepted:
        return 200 if accepted == len(replies) else 207
    if any(reply.temporary for reply in replies):
        return 503
    return 413 if all(reply.code == 552 for reply in replies) else 400
