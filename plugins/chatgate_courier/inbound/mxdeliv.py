"""A request to /mxdeliv is one mail transaction. It goes through the same steps as one on port 25."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bottle
from bottle import HTTPError, HTTPResponse

from chatgate.api import MOST, Envelope, Gateway, Reply, Session, Upload, Work
from chatgate_courier.inbound.answers import EACH, Answers, said

if TYPE_CHECKING:
    from chatgate_courier.inbound.steps import Data, Receiving

PATH = "/mxdeliv"

_CHUNK = 16384
# What a line of a single dot has for each dot that stuffing adds: by so much the body can be larger than the content.
_STUFFED, _PLAIN = 4, 3

NO_RECIPIENT = Reply(501, "5.5.4", "X-MAIL-TO is missing")
ENDS_EARLY = Reply(554, "5.6.0", "Message refused: a line that is a single dot, which must be doubled")
NO_END = Reply(554, "5.6.0", "Message refused: its last line does not end with CR LF")
TOO_BIG = Reply(552, "5.3.4", "Message exceeds maximum size")


class _Lost(Exception):
    """The rest of the body will not come."""


class Inbound:
    """The page of a site for it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def add_to(self, app: bottle.Bottle) -> None:
        """It is there if the plugin smtp is, whose limits hold here."""
        if self._gateway.hub.plugin("smtp") is not None:
            # It looks at the length and at TLS itself, to answer in words of SMTP; the memory for uploads and the
            # number of connections are its limits, as on port 25.
            app.route(PATH, "ANY", self.take, max_body=MOST, plain_http=True, counted=False, discreet=True)

    @property
    def _receiving(self) -> Receiving:
        found: Receiving = self._gateway.hub.plugin("smtp").receiving
        return found

    def take(self) -> HTTPResponse:
        """One request."""
        environ = bottle.request.environ
        if self._gateway.config.core.discreet and (environ["REQUEST_METHOD"], "HTTP_X_MAIL_TO" in environ) != (
            "POST",
            True,
        ):
            raise HTTPError(404)  # only who brings mail finds this
        if environ["REQUEST_METHOD"] != "POST":
            answer = said(405, "Method Not Allowed")
            answer.set_header("Allow", "POST")
            return answer
        client: Session = environ["chatgate.session"]
        if not client.tls:
            return said(403, "530 5.7.0 TLS is required: use https")
        if "CONTENT_LENGTH" not in environ:
            return said(411, "Length Required")
        session = Session("mxdeliv", client.peer, tls=True, server_name=client.server_name)
        recipients = _listed(environ.get("HTTP_X_MAIL_TO", ""))
        answers = Answers(self._receiving.line, environ.get("HTTP_X_MAIL_STATUS", "").strip().lower() == EACH)
        try:
            return answers.of(self._replies(session, environ, recipients, answers.each))
        except _Lost:
            return said(408, "421 4.4.2 The message did not come to its end", close=True)

    def _replies(self, session: Session, environ: dict[str, Any], recipients: list[str], each: bool) -> list[Reply]:
        """The reply for each recipient; for the message, if none is named. Without `each` the message is refused for
        all when it is for one.
        """
        length = int(environ["CONTENT_LENGTH"] or 0)
        envelope = self._begin(session, _address(environ.get("HTTP_X_MAIL_FROM", "")), length)
        if not recipients:
            return [envelope if isinstance(envelope, Reply) else NO_RECIPIENT]
        if isinstance(envelope, Reply):
            return [envelope] * len(recipients)
        receiving = self._receiving
        each_in_turn = Work().every(enumerate(recipients, 1))  # hundreds come in one header
        refused = [receiving.recipient(session, envelope, name, at) for at, name in each_in_turn]
        if not envelope.recipients or (not each and any(refused)):
            return [reply for reply in refused if reply is not None]
        body = _Body(environ["wsgi.input"], length)
        reply = receiving.message(session, envelope, body.arrive)
        return [refusal or reply for refusal in refused]

    def _begin(self, session: Session, sender: str, length: int) -> Envelope | Reply:
        """The transaction, if this client and this sender may send so much."""
        met = self._gateway.hub.connect(session=session)
        if met is not None and not met.accepts:
            return met
        receiving = self._receiving
        most = receiving.most(session)
        if length * _PLAIN > most * _STUFFED:
            return TOO_BIG
        envelope = receiving.begin(session, sender, min(length, most))
        return envelope if isinstance(envelope, Reply) else receiving.sender(session, envelope) or envelope


class _Body:
    """The body of a request, read piece by piece, with turns for everybody else in between."""

    def __init__(self, file: Any, length: int) -> None:
        self._file, self._left = file, length

    def arrive(self, data: Data, upload: Upload) -> None:
        """Feed it to `data`, which recognises the end of a message only by what ends it on port 25. Raises _Lost."""
        work = Work()
        while self._left and data.refusal is None:
            chunk = self._read(min(_CHUNK, self._left))
            self._left -= len(chunk)
            if data.feed(chunk):
                data.refuse(ENDS_EARLY)
            upload.came(len(chunk), data.held)
            work.turn()
        if data.refusal is None and not data.feed(b".\r\n"):
            data.refuse(NO_END)

    def _read(self, octets: int) -> bytes:
        try:
            chunk: bytes = self._file.read(octets)
        except OSError as error:  # of time, or the client has gone
            raise _Lost from error
        if not chunk:
            raise _Lost
        return chunk


def _listed(value: str) -> list[str]:
    """The values of all fields of one name, which pywsgi joins with commas; no address that is taken here has one."""
    return [_address(one) for one in value.split(",")] if value.strip() else []


def _address(value: str) -> str:
    value = value.strip()
    return value[1:-1] if value[:1] + value[-1:] == "<>" else value
