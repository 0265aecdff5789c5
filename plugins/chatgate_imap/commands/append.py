"""APPEND: the client brings a message (RFC 3501 §6.3.11, RFC 4315, RFC 7889)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatgate.api import Delivery, Reply

from ..answers import No
from ..parser import Parser
from .select import existing
from .table import AUTHENTICATED, Command

if TYPE_CHECKING:
    from ..connection import Connection


def append(connection: Connection, parser: Parser) -> str:
    name = parser.mailbox()
    parser.space()
    flags: frozenset[str] = frozenset()
    if parser.peek() == b"(":
        flags = parser.flags()
        parser.space()
    date = None
    if parser.peek() == b'"':
        date = parser.date_time()
        parser.space()
    content = parser.string()
    parser.end()
    mailbox = existing(connection, name, "TRYCREATE")
    if len(content) > connection.imap.max_message_bytes:
        raise No("Message too large", "TOOBIG")
    if not content:
        raise No("Message is empty", "CANNOT")
    if b"\0" in content:
        raise No("Message has a NUL octet", "CANNOT")
    account = connection.account
    delivery = Delivery(account.address, mailbox.id, account.id, flags, date)
    stored = connection.hub.ask("store", content=content, deliveries=[delivery], partial=False)
    if stored is None:
        raise No("Nobody stores messages here", "UNAVAILABLE")
    if isinstance(stored, Reply):
        code = "OVERQUOTA" if stored.code == 552 else "UNAVAILABLE" if stored.temporary else "CANNOT"
        raise No(stored.text, stored.imap or code)
    return f"[APPENDUID {stored[0].uidvalidity} {stored[0].uid}] Append completed."


COMMANDS = {b"APPEND": Command(append, AUTHENTICATED)}
