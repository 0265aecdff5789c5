"""One message, of which FETCH or SEARCH reads only what it needs from the store, and only once for each command."""

from __future__ import annotations

from collections.abc import Callable

from chatgate.api import Content, Message, Store, Work

from . import bodies, mime
from .header import MAX_HEADER, Header, body_start

_LARGE = 1 << 20  # octets of a message from which its header is only read after checking its length
_PIECE = 1 << 17


class Gone(Exception):
    """Another session expunged the message meanwhile."""


class Source:
    """Reads only what is asked for. Must be closed.

    work: the command's, which counts the steps of long jobs. on_open: called with the UID when the content is read.
    """

    __slots__ = (
        "uid",
        "modseq",
        "flags",
        "size",
        "date",
        "recent",
        "work",
        "_store",
        "_mailbox_id",
        "_on_open",
        "_content",
        "_header",
        "_body",
        "_root",
        "_addresses",
        "_found",
    )

    def __init__(
        self,
        message: Message,
        recent: bool,
        work: Work,
        store: Store,
        mailbox_id: int,
        on_open: Callable[[int], object] | None = None,
    ) -> None:
        self.uid, self.modseq, self.flags, self.size, self.date = message
        self.recent, self.work = recent, work
        self._store, self._mailbox_id, self._on_open = store, mailbox_id, on_open
        self._content: Content | None = None
        self._header: Header | None = None
        self._body: int | None = None
        self._root: mime.Part | None = None
        self._addresses: dict[bytes, str] | None = None
        self._found: bodies.Found | None = None

    def content(self) -> Content:
        """Raises Gone."""
        if self._content is None:
            self._content = self._store.open(self._mailbox_id, self.uid)
            if self._content is None:
                raise Gone
            if self._on_open is not None:
                self._on_open(self.uid)
        return self._content

    def close(self) -> None:
        if self._content is not None:
            self._content.close()

    def header(self) -> Header:
        """The header with its empty line; only the beginning of a very long one. Raises Gone."""
        if self._header is None:
            if self._content is None and self.size <= _LARGE:
                octets = self._store.header(self._mailbox_id, self.uid)
                if octets is None:
                    raise Gone
                self._body = body_start(octets) or len(octets)  # the store only recognises empty lines with CRLF
            else:
                octets = self.content().read(0, MAX_HEADER)
                self._body = body_start(octets)
                if self._body is None and len(octets) == self.size:
                    self._body = self.size
            self._header = Header(octets[: self._body], self.work)
        return self._header

    def body(self) -> int:
        """Where the header with its empty line ends and the body begins. Raises Gone."""
        self.header()
        if self._body is None:
            self._body = self._find_body()
        return self._body

    def _find_body(self) -> int:
        content, at = self.content(), MAX_HEADER - 2
        while at < content.size:
            piece = content.read(at, _PIECE)
            self.work.step()
            # Not body_start(): the first octet here is not the beginning of a line.
            found = body_start(b"-" + piece)
            if found is not None:
                return at + found - 1
            at += max(len(piece) - 2, 1)
        return content.size

    def root(self) -> mime.Part:
        """Raises Gone, TooMuchWork."""
        if self._root is None:
            self._root = mime.parse(self.content(), self.work)
        return self._root

    # ------------------------------------------------------------------------------------------ for SEARCH

    def field_holds(self, name: bytes, wanted: str) -> bool:
        """Does a field of this lower-case name contain the (folded) text? "" asks whether there is such a field."""
        self.work.step()
        found = self.header().text(name)
        return found is not None and wanted in found

    def header_holds(self, wanted: str) -> bool:
        """Is the (folded) text anywhere in the header, including field names?"""
        self.work.step()
        return wanted in self.header().whole_text()

    def addresses_hold(self, name: bytes, wanted: str) -> bool:
        """Do the fields of this name, or the addresses in them, contain the wanted text?"""
        if self.field_holds(name, wanted):
            return True
        if self._addresses is None:
            self._addresses = {}
        if name not in self._addresses:
            self._addresses[name] = bodies.address_text(self.header(), name, self)
        return bool(wanted) and wanted in self._addresses[name]

    def found(self, wanted: bodies.Wanted) -> bodies.Found:
        """Which of the strings that this command searches for are in the body. Raises Gone, TooMuchWork."""
        if self._found is None:
            self._found = wanted.find(self)
        return self._found
