"""COPY, MOVE and their UID forms (RFC 3501 §6.4.7, RFC 4315, RFC 6851)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatgate.api import Copied, NoSuchMailbox

from ..syntax import sets
from ..syntax.answers import No
from ..syntax.parser import Parser
from .select import existing, selected, writable
from .table import SELECTED, Command

if TYPE_CHECKING:
    from ..session.connection import Connection


def _transfer(connection: Connection, parser: Parser, by_uid: bool, move: bool) -> Copied | None:
    """None when there was nothing to transfer."""
    numbers = parser.sequence_set()
    parser.space()
    name = parser.mailbox()
    parser.end()
    view = writable(connection) if move else selected(connection)
    positions = view.positions(numbers, by_uid)
    target = existing(connection, name, "TRYCREATE")
    if not positions:
        return None
    uids = view.uids_at(positions)
    try:
        copied = connection.store.copy(view.mailbox.id, uids, target.id, move)
    except NoSuchMailbox:
        raise No("Mailbox does not exist", "TRYCREATE") from None
    if not copied.uids:
        raise No("The messages are gone", "EXPUNGEISSUED")
    return copied


def _code(copied: Copied) -> str:
    source, target = sets.compact(copied.uids).decode(), sets.compact(copied.copies).decode()
    return f"[COPYUID {copied.uidvalidity} {source} {target}]"


def _copy(connection: Connection, parser: Parser, by_uid: bool) -> str:
    copied = _transfer(connection, parser, by_uid, move=False)
    return f"{_code(copied)} Copy completed." if copied else "Copy completed."


def _move(connection: Connection, parser: Parser, by_uid: bool) -> str:
    copied = _transfer(connection, parser, by_uid, move=True)
    if copied:  # before the EXPUNGEs, so that a client knows where the messages went (RFC 6851 §4.3)
        connection.wire.write(b"* OK %s Moved.\r\n" % _code(copied).encode())
    return "Move completed."


def copy(connection: Connection, parser: Parser) -> str:
    return _copy(connection, parser, by_uid=False)


def uid_copy(connection: Connection, parser: Parser) -> str:
    return _copy(connection, parser, by_uid=True)


def move(connection: Connection, parser: Parser) -> str:
    return _move(connection, parser, by_uid=False)


def uid_move(connection: Connection, parser: Parser) -> str:
    return _move(connection, parser, by_uid=True)


COMMANDS = {
    b"COPY": Command(copy, SELECTED),
    b"UID COPY": Command(uid_copy, SELECTED, by_uid=True),
    b"MOVE": Command(move, SELECTED),
    b"UID MOVE": Command(uid_move, SELECTED, by_uid=True),
}
