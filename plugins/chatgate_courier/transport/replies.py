"""SMTP replies (RFC 5321 §4.2), as other servers send them: also wrong, endless, or no replies at all."""

from __future__ import annotations

import re

from chatgate.api import Reply, kept_reply
from chatgate_courier.transport.wire import Broken, Wire

_LONGEST = 2048  # octets of a line; 512 by RFC 5321 §4.5.3.1.5, which not all keep to
_MOST_LINES = 100
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_STATUS = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s+|\Z)")


class Said(tuple[int, tuple[str, ...]]):
    """A reply as it came: its code and its lines, which are printable ASCII."""

    __slots__ = ()

    @property
    def code(self) -> int:
        return self[0]

    @property
    def lines(self) -> tuple[str, ...]:
        return self[1]

    def reply(self) -> Reply:
        """As one line, with the enhanced status code apart."""
        return _reply(self.code, self.lines)


def read(wire: Wire) -> Said:
    """The next reply. Raises Broken for what is none."""
    lines: list[str] = []
    code = b""
    while len(lines) < _MOST_LINES:
        found = _LINE.fullmatch(wire.line(_LONGEST))
        if found is None or (code and found[1] != code):  # §4.2.1: all lines have the same code
            raise Broken("sends something that is not SMTP")
        code = found[1]
        lines.append(_printable(found[3] or b""))
        if found[2] != b"-":
            return Said((int(code), tuple(lines)))
    raise Broken("sends replies that are too long")


def parse(text: bytes) -> Reply | None:
    """The reply that these octets are, such as the body of an answer to a POST; None if they are none."""
    lines: list[str] = []
    code = b""
    for line in text.strip().splitlines()[:_MOST_LINES]:
        found = _LINE.fullmatch(line[:_LONGEST])
        if found is None or (code and found[1] != code):
            return None
        code = found[1]
        lines.append(_printable(found[3] or b""))
    return _reply(int(code), lines) if code else None


def _reply(code: int, lines: tuple[str, ...] | list[str]) -> Reply:
    enhanced, words = "", []
    for line in lines:
        if (found := _STATUS.match(line)) and found[1][0] == str(code)[0]:
            enhanced = enhanced or found[1]
            line = line[found.end() :]
        words.append(line)
    return kept_reply(Reply(code, enhanced, " ".join(words).strip() or "(no text)"))


def _printable(text: bytes) -> str:
    said = text.decode("ascii", "replace")
    return said if said.isprintable() and said.isascii() else "".join(c if " " <= c <= "~" else "?" for c in said)
