"""FETCH and UID FETCH."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chatgate.api import Message, StoreError

from ..message.source import Gone, Source
from ..queries import items
from ..queries.items import Plan
from ..queries.sections import Slice
from ..session.view import View
from ..session.wire import SEND_CHUNK, Wire
from ..syntax import flags, sets
from ..syntax.answers import Bad, Closed, No
from ..syntax.parser import Parser
from .select import selected, tell_vanished
from .table import SELECTED, Command

if TYPE_CHECKING:
    from ..session.connection import Connection


def fetch(connection: Connection, parser: Parser) -> str:
    return _fetch(connection, parser, by_uid=False)


def uid_fetch(connection: Connection, parser: Parser) -> str:
    return _fetch(connection, parser, by_uid=True)


def _arguments(parser: Parser) -> tuple[bytes, Plan, int | None, bool]:
    """The sequence set, the items, the modseq of CHANGEDSINCE, and whether VANISHED is given."""
    numbers = parser.sequence_set()
    parser.space()
    rest = parser.rest()
    if len(rest) <= items.CACHED_LENGTH and parser.one_line and b"CHANGEDSINCE" not in rest.upper():
        return numbers, items.cached(rest), None, False
    plan = items.parse(parser)
    since, vanished = _modifiers(parser)
    parser.end()
    return numbers, plan, since, vanished


def _modifiers(parser: Parser) -> tuple[int | None, bool]:
    since, vanished = None, False
    if not parser.skip(b" ("):
        return since, vanished
    while True:
        word = parser.keyword()
        if word == "CHANGEDSINCE":
            parser.space()
            since = parser.number()
        elif word == "VANISHED":
            vanished = True
        else:
            raise Bad("Unknown FETCH modifier")
        if parser.skip(b")"):
            break
        parser.space()
    if since is None:
        raise Bad("VANISHED needs CHANGEDSINCE")
    return since, vanished


def _fetch(connection: Connection, parser: Parser, by_uid: bool) -> str:
    view = selected(connection)
    numbers, plan, since, vanished = _arguments(parser)
    if vanished and not (by_uid and connection.qresync):
        raise Bad("VANISHED is for UID FETCH after ENABLE QRESYNC")
    positions = view.positions(numbers, by_uid)
    if since is not None or plan.modseq:
        connection.use_condstore()
    if since is not None:
        positions = array("I", (at for at in positions if view.messages.modseq(at) > since))
    if vanished and since is not None:
        known = sets.spans(view.saved) if numbers == sets.SAVED else sets.ordered(sets.parse(numbers), view.uidnext - 1)
        tell_vanished(connection, view, since, known)
    if positions:
        connection.reminder.fetched(view.mailbox.id, view.uids[positions[-1]])
    newly_seen: set[int] = set()
    if plan.sets_seen and not view.read_only:
        newly_seen = _see(connection, view, positions)
    missing = _send(connection, view, positions, plan, by_uid, since is not None, newly_seen)
    if missing and not by_uid:
        raise No("Some of the requested messages no longer exist", "EXPUNGEISSUED")
    return "Fetch completed."


def _see(connection: Connection, view: View, positions: Sequence[int]) -> set[int]:
    """Set \\Seen on these messages, as reading a body without PEEK does. Returns the UIDs that did not have it."""
    unseen = [view.uids[at] for at in positions if flags.SEEN not in view.messages.flags(at)]
    if not unseen:
        return set()
    done = connection.store.set_flags(view.mailbox.id, unseen, "add", [flags.SEEN])
    # The change is reported with the messages themselves; here the client is told what others changed meanwhile.
    connection.tell(expunges=False, flag_changes=False, own=done.modseqs)
    return set(done.changed)


def _send(
    connection: Connection,
    view: View,
    positions: Sequence[int],
    plan: Plan,
    by_uid: bool,
    with_modseq: bool,
    newly_seen: set[int],
) -> bool:
    """Write the responses. Returns whether messages were missing."""
    store, mailbox_id, work = connection.store, view.mailbox.id, connection.work
    missing = False
    fetched = array("I")
    for at in work.each(positions):
        message: Message = view.messages[at]
        uid = message.uid
        source = Source(message, uid in view.recent, work, store, mailbox_id, fetched.append)
        extra = b""
        if by_uid and not plan.uid:
            extra = b"UID %d " % uid
        if uid in newly_seen and not plan.flags:
            extra += b"FLAGS %s " % flags.wire(message.flags, source.recent)
        if not plan.modseq and (with_modseq or (uid in newly_seen and view.condstore)):
            extra += b"MODSEQ (%d) " % message.modseq
        try:
            pieces = plan.render(source)
        except Gone:
            missing = True
        else:
            _write(connection.wire, b"* %d FETCH (%s" % (at + 1, extra), pieces, source)
        finally:
            source.close()
    if new := view.have_read(fetched):  # a full mailbox first loses messages that all devices have
        store.note_fetched(mailbox_id, new)
    return missing


def _write(wire: Wire, begin: bytes, pieces: list[bytes | Slice], source: Source) -> None:
    """Slices are read while they are sent. Raises Closed, even if one cannot be read: its length is already sent."""
    wire.write(begin)
    for piece in pieces:
        if isinstance(piece, Slice):
            for start in range(piece.start, piece.end, SEND_CHUNK):
                try:
                    octets = source.content().read(start, min(SEND_CHUNK, piece.end - start))
                except StoreError as error:
                    raise Closed from error
                wire.write(_without_nul(octets))
        else:
            wire.write(_without_nul(piece))
    wire.write(b")\r\n")


def _without_nul(octets: bytes) -> bytes:
    """Literals must not contain NUL (RFC 3501 §9, CHAR8). Like Dovecot we send 0x80 instead, so sizes stay right."""
    return octets.replace(b"\0", b"\x80") if b"\0" in octets else octets


# No changed flags of other messages among the responses: Delta Chat takes every FETCH response for one it asked for,
# fails as the size is missing in it, and gives up the connection for a minute.
COMMANDS = {
    b"FETCH": Command(fetch, SELECTED, looks=False, expunges=False, flag_changes=False),
    b"UID FETCH": Command(uid_fetch, SELECTED, looks=False, flag_changes=False, by_uid=True),
}
