"""GETMETADATA and SETMETADATA (RFC 5464): the values come from other plugins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from chatgate.api import LimitReached, Reply

from ..message.envelope import literal, string
from ..session import stuck
from ..syntax.answers import Bad, No, code_of
from ..syntax.parser import Parser
from .select import existing
from .table import AUTHENTICATED, Command

if TYPE_CHECKING:
    from ..session.connection import Connection

_ENTRY = re.compile(rb"/(?:private|shared)(?:/[^/*%\x00-\x1f\x7f-\xff]+)+", re.I)
_TOP = re.compile(rb"/(?:private|shared)", re.I)
_OPTIONS = re.compile(rb"\((?!/)")  # and not a list of entries
_OURS = "/private/vendor/chatgate/"
_MAX_ENTRIES = 100
_MAX_ENTRY_NAME = 255


def _mailbox(connection: Connection, parser: Parser) -> str:
    """A mailbox that exists, or "" for the server."""
    name = parser.mailbox()
    if name:
        existing(connection, name)
    return name


def _entry(parser: Parser, depth: int = 0) -> str:
    """depth: the value of DEPTH; if it asks for more than the entry itself, a mere "/private" or "/shared" will do."""
    entry = parser.astring()
    if len(entry) > _MAX_ENTRY_NAME or not (_ENTRY.fullmatch(entry) or (depth and _TOP.fullmatch(entry))):
        raise Bad("Invalid metadata entry name")
    return entry.decode("ascii").lower()


def _options(parser: Parser) -> tuple[int | None, int] | None:
    """MAXSIZE, and DEPTH with "infinity" as a large number; None if there are no options here. In the grammar of RFC
    5464 they come before the mailbox, in its examples after it.
    """
    if not _OPTIONS.match(parser.line, parser.pos):
        return None
    parser.expect(b"(")
    max_size, depth = None, 0
    while True:
        name = parser.keyword()
        parser.space()
        if name == "MAXSIZE":
            max_size = parser.number()
        elif name == "DEPTH":
            word = parser.keyword()
            if word not in ("0", "1", "INFINITY"):
                raise Bad("Invalid DEPTH")
            depth = int(word) if word != "INFINITY" else _MAX_ENTRY_NAME
        else:
            raise Bad("Unknown GETMETADATA option")
        if parser.skip(b")"):
            return max_size, depth
        parser.space()


def _values(connection: Connection, mailbox: str, entries: list[str], depth: int) -> dict[str, bytes]:
    """The values of the entries, and with depth also of those below them: from plugins, and notes kept in the store."""
    found: dict[str, bytes] = {}
    asked: set[str] = set()

    def ask(entry: str) -> None:
        if entry in asked:
            return
        asked.add(entry)
        answer = connection.hub.get_metadata(session=connection.session, mailbox=mailbox, entry=entry)
        if isinstance(answer, bytes):  # a Reply means that a plugin failed: this entry is then left out
            found[entry] = answer

    listed: list[str] = []
    notes: dict[str, bytes] = {}
    if depth:
        for names in connection.hub.metadata_entries(session=connection.session, mailbox=mailbox):
            listed += names
        kept = connection.store.annotations(connection.account.id, mailbox)
        notes = {name: value for name, value in kept.items() if name not in listed}
    for entry in entries:
        ask(entry)
        for name in filter(_below(entry, depth), listed):
            ask(name)
        found |= {name: notes[name] for name in filter(_below(entry, depth), notes)}
    return found


def _below(entry: str, depth: int) -> Callable[[str], bool]:
    return lambda name: name.startswith(entry + "/") and name.count("/") - entry.count("/") <= depth


def getmetadata(connection: Connection, parser: Parser) -> str:
    """Values are always sent as literals: chatmail's relay tests expect a value on a line of its own."""
    options = _options(parser)
    if options is not None:
        parser.space()
    mailbox = _mailbox(connection, parser)
    parser.space()
    if options is None and (options := _options(parser)) is not None:
        parser.space()
    max_size, depth = options or (None, 0)
    entries = _entries(parser, depth)
    parser.end()
    found = _values(connection, mailbox, entries, depth)
    if connection.delta_chat and not mailbox and stuck.ENTRY in entries and stuck.ENTRY not in found:
        if instead := connection.imap.stuck.answer(connection.account.id):
            found[stuck.ENTRY] = instead
        else:
            connection.in_vain = True
    longest = max((len(value) for value in found.values() if max_size is not None and len(value) > max_size), default=0)
    shown = {name: value for name, value in found.items() if max_size is None or len(value) <= max_size}
    if shown:
        pairs = b" ".join(b"%s %s" % (string_or_atom(name), literal(value)) for name, value in shown.items())
        connection.wire.write(b"* METADATA %s (%s)\r\n" % (connection.quoted(mailbox), pairs))
    code = f"[METADATA LONGENTRIES {longest}] " if longest else ""
    return code + "Getmetadata completed."


