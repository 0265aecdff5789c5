"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE: the tree of mailboxes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..syntax import mailbox_names
from ..syntax.answers import Bad, No
from ..syntax.parser import Parser
from .select import existing
from .table import AUTHENTICATED, Command

if TYPE_CHECKING:
    from ..session.connection import Connection


# The special uses that a mailbox can have. Not \All and \Flagged: those would show messages of other mailboxes.
_USES = {"\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash"}
_ATTRIBUTE = re.compile(rb"\\([A-Za-z]{1,20})(?=[ )])")


def _names(connection: Connection) -> set[str]:
    return {mailbox.name for mailbox in connection.store.mailboxes(connection.account.id)}


def _make(connection: Connection, wanted: list[str], special_use: str = "") -> None:
    """Create the mailboxes that do not exist yet; the last one gets the special use."""
    store, account = connection.store, connection.account
    there = _names(connection)
    missing = [name for name in wanted if name not in there]
    if len(there) + len(missing) > connection.imap.options.max_mailboxes:
        raise No("Too many mailboxes", "LIMIT")
    for name in missing:
        store.create_mailbox(account.id, name, special_use if name == wanted[-1] else "")


def _use(parser: Parser) -> str:
    """The parameter `USE (\\Sent …)`, after its opening parenthesis (RFC 6154 §3)."""
    if parser.keyword() != "USE":
        raise Bad("Unknown CREATE parameter")
    parser.space()
    parser.expect(b"(")
    uses: list[str] = []
    while not parser.skip(b")"):
        if uses:
            parser.space()
        found = parser.match(_ATTRIBUTE)
        if found is None:
            raise Bad("Expected a special use")
        uses.append("\\" + found[1].decode("ascii").capitalize())
    parser.expect(b")")
    if not set(uses) <= _USES:
        raise No("No mailbox is made for such a use", "USEATTR")
    return " ".join(dict.fromkeys(uses))


def create(connection: Connection, parser: Parser) -> str:
    """CREATE: also makes missing levels above the mailbox (RFC 3501 §6.3.3)."""
    name = mailbox_names.for_creation(parser.mailbox())
    special_use = _use(parser) if parser.skip(b" (") else ""
    parser.end()
    if name in _names(connection):
        raise No("Mailbox already exists", "ALREADYEXISTS")
    _make(connection, [*mailbox_names.parents(name), name], special_use)
    return "Create completed."


def delete(connection: Connection, parser: Parser) -> str:
    """DELETE: children stay; the deleted parent is then listed as \\Noselect (RFC 3501 §6.3.4)."""
    name = parser.mailbox().removesuffix(mailbox_names.SEPARATOR)
    parser.end()
    if name == "INBOX":
        raise No("INBOX cannot be deleted", "CANNOT")
    mailbox = existing(connection, name)
    connection.store.delete_mailbox(mailbox.id)
    if connection.view is not None and connection.view.mailbox.id == mailbox.id:
        connection.deselect()
    return "Delete completed."


def rename(connection: Connection, parser: Parser) -> str:
    """RENAME: children move along. INBOX stays, and its messages move (RFC 3501 §6.3.5)."""
    old = parser.mailbox().removesuffix(mailbox_names.SEPARATOR)
    parser.space()
    new = mailbox_names.for_creation(parser.mailbox())
    parser.end()
    there = _names(connection)
    below = [name for name in there if name.startswith(old + mailbox_names.SEPARATOR)]
    if old not in there and not below:
        raise No("Mailbox does not exist", "NONEXISTENT")
    if new in there:
        raise No("Mailbox already exists", "ALREADYEXISTS")
    if old != "INBOX" and new.startswith(old + mailbox_names.SEPARATOR):
        raise No("A mailbox cannot be put inside itself", "CANNOT")
    for name in below if old != "INBOX" else ():
        mailbox_names.for_creation(new + name[len(old) :])
    _make(connection, mailbox_names.parents(new))
    store, account = connection.store, connection.account
    if old in there:
        store.rename_mailbox(account.id, old, new)
    else:  # a level that only exists because of those below it
        for name in sorted(below):
            if store.mailbox(account.id, name) is not None:
                store.rename_mailbox(account.id, name, new + name[len(old) :])
    return "Rename completed."


def subscribe(connection: Connection, parser: Parser) -> str:
    name = parser.mailbox().removesuffix(mailbox_names.SEPARATOR)
    parser.end()
    existing(connection, name)
    connection.store.subscribe(connection.account.id, name, True)
    return "Subscribe completed."


def unsubscribe(connection: Connection, parser: Parser) -> str:
    name = parser.mailbox().removesuffix(mailbox_names.SEPARATOR)
    parser.end()
    connection.store.subscribe(connection.account.id, name, False)
    return "Unsubscribe completed."


COMMANDS = {
    b"CREATE": Command(create, AUTHENTICATED),
    b"DELETE": Command(delete, AUTHENTICATED),
    b"RENAME": Command(rename, AUTHENTICATED),
    b"SUBSCRIBE": Command(subscribe, AUTHENTICATED),
    b"UNSUBSCRIBE": Command(unsubscribe, AUTHENTICATED),
}
