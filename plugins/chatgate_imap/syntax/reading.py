"""Reading a command with its literals (RFC 3501 §4.3, RFC 7888) from the wire."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

from ..session.wire import Wire
from .answers import Bye, No
from .large import FULL

_LITERAL = re.compile(rb"(~?)\{(\d{1,20})(\+?)\}$")
# Where a literal8 is allowed: the values of RFC 5464, the messages of RFC 6855 §4.
_SETMETADATA = re.compile(rb"[^ ]+ SETMETADATA ", re.I)
_UTF8 = re.compile(rb" UTF8 \(~\{\d+\+?\}$", re.I)
_MAX_PARTS = 2000

# Called with the parts read so far and the size of the next literal. Raises No if that is not allowed.
Admit = Callable[[list[bytes], int], None]


class LiteralRefused(Exception):
    """line: the beginning of the command, whose tagged answer is to be this refusal."""

    def __init__(self, line: bytes, refusal: No) -> None:
        super().__init__()
        self.line, self.refusal = line, refusal


def read_command(wire: Wire, line_limit: int, admit: Admit, swallow: Callable[[], int]) -> list[bytes]:
    """The next command: its first line, then alternately a literal and the line that continues after it. The caller
    must call `wire.release()` afterwards.

    swallow: returns the size of the largest literal (of LITERAL+) that is read and discarded if it is not admitted.
    Raises Bye, Closed, and LiteralRefused, after which the next command can be read.
    """
    line = wire.line(line_limit)
    if line[-1:] != b"}":
        return [line]
    large = wire.large
    parts = large.parts = [line]
    total = len(line)
    refusal: No | None = None
    while (match := _LITERAL.search(line)) is not None:
        size, demanded = int(match[2]), not match[3]
        if refusal is None:
            try:
                if match[1] and not (_SETMETADATA.match(parts[0]) or _UTF8.search(line)):
                    raise No("Literals with NUL are not possible", "UNKNOWN-CTE")  # literal8, RFC 3516
                admit(parts, size)
            except No as error:
                refusal = error
        if refusal is not None:
            if demanded:
                break  # no continuation: the client hears the tagged answer instead and sends no literal
            if size > swallow():
                wire.write(parts[0].split(b" ", 1)[0][:64] + b" BAD [TOOBIG] Literal too large\r\n")
                raise Bye("Literal too large", "TOOBIG")
        elif demanded:
            wire.write(b"+ Ready for literal\r\n")
        _take(wire, size, keep=refusal is None)
        line = wire.line(line_limit)
        total += len(line)
        if large.dropped and refusal is None:
            refusal = No(*FULL)
        if total > line_limit or len(parts) > _MAX_PARTS:
            raise Bye("Command line too long", "TOOBIG")
        if refusal is None:
            parts.append(line)
    if refusal is not None:
        raise LiteralRefused(parts[0], refusal)
    large.finish()
    return parts


def _take(wire: Wire, size: int, keep: bool) -> None:
    """Read the next `size` octets, as one more part, or discard them unless `keep`. Memory grows with what has arrived,
    not with the size that was announced.
    """
    large = wire.large
    seconds = large.came(0, keep)
    if keep and not large.dropped:
        large.literal = io.BytesIO()
    while size > 0:
        piece = wire.some(size, seconds)
        size -= len(piece)
        if large.literal is not None:
            large.literal.write(piece)
        seconds = large.came(len(piece), keep)
    if keep:
        large.parts.append(b"" if large.literal is None else large.literal.getvalue())
        large.literal = None
