"""One message, read from the store as far as FETCH or SEARCH asks."""

from __future__ import annotations

from collections.abc import Callable

from chatgate.api import Message, Work

from . import mime

Read = Callable[[int], bytes | None]


class Gone(Exception):
    """The message was expunged by somebody else meanwhile."""


class Source:
    """What is not asked for is not read.

    work: of the command; what takes long steps on it.
    read_content, read_header: read from the store by UID; None when the message is gone.
    """

    __slots__ = (
        "uid",
        "modseq",
        "flags",
        "size",
        "date",
        "recent",
        "work",
        "_read_content",
        "_read_header",
        "_content",
        "_header",
        "_root",
        "_fields",
    )

    def __init__(self, message: Message, recent: bool, work: Work, read_content: Read, read_header: Read) -> None:
        self.uid, self.modseq, self.flags, self.size, self.date = message
        self.recent, self.work = recent, work
        self._read_content, self._read_header = read_content, read_header
        self._content: bytes | None = None
        self._header: bytes | None = None
        self._root: mime.Part | None = None
        self._fields: mime.Fields | None = None

    def content(self) -> bytes:
        """Raises Gone."""
        if self._content is None:
            self._content = self._read_content(self.uid)
            if self._content is None:
                raise Gone
        return self._content

    def header(self) -> bytes:
        """With its empty line. Raises Gone."""
        if self._header is None:
            if self._content is not None:
                self._header = self._content[: mime.body_start(self._content, 0, len(self._content))]
            else:
                self._header = self._read_header(self.uid)
                if self._header is None:
                    raise Gone
        return self._header

    def fields(self) -> mime.Fields:
        if self._fields is None:
            header = self.header()
            self._fields = mime.fields(header, 0, len(header))
        return self._fields

    def root(self) -> mime.Part:
        if self._root is None:
            self._root = mime.parse(self.content())
        return self._root
