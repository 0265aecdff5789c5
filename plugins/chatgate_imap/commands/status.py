"""STATUS (RFC 3501 §6.3.10), also for LIST (RFC 5819)."""

from __future__ import annotations

from bisect import bisect_left
from operator import attrgetter
from typing import TYPE_CHECKING

from chatgate.api import Mailbox

from ..syntax import flags
from ..syntax.answers import Bad
from ..syntax.parser import Parser
from .select import existing
from .table import AUTHENTICATED, Command

if TYPE_CHECKING:
    from ..session.connection import Connection

# Items that the store knows without reading each message: RFC 3501, 7162 (HIGHESTMODSEQ), 7889, 8438 (SIZE).
_KEPT = {b"MESSAGES", b"UNSEEN", b"UIDNEXT", b"UIDVALIDITY", b"HIGHESTMODSEQ", b"SIZE", b"APPENDLIMIT"}
# DELETED and DELETED-STORAGE: RFC 9208 §4.1.4.
_COUNTED = {b"RECENT", b"DELETED", b"DELETED-STORAGE"}


_uid = attrgetter("uid")


def items(parser: Parser) -> list[bytes]:
    """The items asked for, each once. Raises Bad."""
    asked = [item.upper() for item in parser.astrings()]
    if not _KEPT.union(_COUNTED).issuperset(asked):
        raise Bad("Unknown STATUS item")
    return list(dict.fromkeys(asked))


def tell(connection: Connection, mailbox: Mailbox, asked: list[bytes]) -> None:
    """Write the STATUS response. Raises NoSuchMailbox."""
    now = connection.store.status(mailbox.id)
    values = {
        b"MESSAGES": now.messages,
        b"UNSEEN": now.unseen,
        b"UIDNEXT": now.uidnext,
        b"UIDVALIDITY": now.uidvalidity,
        b"HIGHESTMODSEQ": now.modseq,
        b"SIZE": now.size,
        b"APPENDLIMIT": connection.imap.max_message_bytes(connection.session),
    }
    if not _COUNTED.isdisjoint(asked):
        values |= _counted(connection, mailbox)
    if b"HIGHESTMODSEQ" in asked:
        connection.use_condstore()  # RFC 7162 §3.1: asking for it turns CONDSTORE on
    each = b" ".join(b"%s %d" % (item, values[item]) for item in asked)
    connection.wire.write(b"* STATUS %s (%s)\r\n" % (connection.quoted(mailbox.name), each))


def _counted(connection: Connection, mailbox: Mailbox) -> dict[bytes, int]:
    first, uidnext = connection.imap.recent.first(mailbox.id), connection.store.status(mailbox.id).uidnext
    recent = deleted = octets = 0
    for page in connection.work.each(connection.store.pages(mailbox.id, uidnext)):
        recent += len(page) - bisect_left(page, first, key=_uid)
        for message in page:
            if flags.DELETED in message.flags:
                deleted += 1
                octets += message.size
    return {b"RECENT": recent, b"DELETED": deleted, b"DELETED-STORAGE": octets}


def status(connection: Connection, parser: Parser) -> str:
    name = parser.mailbox()
    parser.space()
    asked = items(parser)
    parser.end()
    tell(connection, existing(connection, name), asked)
    return "Status completed."


COMMANDS = {b"STATUS": Command(status, AUTHENTICATED)}