def _entries(parser: Parser, depth: int) -> list[str]:
    if not parser.skip(b"("):
        return [_entry(parser, depth)]
    entries = [_entry(parser, depth)]
    while parser.skip(b" "):
        if len(entries) >= _MAX_ENTRIES:
            raise Bad("Too many metadata entries")
        entries.append(_entry(parser, depth))
    parser.expect(b")")
    return entries


def string_or_atom(name: str) -> bytes:
    """The name without quotes, as clients that match whole lines expect it, unless a character needs them."""
    plain = name.encode("ascii")
    return plain if re.fullmatch(rb"[A-Za-z0-9/._+-]+", plain) else string(plain)


def setmetadata(connection: Connection, parser: Parser) -> str:
    mailbox = _mailbox(connection, parser)
    parser.space()
    parser.expect(b"(")
    values: list[tuple[str, bytes | None]] = []
    while True:
        entry = _entry(parser)
        parser.space()
        values.append((entry, parser.literal8() if parser.peek() == b"~" else parser.nstring()))
        if len(values) > _MAX_ENTRIES:
            raise No("Too many entries", "METADATA TOOMANY")
        if parser.skip(b")"):
            break
        parser.space()
        if parser.skip(b")"):  # a blank before it: chatmail's own tests send that
            break
    parser.end()
    limit = connection.imap.options.max_metadata_bytes
    if any(value is not None and len(value) > limit for _, value in values):
        raise No("Value too long", f"METADATA MAXSIZE {limit}")
    _set(connection, mailbox, dict(values))
    return "Setmetadata completed."


def _set(connection: Connection, mailbox: str, values: dict[str, bytes | None]) -> None:
    """Set all entries or, if one is refused, none (RFC 5464 §4.3). Notes are stored last, all together; what a plugin
    has set cannot be undone, so a plugin's entry must be the only one in its command.
    """
    if len(values) > 1:
        _only_notes(connection, mailbox, values)
    notes: dict[str, bytes | None] = {}
    for entry, value in values.items():
        answer = connection.hub.set_metadata(session=connection.session, mailbox=mailbox, entry=entry, value=value)
        if answer is None:
            if not _may_be_note(entry):
                raise No("This entry cannot be set", "NOPERM")
            notes[entry] = value
        elif not answer.accepts:
            raise No(answer.text, code_of(answer, "CANNOT"))
    if notes:
        try:
            connection.store.annotate(connection.account.id, mailbox, notes)
        except LimitReached as error:
            raise No(str(error), "METADATA TOOMANY") from None


def _only_notes(connection: Connection, mailbox: str, entries: Iterable[str]) -> None:
    listed = connection.hub.metadata_entries.all(session=connection.session, mailbox=mailbox)
    if isinstance(listed, Reply):
        raise No(listed.text, listed.imap)
    if not {name for names in listed for name in names}.isdisjoint(entries):
        raise No("One of these entries can be set in a command of its own only", "CANNOT")
    if not all(map(_may_be_note, entries)):
        raise No("This entry cannot be set", "NOPERM")


def _may_be_note(entry: str) -> bool:
    """Entries of chatgate are never kept as notes: a client that sets its password by one must not get an OK if no
    plugin handles it.
    """
    return entry.startswith("/private/") and not f"{entry}/".startswith(_OURS)


COMMANDS = {
    b"GETMETADATA": Command(getmetadata, AUTHENTICATED),
    b"SETMETADATA": Command(setmetadata, AUTHENTICATED),
}
