"""POST /mxdeliv: mail to another chatmail server by HTTPS, where port 25 is blocked or slow."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from chatgate.api import Reply
from chatgate_courier.transport import replies
from chatgate_courier.transport.advice import advice
from chatgate_courier.transport.contract import Answers, Failed, Step, Tell
from chatgate_courier.transport.message import Body
from chatgate_courier.transport.options import TransportOptions
from chatgate_courier.transport.wire import Broken, Slow, Wire

_LONGEST = 8192  # octets of a line of an answer
_MOST_FIELDS = 100
_MOST_INTERIM = 10
_MOST_BODY = 65536
_SMALL = 16384  # octets of a body that is sent together with the header
_LAST_WORDS = 5.0  # seconds for what a server had to say that closed the connection while it got a message
_AT_ONCE = 90  # recipients of a request: many servers take 100 fields of a header
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: .*)?", re.DOTALL)
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,7})[ \t]*(?:;.*)?", re.DOTALL)


class Response(NamedTuple):
    """fields: names in lower case; of several with one name the last."""

    status: int
    fields: dict[str, str]
    body: bytes
    keep: bool


class HttpsConnection:
    """One connection to one host, for one request after the other."""

    def __init__(self, options: TransportOptions, sock: Any, host: str, port: int) -> None:
        self.host, self.wire = host, Wire(sock, options.block_seconds)
        self.sent, self.since = 0, time.monotonic()
        self._options = options
        name = f"[{host}]" if ":" in host else host
        self._start = f"POST /mxdeliv HTTP/1.1\r\nHost: {name if port == 443 else f'{name}:{port}'}\r\n"
        self._leaving = False

    @property
    def reusable(self) -> bool:
        """May another message follow?"""
        return (
            not self._leaving
            and self.sent < self._options.messages_per_connection
            and time.monotonic() - self.since < self._options.connection_seconds
        )

    def send(self, sender: str, recipients: Sequence[str], body: Body | None, tell: Tell | None = None) -> Answers:
        """Hand on one message. body: None asks only whether such requests are understood. Raises Failed if they are
        not, or no answer came: then the mail may go by SMTP.
        """
        answers = Answers({})
        for start in range(0, len(recipients), _AT_ONCE):
            some = recipients[start : start + _AT_ONCE]
            try:
                answer = self._one(sender, some, body)
            except Failed as error:
                self._leaving = True
                if not answers.replies:
                    raise
                rest = dict.fromkeys(recipients[start:], error.reply)
                return Answers(answers.replies | rest, answers.shared, answers.wait, error.fault)
            if tell is not None:
                for reply in dict.fromkeys(answer.replies.values()):
                    ok = reply.accepts or body is None  # without a message a refusal shows that it is understood
                    understood = "" if body is not None else ", as it should to a question without a message"
                    detail = f"{self.host} says: {reply.code} {reply}{understood}"
                    tell(Step("POST", ok, detail, "" if ok else advice(reply)))
            answers = Answers(
                answers.replies | answer.replies, answers.shared + answer.shared, max(answers.wait, answer.wait)
            )
        return answers

    def quit(self) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        self._leaving = True
        self.wire.close()

    def _one(self, sender: str, recipients: Sequence[str], body: Body | None) -> Answers:
        octets = body.octets if body is not None else b""
        lines = [self._start, f"X-MAIL-FROM: {sender}\r\n" if sender else ""]
        lines += [f"X-MAIL-TO: {one}\r\n" for one in recipients]
        if len(recipients) > 1:
            lines.append("X-MAIL-STATUS: each\r\n")
        lines.append(f"Content-Type: application/octet-stream\r\nContent-Length: {len(octets)}\r\n\r\n")
        head = "".join(lines).encode()
        self.sent += 1
        try:
            response = self._ask(head, octets)
        except Broken as error:
            reply = Reply(451, "4.4.2", f"{self.host} {error} at POST")
            raise Failed(
                "POST", reply, "It may be overloaded, or no mail server", slow=isinstance(error, Slow)
            ) from None
        if not response.keep:
            self._leaving = True
        answers = judge(response, recipients, self._options.max_retry_after_seconds)
        if answers is None:
            raise Failed(
                "POST",
                Reply(451, "4.4.2", f"{self.host} answers {response.status} to a POST of mail"),
                "It is no chatmail server, or an old one: mail goes by SMTP",
                fault=False,
            )
        return answers

    def _ask(self, head: bytes, octets: bytes) -> Response:
        try:
            if len(octets) < _SMALL:
                self.wire.send(head + octets)
            else:
                self.wire.send(head)
                self.wire.send(octets)
        except Broken:
            # Many servers refuse what is too large as soon as they see its length, and close the connection.
            self._leaving = True
            self.wire.wait(_LAST_WORDS)
            return read(self.wire)
        self.wire.wait(self._options.https_seconds)
        return read(self.wire)


def read(wire: Wire) -> Response:
    """The next response that is no interim one. Raises Broken."""
    for _ in range(_MOST_INTERIM):
        found = _STATUS.fullmatch(wire.line(_LONGEST))
        if found is None:
            raise Broken("sends something that is not HTTP")
        minor, status = found[1], int(found[2])
        fields = _fields(wire)
        if status >= 200:
            break
    else:
        raise Broken("sends interim answers without end")
    keep = minor == b"1" and "close" not in fields.get("connection", "").lower()
    length = fields.get("content-length", "")
    if status in (204, 304):
        return Response(status, fields, b"", keep)
    if "transfer-encoding" in fields:
        if fields["transfer-encoding"].strip().lower() != "chunked":
            raise Broken("sends an answer in an unknown coding")
        return Response(status, fields, _chunks(wire), keep)
    if length:
        if not (length.isascii() and length.isdigit() and len(length) < 10):
            raise Broken("sends something that is not HTTP")
        if int(length) > _MOST_BODY:
            return Response(status, fields, wire.exactly(_MOST_BODY), False)
        return Response(status, fields, wire.exactly(int(length)), keep)
    return Response(status, fields, wire.rest(_MOST_BODY), False)


def _fields(wire: Wire) -> dict[str, str]:
    fields: dict[str, str] = {}
    for _ in range(_MOST_FIELDS):
        line = wire.line(_LONGEST)
        if not line:
            return fields
        name, colon, value = line.partition(b":")
        if not colon:
            raise Broken("sends something that is not HTTP")
        key = name.decode("latin-1").lower()
        if key in ("content-length", "transfer-encoding") and key in fields:  # which one holds?
            raise Broken("sends something that is not HTTP")
        fields[key] = value.decode("latin-1").strip()
    raise Broken("sends too many header fields")


def _chunks(wire: Wire) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        found = _CHUNK.fullmatch(wire.line(_LONGEST))
        if found is None:
            raise Broken("sends something that is not HTTP")
        count = int(found[1], 16)
        size += count
        if size > _MOST_BODY:
            raise Broken("sends an answer that is too long")
        if not count:
            _fields(wire)  # trailers
            return b"".join(pieces)
        pieces.append(wire.exactly(count))
        if wire.line(2):
            raise Broken("sends something that is not HTTP")


def judge(response: Response, recipients: Sequence[str], most_wait: float) -> Answers | None:
    """What an answer says to each recipient; None if it is none to mail, but that of some other web server.

    Servers differ: chatgate has a line for each recipient where that was asked for. Others answer an accepted message
    200 with "250 OK" or "OK"; a refused one 400, or 503 where it may come again, with the SMTP reply. Some say 400 in
    any case, so the reply counts, and not the status.
    """
    status, text = response.status, response.body.strip()
    if response.fields.get("x-mail-status", "").lower() == "each":
        each = [replies.parse(line) for line in text.split(b"\r\n")]
        if len(each) == len(recipients) and all(each):
            return Answers({one: _final(reply) for one, reply in zip(recipients, each, strict=True) if reply})
    reply = replies.parse(text)
    after = response.fields.get("retry-after", "")
    wait = min(float(after), most_wait) if after.isascii() and after.isdigit() and len(after) < 10 else 0.0
    if status == 200:
        if reply is None and text.upper() in (b"", b"OK"):
            reply = Reply(250, "2.0.0", "OK")
        if reply is None or not 200 <= reply.code < 300:
            return None  # a page, for example
    elif status == 503 and after and (reply is None or not reply.temporary):
        reply = Reply(451, "4.3.2", "The server takes no mail at the moment")
    elif status not in (400, 413, 503) or reply is None or reply.code < 400:
        return None
    return Answers(dict.fromkeys(recipients, reply), tuple(recipients), wait if reply.temporary else 0.0)


def _final(reply: Reply) -> Reply:
    """3xx is no answer to a message."""
    return Reply(451, "4.5.0", reply.text) if 300 <= reply.code < 400 else reply
