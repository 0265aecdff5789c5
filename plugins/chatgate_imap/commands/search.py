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
        connection.use_condstore()
    work, store, mailbox_id = connection.work, connection.store, view.mailbox.id
    hits: list[int] = []
    modseq, missing = 0, False
    for number, message in enumerate(work.each(view.messages), 1):
        source = Source(message, message.uid in view.recent, work, store, mailbox_id)
        try:
            hit = key.test(source, number)
        except Gone:
            hit, missing = False, True
        finally:
            source.close()
        if hit:
            hits.append(message.uid if by_uid else number)
            modseq = max(modseq, message.modseq)
    write = connection.wire.write
    write(b"* SEARCH")
    for number in hits:
        work.turn()
        write(b" %d" % number)
    write(b" (MODSEQ %d)\r\n" % modseq if uses_modseq and hits else b"\r\n")
    # Others expunged some that had to be looked into (RFC 5530 §3).
    return "[EXPUNGEISSUED] Search completed." if missing else "Search completed."


COMMANDS = {
    b"SEARCH": Command(search, SELECTED, looks=False, expunges=False),
    b"UID SEARCH": Command(uid_search, SELECTED, looks=False, by_uid=True),
}
