"""IDLE (RFC 2177)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..syntax.answers import Bad
from ..syntax.parser import Parser
from .table import AUTHENTICATED, Command

if TYPE_CHECKING:
    from ..session.connection import Connection


def idle(connection: Connection, parser: Parser) -> str:
    """Nothing may come between the client's IDLE and our "+": Delta Chat would overlook an EXISTS there and sleep on.
    So the continuation comes first, and earlier changes are told after it.
    """
    parser.end()
    connection.wire.write(b"+ idling\r\n")
    connection.imap.idling += 1
    try:
        _wait(connection)
    finally:
        connection.imap.idling -= 1
    if connection.wire.line(1000).upper() != b"DONE":
        raise Bad("Expected DONE")
    return "Idle completed."


def _wait(connection: Connection) -> None:
    """Tell the client what changes, until it says something."""
    wire = connection.wire
    keepalive = connection.imap.options.keepalive_seconds
    spoke = 0.0
    while True:
        # Unset before looking: a change made while we look sets it again.
        wire.awake = False
        now = time.monotonic()
        due = now - spoke >= keepalive
        said = False
        if due or connection.changed:
            # Even if the board said nothing: a wake-up from another process may get lost.
            said = connection.tell(expunges=True)
            if not spoke:
                said |= _remind(connection)
        if due and spoke and not said:
            wire.write(b"* OK Still here\r\n")
        if due or said:
            spoke = now
        if wire.wait(max(0.0, keepalive - (now - spoke))):
            return


def _remind(connection: Connection) -> bool:
    """Tell the client again of messages it has left unfetched. Returns whether there was a reason to."""
    view = connection.view
    if view is None or not view.uids or not connection.reminder.due(view.mailbox.id, view.uids[-1]):
        return False
    connection.reminder.told(view.mailbox.id, view.uids[-1])
    connection.wire.write(b"* %d EXISTS\r\n" % len(view))
    return True


COMMANDS = {b"IDLE": Command(idle, AUTHENTICATED, looks=False)}
