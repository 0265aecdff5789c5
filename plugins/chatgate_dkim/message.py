"""A message as DKIM sees it: header fields, where the body begins, and who is its author."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence

from chatgate_dkim.canonical import Algorithm, Unclear, field, hash_body
from chatgate_dkim.tags import Malformed, domain

_FIELD = re.compile(rb"[^\r\n]*(?:\r\n[ \t][^\r\n]*)*\r\n")
_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")
MAX_HEADER = 1 << 17
_MOST_FIELDS = 2000

_ATOM = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_SPEC = rb"(?:%b)(?:\.%b)*@([A-Za-z0-9_\x80-\xff-]+(?:\.[A-Za-z0-9_\x80-\xff-]+)*|\[[A-Za-z0-9.:]+\])" % (_ATOM, _ATOM)
_COMMENT = rb'\([^()<>@\\"]*\)'
# What may stand before <…> without being taken for an address by anybody.
_DISPLAY = rb'(?:"(?:[^"\\]|\\.)*"|%b|[^"()<>@,;:\\\[\]])*' % _COMMENT
# Of a value without blanks around it: two runs of blanks side by side would be tried in every division.
_MAILBOX = re.compile(rb"(?:%b<%b>|%b)[ \t]*(?:%b)?" % (_DISPLAY, _SPEC, _SPEC, _COMMENT))
_LONGEST = 2000


class Message:
    """content: header and body with CRLF line ends. Raises Malformed if it is no message.

    fields: (lower-case name, the whole field), in order.
    """

    def __init__(self, content: bytes, turn: Callable[[], object] = lambda: None, max_header: int = MAX_HEADER) -> None:
        """turn: called now and then while a large body is hashed. max_header: octets the header may have."""
        self._content, self._turn = content, turn
        end = content.find(b"\r\n\r\n", 0, max_header + 4) + 2
        if end < 2:
            raise Malformed("Malformed data")
        self._body = end + 2
        self.fields: list[tuple[bytes, bytes]] = []
        at = 0
        while at < end:
            found = _FIELD.match(content, at, end)
            name = found and _NAME.match(content, at, end)
            if not found or not name or len(self.fields) == _MOST_FIELDS:
                raise Malformed("Malformed header")
            self.fields.append((name[1].lower(), found[0]))
            at = found.end()
        self._hashes: dict[Algorithm, bytes] = {}

    def named(self, name: bytes) -> list[bytes]:
        """The fields of this lower-case name, from the top."""
        return [raw for known, raw in self.fields if known == name]

    @property
    def author(self) -> str | None:
        """The domain of the address in From, in lower case, or its literal such as "[192.0.2.1]". None unless there is
        exactly one From field with exactly one address that every program reads alike.
        """
        found = self.named(b"from")
        value = found[0].partition(b":")[2].replace(b"\r\n", b"") if len(found) == 1 else b""
        match = _MAILBOX.fullmatch(value.strip(b" \t")) if len(value) <= _LONGEST else None
        if not match:
            return None
        name = match[1] or match[2]
        return name.decode().lower() if name[:1] == b"[" else domain(name)

    def body_hash(self, algorithm: Algorithm) -> bytes:
        """SHA-256 of the canonical body, computed once. Raises Malformed."""
        if algorithm not in self._hashes:
            state = hashlib.sha256()
            try:
                hash_body(self._content, self._body, algorithm, state, self._turn)
            except Unclear:
                raise Malformed("it is not clear where the body ends") from None
            self._hashes[algorithm] = state.digest()
        return self._hashes[algorithm]

    def header_hash(self, names: Sequence[bytes], algorithm: Algorithm, unsigned: bytes) -> bytes:
        """SHA-256 of these fields, of those with one name from the bottom up (RFC 6376 §5.4.2), and of the signature's
        own field without its signature (§3.7). A name that has no field (any more) adds nothing.
        """
        left: dict[bytes, list[bytes]] = {}
        for name, raw in self.fields:
            left.setdefault(name, []).append(raw)
        state = hashlib.sha256()
        for name in names:
            if found := left.get(name):
                state.update(field(found.pop(), algorithm))
        state.update(field(unsigned, algorithm).removesuffix(b"\r\n"))
        return state.digest()
