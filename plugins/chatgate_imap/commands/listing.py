"""LIST with its extensions (RFC 5258, 5819, 6154), LSUB, NAMESPACE: which mailboxes there are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chatgate.api import NoSuchMailbox

from ..syntax import mailbox_names
from ..syntax.answers import Bad
from ..syntax.parser import Parser
from . import status
from .table import AUTHENTICATED, Command

if TYPE_CHECKING:
    from ..session.connection import Connection

_WILDCARDS = re.compile(rb"[*%]+")
_MAX_PATTERN = 1000  # octets of all patterns of one command
_MAX_WILDCARDS = 20

_CRITERIA = ("SUBSCRIBED", "SPECIAL-USE")
_SELECTION = {*_CRITERIA, "REMOTE", "RECURSIVEMATCH"}
_RETURN = {"SUBSCRIBED", "CHILDREN", "SPECIAL-USE"}


@dataclass
class _Asked:
    """What a LIST asks for. select: names that meet these of `_CRITERIA`; with recursive, also names above them.
    patterns: without those that cannot match any name. root: only the separator and the root. tell: return options.
    status: items of STATUS to report for each. extended: the response may use the extensions of RFC 5258.
    """

    patterns: list[mailbox_names.Pattern]
    root: bool = False
    select: set[str] = field(default_factory=set)
    recursive: bool = False
    tell: set[str] = field(default_factory=set)
    status: list[bytes] = field(default_factory=list)
    extended: bool = False

    def matches(self, name: str) -> bool:
        return any(pattern.matches(name) for pattern in self.patterns)


def _asked(parser: Parser) -> _Asked:
    selection = _selection(parser) if (selecting := parser.skip(b"(")) else set()
    if selecting:
        parser.space()
    reference = parser.astring()
    parser.space()
    wanted, several = _wanted(parser)
    asked = _Asked(_patterns(parser, reference, wanted), root=wanted == [b""] and not selecting)
    asked.select, asked.recursive = selection.intersection(_CRITERIA), "RECURSIVEMATCH" in selection
    if asked.recursive and not asked.select:
        raise Bad("RECURSIVEMATCH needs another option beside it")
    returning = bool(parser.rest().strip())
    if returning:
        _returns(parser, asked)
    asked.extended = selecting or several or returning
    parser.end()
    return asked


def _selection(parser: Parser) -> set[str]:
    """Selection options, after their opening parenthesis."""
    options: set[str] = set()
    while not parser.skip(b")"):
        if options:
            parser.space()
        options.add(parser.keyword())
    if not options <= _SELECTION:
        raise Bad("Unknown LIST selection option")
    return options


def _returns(parser: Parser, asked: _Asked) -> None:
    parser.space()
    if parser.keyword() != "RETURN":
        raise Bad("Unknown LIST arguments")
    parser.space()
    parser.expect(b"(")
    first = True
    while not parser.skip(b")"):
        if not first:
            parser.space()
        first = False
        option = parser.keyword()
        if option == "STATUS":
            parser.space()
            asked.status = status.items(parser)
        elif option in _RETURN:
            asked.tell.add(option)
        else:
            raise Bad("Unknown LIST return option")


def _wanted(parser: Parser) -> tuple[list[bytes], bool]:
    """The patterns as given, and whether they were in parentheses."""
    if not parser.skip(b"("):
        return [parser.list_mailbox()], False
    wanted = [parser.list_mailbox()]
    while parser.skip(b" "):
        wanted.append(parser.list_mailbox())
    parser.expect(b")")
    return wanted, True


def _patterns(parser: Parser, reference: bytes, wanted: list[bytes]) -> list[mailbox_names.Pattern]:
    """The patterns with the reference in front, without those that cannot match any name."""
    if len(reference) * len(wanted) + sum(map(len, wanted)) > _MAX_PATTERN:
        raise Bad("Pattern too long")
    whole = [reference + pattern for pattern in wanted]
    if sum(len(_WILDCARDS.findall(one)) for one in whole) > _MAX_WILDCARDS:
        raise Bad("Pattern too long")
    patterns = []
    for one in whole:
        try:
            patterns.append(mailbox_names.Pattern(one.decode("utf-8") if parser.utf8 else mailbox_names.decode(one)))
        except ValueError:
            pass
    return patterns


def list_(connection: Connection, parser: Parser) -> str:
    asked = _asked(parser)
    if asked.root:
        connection.wire.write(b'* LIST (\\Noselect) "/" ""\r\n')
        return "List completed."
    store, account = connection.store, connection.account
    kept = {mailbox.name: mailbox for mailbox in store.mailboxes(account.id)}
    each = connection.work.each  # there may be 500 subscriptions, and 16 levels above each
    levels = _above(each(kept))
    subscribed: set[str] = set()
    if "SUBSCRIBED" in asked.select | asked.tell:
        subscribed = set(store.subscriptions(account.id))

    def meets(name: str) -> bool:
        if "SPECIAL-USE" in asked.select and not (name in kept and kept[name].special_use):
            return False
        return "SUBSCRIBED" not in asked.select or name in subscribed

    there = kept.keys() | levels
    if "SUBSCRIBED" in asked.select:  # subscriptions outlive their mailboxes
        there |= subscribed | _above(each(subscribed))
    above = _above(filter(meets, each(there))) if asked.recursive else set()
    for name in sorted(filter(asked.matches, each(there)), key=lambda name: (name != "INBOX", name)):
        if not meets(name) and name not in above:
            continue
        attributes = [] if name in kept else ["\\NonExistent" if asked.extended else "\\Noselect"]
        if name in kept or name in levels:
            attributes.append("\\HasChildren" if name in levels else "\\HasNoChildren")
        if name in subscribed:
            attributes.append("\\Subscribed")
        if name in kept and kept[name].special_use:
            attributes.append(kept[name].special_use)
        below = [option for option in _CRITERIA if option in asked.select] if name in above else []
        connection.wire.write(_line(connection, b"LIST", attributes, name, below))
        if asked.status and name in kept:
            connection.work.step()
            try:
                status.tell(connection, kept[name], asked.status)
            except NoSuchMailbox:
                pass  # deleted meanwhile; a name without STATUS says so (RFC 5819 §2)
    return "List completed."


def _above(there: Iterable[str]) -> set[str]:
    """All levels above any of these names."""
    return {parent for name in there for parent in mailbox_names.parents(name)}


def _line(connection: Connection, kind: bytes, attributes: list[str], name: str, below: Iterable[str] = ()) -> bytes:
    """below: the selection options that names below this one meet (RFC 5258 §3.5)."""
    met = b" ".join(b'"%s"' % option.encode() for option in below)
    info = b' ("CHILDINFO" (%s))' % met if met else b""
    return b'* %s (%s) "/" %s%s\r\n' % (kind, " ".join(attributes).encode(), connection.quoted(name), info)


def lsub(connection: Connection, parser: Parser) -> str:
    """With `%`, a level that merely has subscribed names below it is listed as \\Noselect (RFC 3501 §6.3.9)."""
    reference = parser.astring()
    parser.space()
    wanted = parser.list_mailbox()
    parser.end()
    if not wanted:
        connection.wire.write(b'* LSUB (\\Noselect) "/" ""\r\n')
        return "Lsub completed."
    subscribed = set(connection.store.subscriptions(connection.account.id))
    hits: dict[str, list[str]] = {}
    for pattern in _patterns(parser, reference, [wanted]):
        for name in connection.work.each(sorted(subscribed)):
            if pattern.matches(name):
                hits[name] = []
            elif wanted.endswith(b"%"):
                for parent in mailbox_names.parents(name):
                    if parent not in subscribed and pattern.matches(parent):
                        hits.setdefault(parent, ["\\Noselect"])
    for name, attributes in hits.items():
        connection.wire.write(_line(connection, b"LSUB", attributes, name))
    return "Lsub completed."


def namespace(connection: Connection, parser: Parser) -> str:
    """RFC 2342: everything is the user's own."""
    parser.end()
    connection.wire.write(b'* NAMESPACE (("" "/")) NIL NIL\r\n')
    return "Namespace completed."


COMMANDS = {
    b"LIST": Command(list_, AUTHENTICATED),
    b"LSUB": Command(lsub, AUTHENTICATED),
    b"NAMESPACE": Command(namespace, AUTHENTICATED),
}
