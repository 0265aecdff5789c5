"""The content of DATA, taken from the wire in chunks of any size. It knows about bytes, not about sockets.

Only CR LF "." CR LF ends a message, and CR and LF may only occur together, as CR LF: a server that accepts any other
end of data can be made to see mail that nobody sent ("SMTP smuggling").
"""

from __future__ import annotations

from chatgate.api import Reply

TOO_BIG = Reply(552, "5.3.4", "Message exceeds maximum size")
BARE = Reply(554, "5.6.0", "Message refused: a bare CR or LF in it, lines end with CR LF")
LINE_TOO_LONG = Reply(554, "5.6.0", "Message refused: a line in it is too long")

_END = b"\r\n.\r\n"


class Data:
    """One message on its way in.

    limit: octets the message may have, counted as RFC 1870 §3 does: without the dots that stuffing added and
    without the final dot. Once it is exceeded nothing is kept, and the rest is read and discarded.
    received: octets received so far. held: octets kept in memory. refusal: why nothing is kept any more.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # One growing block: freeing it returns its memory to the system, unlike freeing thousands of small chunks.
        self._kept = bytearray()
        # The last four octets seen; at first the end of the DATA command, as the first octet may already be the dot.
        self._tail = b"\r\n"
        self._cut = 0
        # Counted including the end of data: CR, LF, the pair CR LF, and dots that begin a line.
        self._cr = self._lf = self._crlf = self._dots = 0
        self.received = 0
        self.held = 0
        self.rest = b""
        self.refusal: Reply | None = None

    def feed(self, chunk: bytes) -> bool:
        """Take the next octets. Returns True when the message has ended; `rest` is then what follows it.

        Everything to be counted is counted here, while the octets are still in the processor's cache.
        """
        tail = self._tail
        old = len(tail)
        window = tail + chunk
        # Most chunks of ciphertext have no dot, and searching for one octet is much faster than for several.
        dotted = b"." in window
        end = window.find(_END) if dotted else -1
        if end >= 0:
            self.rest = window[end + 5 :]
            window = window[: end + 5]
            # How much of this chunk belongs to the message; negative when the end of data began in an earlier chunk.
            own = end + 2 - old
            self._cut = min(own, 0)
            chunk = chunk[: max(own, 0)]
        else:
            self._tail = window[-4:]
        self._cr += window.count(b"\r", old)
        self._lf += window.count(b"\n", old)
        self._crlf += window.count(b"\r\n", old - 1)
        if dotted:
            self._dots += window.count(b"\r\n.", old - 2)
        self.received += len(window) - old
        if self.refusal is None:
            # Two more, as these octets may include a part of the end of data.
            if self.received - self._dots > self.limit + 2:
                self.refuse(TOO_BIG)
            elif chunk:
                self._kept += chunk
                self.held += len(chunk)
        return end >= 0

    def refuse(self, reply: Reply) -> None:
        """Stop keeping the message; the client gets this reply at its end."""
        self.refusal = reply
        self._kept = bytearray()
        self.held = 0

    def content(self, max_line: int) -> bytes | Reply:
        """The message with dot-stuffing undone, or why it is refused. To be called once only: it frees what was kept.
        max_line: octets a line may have, including its CR LF.
        """
        if self.refusal is not None:
            return self.refusal
        if self._cut:
            del self._kept[self._cut :]
        raw = bytes(self._kept)
        self._kept = bytearray()
        stuffed = self._dots - 1  # the last one was the end of data
        if len(raw) - stuffed > self.limit:
            return TOO_BIG
        if not self._cr == self._lf == self._crlf:
            return BARE
        if not _lines_fit(raw, max_line):
            return LINE_TOO_LONG
        if not stuffed:
            return raw
        if raw.startswith(b"."):
            raw = raw[1:]
        return raw.replace(b"\r\n.", b"\r\n")


def _lines_fit(raw: bytes, limit: int) -> bool:
    """Is there a line end in every stretch of `limit` octets? Searches backwards from the end of each stretch, and so
    reads only a small part of the message.
    """
    at, last = 0, len(raw) - limit
    while at < last:
        found = raw.rfind(b"\n", at, at + limit)
        if found < 0:
            return False
        at = found + 1
    return True
