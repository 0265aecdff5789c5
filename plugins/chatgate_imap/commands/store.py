"""STORE and UID STORE (RFC 3501 §6.4.6, RFC 7162 §3.1.3)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from ..syntax import sets
from ..syntax.answers import Bad
from ..syntax.parser import Parser
from .select import writable
from .table import SELECTED, Command

if TYPE_CHECKING:
    from ..session.connection import Connection

_WHAT = re.compile(rb"([+-]?)FLAGS(\.SILENT)? ", re.I)
_HOW: dict[bytes, Literal["add", "remove", "replace"]] = {b"+": "add", b"-": "remove", b"": "replace"}


def store(connection: Connection, parser: Parser) -> str:
    return _store(connection, parser, by_uid=False)


def uid_store(connection: Connection, parser: Parser) -> str:
    return _store(connection, parser, by_uid=True)


def _store(connection: Connection, parser: Parser, by_uid: bool) -> str:
    numbers = parser.sequence_set()
    unchanged_since = parser.modifier("STORE", "UNCHANGEDSINCE")
    parser.space()
    what = parser.match(_WHAT)
    if what is None:
        raise Bad("Expected FLAGS, +FLAGS or -FLAGS")
    flags = parser.flags()
    parser.end()
    view = writable(connection)
    positions = view.positions(numbers, by_uid)
    if unchanged_since is not None:
        connection.use_condstore()
    if not positions:
        return "Store completed."
    uids = view.uids_at(positions)
    how, flags = _HOW[what[1]], view.spelling(flags)
    done = connection.store.set_flags(view.mailbox.id, uids, how, flags, unchanged_since)
    connection.wire.write(b"".join(view.learn([flags])))
    refused = set(done.refused)
    if what[2]:
        connection.tell(expunges=False, with_uid=by_uid, silent=done.modseqs)
    else:
        # Also for messages that had these flags already: RFC 3501 makes no exception for them.
        told = (uid for uid in uids if uid not in refused)
        connection.tell(expunges=False, with_uid=by_uid, wanted=told)
        for line in view.pretend(uids, how, flags, by_uid):
            connection.wire.write(line)
    if refused:
        numbered = (at + 1 for at in connection.work.every(positions) if view.uids[at] in refused)
        numbers_refused = refused if by_uid else numbered
        return f"[MODIFIED {sets.compact(numbers_refused).decode()}] Conditional store: some have changed."
    return "Store completed."


COMMANDS = {
    b"STORE": Command(store, SELECTED, looks=False, expunges=False),
    b"UID STORE": Command(uid_store, SELECTED, looks=False, by_uid=True),
}
