"""SEARCH and UID SEARCH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import search as keys
from ..parser import Parser
from ..source import Gone, Source
from .select import selected
from .table import SELECTED, Command

if TYPE_CHECKING:
    from ..connection import Connection


def search(connection: Connection, parser: Parser) -> str:
    return _search(connection, parser, by_uid=False)


def uid_search(connection: Connection, parser: Parser) -> str:
    return _search(connection, parser, by_uid=True)


def _search(connection: Connection, parser: Parser, by_uid: bool) -> str:
    view = selected(connection)
    key, uses_modseq = keys.parse(parser, keys.Context(len(view), view.uids[-1] if view.uids else 0))
    if uses_modseq:
        connection.condstore = view.condstore = True
    store, mailbox_id, work = connection.store, view.mailbox.id, connection.work
    hits: list[bytes] = []
    modseq = 0
    for number, message in enumerate(view.messages, 1):
        work.step()
        source = Source(
            message,
            message.uid in view.recent,
            work,
            lambda uid: store.content(mailbox_id, uid),
            lambda uid: store.header(mailbox_id, uid),
        )
        try:
            hit = key.test(source, number)
        except Gone:
            hit = False
        if hit:
            hits.append(b" %d" % (message.uid if by_uid else number))
            modseq = max(modseq, message.modseq)
    tail = b" (MODSEQ %d)" % modseq if uses_modseq and hits else b""
    connection.wire.write(b"* SEARCH%s%s\r\n" % (b"".join(hits), tail))
    return "Search completed."


COMMANDS = {
    b"SEARCH": Command(search, SELECTED, looks=False, expunges=False),
    b"UID SEARCH": Command(uid_search, SELECTED, looks=False, by_uid=True),
}
