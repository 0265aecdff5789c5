"""IDLE (RFC 2177)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..answers import Bad
from ..parser import Parser
from .table import AUTHENTICATED, Command

if TYPE_CHECKING:
    from ..connection import Connection


def idle(connection: Connection, parser: Parser) -> str:
    """Nothing may come between the client's IDLE and our "+": Delta Chat overlooks an EXISTS there and sleeps on it.
    So the continuation is first, and what changed before is told behind it.
    """
    parser.end()
    wire = connection.wire
    wire.write(b"+ idling\r\n")
    keepalive = connection.imap.options.keepalive_seconds
    spoke = 0.0
    while True:
        # Cleared before looking: a change that comes while we look sets it again.
        wire.event.clear()
        now = time.monotonic()
        due = now - spoke >= keepalive
        lines: list[bytes] = []
        if due or connection.changed:
            # Also when the board said nothing: its word may be lost on the way from another process.
            lines = connection.news(expunges=True)
            if not spoke:
                lines += _reminder(connection)
        if due and spoke and not lines:
            lines = [b"* OK Still here\r\n"]
        if due or lines:
            wire.write(b"".join(lines))
            spoke = now
        if wire.wait(max(0.0, keepalive - (now - spoke))):
            break
    if wire.line(1000).upper() != b"DONE":
        raise Bad("Expected DONE")
    return "Idle completed."


def _reminder(connection: Connection) -> list[bytes]:
    view = connection.view
    if view is None or not view.uids or not connection.reminder.due(view.mailbox.id, view.uids[-1]):
        return []
    connection.reminder.told(view.mailbox.id, view.uids[-1])
    return [b"* %d EXISTS\r\n" % len(view)]


COMMANDS = {b"IDLE": Command(idle, AUTHENTICATED, looks=False)}
