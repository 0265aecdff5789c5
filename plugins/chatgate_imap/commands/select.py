"""SELECT, EXAMINE, CLOSE, UNSELECT, EXPUNGE: opening, cleaning and closing a mailbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatgate.api import Changes, Mailbox

from ..session.view import View
from ..syntax import sets
from ..syntax.answers import Bad, No
from ..syntax.parser import Parser
from ..syntax.sets import Ranges
from .table import AUTHENTICATED, SELECTED, Command

if TYPE_CHECKING:
    from ..session.connection import Connection


def existing(connection: Connection, name: str, code: str = "NONEXISTENT") -> Mailbox:
    """The mailbox of this name, or No with the code that fits the command."""
    mailbox = connection.store.mailbox(connection.account.id, name)
    if mailbox is None:
        raise No("Mailbox does not exist", code)
    return mailbox


def selected(connection: Connection) -> View:
    """The view of the selected mailbox; commands that need it are only run if there is one."""
    assert connection.view is not None
    return connection.view


def writable(connection: Connection) -> View:
    """The view, if this session may change the mailbox. Raises No."""
    view = selected(connection)
    if view.read_only:
        raise No("Mailbox is open read-only", "READ-ONLY")
    return view


def select(connection: Connection, parser: Parser) -> str:
    return _open(connection, parser, read_only=False)


def examine(connection: Connection, parser: Parser) -> str:
    return _open(connection, parser, read_only=True)


def _open(connection: Connection, parser: Parser, read_only: bool) -> str:
    if connection.view is not None:
        connection.deselect()  # the old mailbox is closed even if this fails (RFC 3501 §6.3.1)
        connection.wire.write(b"* OK [CLOSED] The mailbox before is closed.\r\n")  # RFC 7162 §3.2.11
    name = parser.mailbox()
    known = _parameters(connection, parser) if parser.skip(b" (") else None
    parser.end()
    mailbox = existing(connection, name)
    view = connection.select(mailbox, read_only)
    lines = view.flag_lines()
    lines.append(b"* %d EXISTS\r\n* %d RECENT\r\n" % (len(view), view.recents_told))
    if view.first_unseen:
        lines.append(b"* OK [UNSEEN %d] First unseen.\r\n" % view.first_unseen)
    lines.append(
        b"* OK [UIDVALIDITY %d] UIDs valid\r\n"
        b"* OK [UIDNEXT %d] Predicted next UID\r\n"
        b"* OK [HIGHESTMODSEQ %d] Highest\r\n" % (mailbox.uidvalidity, view.uidnext, view.modseq)
    )
    connection.wire.write(b"".join(lines))
    if known is not None and known.uidvalidity == mailbox.uidvalidity:
        _tell_since(connection, view, known)
    return "[READ-ONLY] Examine completed." if read_only else "[READ-WRITE] Select completed."


@dataclass(frozen=True)
class _Known:
    """What a client knows of a mailbox from an earlier session. uids: those it has, None for any."""

    uidvalidity: int
    modseq: int
    uids: Ranges | None


def _parameters(connection: Connection, parser: Parser) -> _Known | None:
    """RFC 4466 select parameters: CONDSTORE (RFC 7162 §3.1.8) and QRESYNC (§3.2.5)."""
    known = None
    while True:
        word = parser.keyword()
        if word == "CONDSTORE":
            connection.use_condstore()
        elif word == "QRESYNC" and connection.qresync:
            known = _known(parser)
        else:
            raise Bad("Not enabled" if word == "QRESYNC" else "Unknown SELECT parameter")
        if parser.skip(b")"):
            return known
        parser.space()


def _known(parser: Parser) -> _Known:
    """` (uidvalidity modseq [uids] [(numbers uids)])`. The last argument lets a server send fewer UIDs. It is ignored,
    as we remember each expunged message.
    """
    parser.expect(b" (")
    uidvalidity = parser.number()
    parser.space()
    modseq, uids = parser.number(), None
    more = parser.skip(b" ")
    if more and parser.peek() != b"(":
        uids = _uids(parser)
        more = parser.skip(b" ")
    if more:
        parser.expect(b"(")
        _uids(parser)
        parser.space()
        _uids(parser)
        parser.expect(b")")
    parser.expect(b")")
    return _Known(uidvalidity, modseq, uids)


def _uids(parser: Parser) -> Ranges:
    text = parser.sequence_set()
    if b"*" in text:
        raise Bad("* is nothing that can be known")
    return sets.ordered(sets.parse(text), 0)


def _tell_since(connection: Connection, view: View, known: _Known) -> None:
    changes = tell_vanished(connection, view, known.modseq, known.uids)
    for message in changes.messages:
        connection.work.turn()
        if known.uids is None or sets.holds(known.uids, message.uid):
            connection.wire.write(view.flags_line(message.uid))


def tell_vanished(connection: Connection, view: View, since: int, known: Ranges | None) -> Changes:
    """Write which of the known UIDs (None: any) have gone since a modseq (RFC 7162 §3.2.10.1). Those that are still in
    the view are left to be told like any other expunge. Returns what else changed.
    """
    changes = connection.store.changes(view.mailbox.id, since)
    if changes.expunged is None:
        gone = sets.gaps(view.uids, view.uidnext)
    else:
        expunged = connection.work.every(changes.expunged)
        gone = sets.spans(uid for uid in expunged if view.messages.position(uid) is None)
    if known is not None:
        gone = sets.common(gone, known)
    if gone:
        connection.wire.write(b"* VANISHED (EARLIER) %s\r\n" % sets.text(gone))
    return changes


def close(connection: Connection, parser: Parser) -> str:
    """Expunges without telling the client, unless read-only (RFC 3501 §6.4.2). The answer has no HIGHESTMODSEQ: the
    client would believe that it knows all changes up to it (RFC 7162 §3.2.8).
    """
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
    return _expunge(connection, None, with_uid=False)


def uid_expunge(connection: Connection, parser: Parser) -> str:
    text = parser.sequence_set()
    parser.end()
    view = writable(connection)
    return _expunge(connection, view.uids_at(view.positions(text, by_uid=True)), with_uid=True)


def _expunge(connection: Connection, uids: Sequence[int] | None, with_uid: bool) -> str:
    view = writable(connection)
    gone = connection.store.expunge(view.mailbox.id, uids) if uids is None or uids else []
    if not (gone and view.qresync):
        return "Expunge completed."
    # Everything is told before the answer, so the client does know all changes up to this (RFC 7162 §3.2.7).
    connection.tell(expunges=True, with_uid=with_uid)
    return f"[HIGHESTMODSEQ {view.modseq}] Expunge completed."


COMMANDS = {
    b"SELECT": Command(select, AUTHENTICATED, tells=False),
    b"EXAMINE": Command(examine, AUTHENTICATED, tells=False),
    b"CLOSE": Command(close, SELECTED, tells=False),
    b"UNSELECT": Command(unselect, SELECTED, tells=False),
    b"EXPUNGE": Command(expunge, SELECTED),
    b"UID EXPUNGE": Command(uid_expunge, SELECTED, by_uid=True),
}
