"""APPEND: the client adds messages (RFC 3501 §6.3.11; several: RFC 3502; RFC 4315, RFC 6855, RFC 7889)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chatgate.api import Delivery, Mailbox, NoSuchMailbox, Stored

from ..message.header import body_start
from ..syntax import sets
from ..syntax.answers import No
from ..syntax.parser import Parser
from .select import existing
from .table import AUTHENTICATED, Command

if TYPE_CHECKING:
    from ..session.connection import Connection

_UTF8 = re.compile(rb"UTF8 \(", re.I)

# Flags, date, content
_Message = tuple[frozenset[str], int | None, bytes]


def append(connection: Connection, parser: Parser) -> str:
    name = parser.mailbox()
    parser.space()
    messages = [_message(parser)]
    while parser.rest().strip() and parser.skip(b" "):
        messages.append(_message(parser))
    parser.end()
    mailbox = existing(connection, name, "TRYCREATE")
    most = connection.imap.max_message_bytes(connection.session)
    for _, _, content in messages:
        if len(content) > most:
            raise No("Message too large", "TOOBIG")
        if not content:
            raise No("Message is empty", "CANNOT")
        if b"\0" in content:
            raise No("Message has a NUL octet", "CANNOT")
        if not connection.utf8 and not content[: body_start(content)].isascii():
            # RFC 6855 §4. Only here: delivered mail is stored as it arrived.
            raise No("Header fields with 8-bit characters need ENABLE UTF8=ACCEPT", "CANNOT")
    stored = _store(connection, mailbox, messages)
    uids = sets.compact(one.uid for one in stored).decode()
    return f"[APPENDUID {stored[0].uidvalidity} {uids}] Append completed."


def _message(parser: Parser) -> _Message:
    flags: frozenset[str] = frozenset()
    if parser.peek() == b"(":
        flags = parser.flags()
        parser.space()
    date = None
    if parser.peek() == b'"':
        date = parser.date_time()
        parser.space()
    if parser.match(_UTF8) is None:
        return flags, date, parser.string()
    content = parser.literal8()
    parser.expect(b")")
    return flags, date, content


def _store(connection: Connection, mailbox: Mailbox, messages: list[_Message]) -> list[Stored]:
    """All or none (RFC 3502 §6.3.11)."""
    account = connection.account
    both = [
        (content, Delivery(account.address, mailbox.id, account.id, flags, date)) for flags, date, content in messages
    ]
    try:
        return connection.store.store_all(both)
    except NoSuchMailbox:
        raise No("Mailbox does not exist", "TRYCREATE") from None


COMMANDS = {b"APPEND": Command(append, AUTHENTICATED)}
