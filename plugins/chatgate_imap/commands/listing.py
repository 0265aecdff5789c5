"""LIST, LSUB, STATUS, NAMESPACE: what mailboxes are there, and how full."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from chatgate.api import Mailbox, Status

from .. import names
from ..answers import Bad
from ..envelope import string
from ..parser import Parser
from .select import existing
from .table import AUTHENTICATED, Command

if TYPE_CHECKING:
    from ..connection import Connection

_WILDCARDS = re.compile(rb"[*%]+")
_MAX_PATTERN = 1000
_MAX_WILDCARDS = 20


def _pattern(parser: Parser) -> tuple[bytes, names.Pattern | None]:
    """Reference and pattern put together; None for what can match no name. First the pattern as it came."""
    reference = parser.astring()
    parser.space()
    wanted = parser.list_mailbox()
    parser.end()
    if len(reference) + len(wanted) > _MAX_PATTERN or len(_WILDCARDS.findall(reference + wanted)) > _MAX_WILDCARDS:
        raise Bad("Pattern too long")
    try:
        return wanted, names.Pattern(names.decode(reference + wanted))
    except ValueError:
        return wanted, None


def _line(kind: bytes, attributes: list[str], name: str) -> bytes:
    return b'* %s (%s) "/" %s\r\n' % (kind, " ".join(attributes).encode(), string(names.encode(name)))


def list_(connection: Connection, parser: Parser) -> str:
    wanted, pattern = _pattern(parser)
    if not wanted:  # asks for the separator and the root only
        connection.wire.write(b'* LIST (\\Noselect) "/" ""\r\n')
        return "List completed."
    kept = {mailbox.name: mailbox for mailbox in connection.store.mailboxes(connection.account.id)}
    parents = {parent for name in kept for parent in names.parents(name)}
    for name in sorted(kept.keys() | parents, key=lambda name: (name != "INBOX", name)):
        if pattern is None or not pattern.matches(name):
            continue
        attributes = [] if name in kept else ["\\Noselect"]
        attributes.append("\\HasChildren" if name in parents else "\\HasNoChildren")
        if name in kept and kept[name].special_use:
            attributes.append(kept[name].special_use)
        connection.wire.write(_line(b"LIST", attributes, name))
    return "List completed."


def lsub(connection: Connection, parser: Parser) -> str:
    """With `%`, a level that only has subscribed ones below it is given as \\Noselect (RFC 3501 §6.3.9)."""
    wanted, pattern = _pattern(parser)
    if not wanted:
        connection.wire.write(b'* LSUB (\\Noselect) "/" ""\r\n')
        return "Lsub completed."
    subscribed = set(connection.store.subscriptions(connection.account.id))
    hits: dict[str, list[str]] = {}
    for name in sorted(subscribed):
        if pattern is None:
            break
        if pattern.matches(name):
            hits[name] = []
        elif wanted.endswith(b"%"):
            for parent in names.parents(name):
                if parent not in subscribed and pattern.matches(parent):
                    hits.setdefault(parent, ["\\Noselect"])
    for name, attributes in hits.items():
        connection.wire.write(_line(b"LSUB", attributes, name))
    return "Lsub completed."


def _recent(connection: Connection, mailbox: Mailbox, status: Status) -> int:
    first = connection.imap.recent.first(mailbox.id)
    if first >= status.uidnext or not status.messages:
        return 0
    messages = connection.store.changes(mailbox.id, 0).messages
    return len(messages) - bisect_left(messages, first, key=lambda message: message.uid)


def status(connection: Connection, parser: Parser) -> str:
    name = parser.mailbox()
    parser.space()
    items = [item.upper() for item in parser.astrings()]
    parser.end()
    mailbox = existing(connection, name)
    now = connection.store.status(mailbox.id)
    values = {
        b"MESSAGES": now.messages,
        b"UNSEEN": now.unseen,
        b"UIDNEXT": now.uidnext,
        b"UIDVALIDITY": now.uidvalidity,
        b"HIGHESTMODSEQ": now.modseq,
        b"SIZE": now.size,
        b"APPENDLIMIT": connection.imap.max_message_bytes,
    }
    if b"RECENT" in items:
        values[b"RECENT"] = _recent(connection, mailbox, now)
    if not all(item in values for item in items):
        raise Bad("Unknown STATUS item")
    if b"HIGHESTMODSEQ" in items:
        connection.condstore = True  # RFC 7162 §3.1: asking for it turns CONDSTORE on
        if connection.view is not None:
            connection.view.condstore = True
    each = b" ".join(b"%s %d" % (item, values[item]) for item in dict.fromkeys(items))
    connection.wire.write(b"* STATUS %s (%s)\r\n" % (string(names.encode(name)), each))
    return "Status completed."


def namespace(connection: Connection, parser: Parser) -> str:
    """RFC 2342: everything is the user's own."""
    parser.end()
    connection.wire.write(b'* NAMESPACE (("" "/")) NIL NIL\r\n')
    return "Namespace completed."


COMMANDS = {
    b"LIST": Command(list_, AUTHENTICATED),
    b"LSUB": Command(lsub, AUTHENTICATED),
    b"STATUS": Command(status, AUTHENTICATED),
    b"NAMESPACE": Command(namespace, AUTHENTICATED),
}
