"""SELECT, EXAMINE, CLOSE, UNSELECT, EXPUNGE: opening a mailbox and clearing it up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatgate.api import Mailbox

from ..answers import Bad, No
from ..parser import Parser
from ..view import View
from .table import AUTHENTICATED, SELECTED, Command

if TYPE_CHECKING:
    from ..connection import Connection


def existing(connection: Connection, name: str, code: str = "NONEXISTENT") -> Mailbox:
    """The mailbox of this name, or No with the code that fits the command."""
    mailbox = connection.store.mailbox(connection.account.id, name)
    if mailbox is None:
        raise No("Mailbox does not exist", code)
    return mailbox


def selected(connection: Connection) -> View:
    """The view; commands that need one are only run when there is one."""
    assert connection.view is not None
    return connection.view


def writable(connection: Connection) -> View:
    """The view, when this session may change the mailbox."""
    view = selected(connection)
    if view.read_only:
        raise No("Mailbox is open read-only", "READ-ONLY")
    return view


def select(connection: Connection, parser: Parser) -> str:
    return _open(connection, parser, read_only=False)


def examine(connection: Connection, parser: Parser) -> str:
    return _open(connection, parser, read_only=True)


def _open(connection: Connection, parser: Parser, read_only: bool) -> str:
    connection.deselect()  # the old mailbox is closed even when this fails (RFC 3501 §6.3.1)
    name = parser.mailbox()
    if parser.skip(b" ("):
        _parameters(connection, parser)
    parser.end()
    mailbox = existing(connection, name)
    view = connection.select(mailbox, read_only)
    lines = view.flag_lines()
    lines.append(b"* %d EXISTS\r\n* %d RECENT\r\n" % (len(view), len(view.recent)))
    if unseen := view.first_unseen():
        lines.append(b"* OK [UNSEEN %d] First unseen.\r\n" % unseen)
    lines.append(
        b"* OK [UIDVALIDITY %d] UIDs valid\r\n"
        b"* OK [UIDNEXT %d] Predicted next UID\r\n"
        b"* OK [HIGHESTMODSEQ %d] Highest\r\n" % (mailbox.uidvalidity, view.uidnext, view.modseq)
    )
    connection.wire.write(b"".join(lines))
    return "[READ-ONLY] Examine completed." if read_only else "[READ-WRITE] Select completed."


def _parameters(connection: Connection, parser: Parser) -> None:
    """RFC 4466 select parameters; CONDSTORE (RFC 7162 §3.1.8) is the only one we have."""
    while True:
        if parser.keyword() != "CONDSTORE":
            raise Bad("Unknown SELECT parameter")
        connection.condstore = True
        if parser.skip(b")"):
            return
        parser.space()


def close(connection: Connection, parser: Parser) -> str:
    """Expunges without a word about it; not when read-only (RFC 3501 §6.4.2)."""
    parser.end()
    view = selected(connection)
    connection.deselect()
    if not view.read_only:
        connection.store.expunge(view.mailbox.id)
    return "Close completed."


def unselect(connection: Connection, parser: Parser) -> str:
    parser.end()
    connection.deselect()
    return "Unselect completed."


def expunge(connection: Connection, parser: Parser) -> str:
    parser.end()
    connection.store.expunge(writable(connection).mailbox.id)
    return "Expunge completed."


def uid_expunge(connection: Connection, parser: Parser) -> str:
    text = parser.sequence_set()
    parser.end()
    view = writable(connection)
    uids = [view.uids[at] for at in view.positions(text, by_uid=True)]
    if uids:
        connection.store.expunge(view.mailbox.id, uids)
    return "Expunge completed."


COMMANDS = {
    b"SELECT": Command(select, AUTHENTICATED, tells=False),
    b"EXAMINE": Command(examine, AUTHENTICATED, tells=False),
    b"CLOSE": Command(close, SELECTED, tells=False),
    b"UNSELECT": Command(unselect, SELECTED, tells=False),
    b"EXPUNGE": Command(expunge, SELECTED),
    b"UID EXPUNGE": Command(uid_expunge, SELECTED, by_uid=True),
}
