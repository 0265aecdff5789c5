"""GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 2087, RFC 9208): one root for the whole account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..syntax.answers import No
from ..syntax.parser import Parser
from .select import existing
from .table import AUTHENTICATED, Command

if TYPE_CHECKING:
    from ..session.connection import Connection

_ROOT = b"User quota"


def _tell(connection: Connection) -> None:
    usage = connection.store.usage(connection.account.id)
    limits = []
    if usage.limit:
        limits.append(b"STORAGE %d %d" % (-(-usage.octets // 1024), usage.limit // 1024))
    if usage.message_limit:
        limits.append(b"MESSAGE %d %d" % (usage.messages, usage.message_limit))
    connection.wire.write(b'* QUOTA "%s" (%s)\r\n' % (_ROOT, b" ".join(limits)))


def getquota(connection: Connection, parser: Parser) -> str:
    root = parser.astring()
    parser.end()
    if root != _ROOT:
        raise No("No such quota root", "NONEXISTENT")
    _tell(connection)
    return "Getquota completed."


def getquotaroot(connection: Connection, parser: Parser) -> str:
    """Delta Chat expects a QUOTA line for every root named."""
    name = parser.mailbox()
    parser.end()
    existing(connection, name)
    connection.wire.write(b'* QUOTAROOT %s "%s"\r\n' % (connection.quoted(name), _ROOT))
    _tell(connection)
    return "Getquotaroot completed."


def setquota(connection: Connection, parser: Parser) -> str:
    raise No("Quota is set by the operator", "NOPERM")


COMMANDS = {
    b"GETQUOTA": Command(getquota, AUTHENTICATED),
    b"GETQUOTAROOT": Command(getquotaroot, AUTHENTICATED),
    b"SETQUOTA": Command(setquota, AUTHENTICATED),
}
