"""SEARCH (RFC 3501 §6.4.4, RFC 4731, RFC 5182), SORT and THREAD (RFC 5256), each also by UID."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..message.source import Gone, Source
from ..queries import keys, sorting, threads
from ..session.view import View
from ..syntax import sets
from ..syntax.answers import Bad
from ..syntax.parser import Parser
from .select import selected
from .table import SELECTED, Command

if TYPE_CHECKING:
    from ..session.connection import Connection

_KEY = 100  # octets in memory of a sort key, besides its text
_RETURN = {"MIN", "MAX", "ALL", "COUNT", "SAVE"}


class _Hits:
    """numbers: of the messages found, ascending. missing: another session expunged messages that had to be read."""

    def __init__(self, connection: Connection, key: keys.Key, look: Callable[[int, Source], object]) -> None:
        """look: called with each message found and its number. Raises TooMuchWork."""
        view, work = selected(connection), connection.work
        self.numbers: list[int] = []
        self.missing = False
        for number, message in enumerate(work.each(view.messages), 1):
            source = Source(message, message.uid in view.recent, work, connection.store, view.mailbox.id)
            try:
                if key.test(source, number):
                    look(number, source)
                    self.numbers.append(number)
            except Gone:
                self.missing = True
            finally:
                source.close()

    def answer(self, name: str) -> str:
        code = "[EXPUNGEISSUED] " if self.missing else ""  # RFC 5530 §3
        return f"{code}{name} completed."


def _program(connection: Connection, parser: Parser, charset: bool = False) -> tuple[keys.Key, bool]:
    """The search keys, and whether MODSEQ is among them, which turns CONDSTORE on. charset: a charset precedes them."""
    view = selected(connection)
    if charset:
        keys.charset(parser)
        parser.space()
    context = keys.Context(len(view), view.uids[-1] if view.uids else 0, view.saved)
    key, uses_modseq = keys.parse(parser, context)
    if uses_modseq:
        connection.use_condstore()
    return key, uses_modseq


def _nothing(number: int, source: Source) -> None:
    pass


def _named(view: View, number: int, by_uid: bool) -> int:
    return view.uids[number - 1] if by_uid else number


def _modseq(view: View, numbers: list[int]) -> int:
    return max((view.messages.modseq(number - 1) for number in numbers), default=0)


def search(connection: Connection, parser: Parser) -> str:
    return _search(connection, parser, by_uid=False)


def uid_search(connection: Connection, parser: Parser) -> str:
    return _search(connection, parser, by_uid=True)


def _search(connection: Connection, parser: Parser, by_uid: bool) -> str:
    view = selected(connection)
    options = _options(parser)
    key, uses_modseq = _program(connection, parser)
    saves = options is not None and "SAVE" in options
    if saves:
        view.saved = ()  # also when it fails from here on (RFC 5182 §2.1)
    hits = _Hits(connection, key, _nothing)
    if options is None:
        modseq = _modseq(view, hits.numbers) if uses_modseq else 0
        _list(connection, b"SEARCH", hits.numbers, by_uid, modseq)
        return hits.answer("Search")
    told = _told(hits.numbers, options)
    if saves:
        view.saved = array("I", (view.uids[number - 1] for number in told))
    if options != {"SAVE"}:
        modseq = _modseq(view, told) if uses_modseq else 0
        connection.wire.write(_extended(connection, hits.numbers, options, by_uid, modseq))
    return hits.answer("Search")


def _options(parser: Parser) -> set[str] | None:
    """The options of `RETURN (…) `; None if there are none: the response is then in the old form (RFC 4731 §3.1)."""
    if parser.rest()[:8].upper() != b"RETURN (":
        return None
    parser.pos += 8
    options: set[str] = set()
    while not parser.skip(b")"):
        if options:
            parser.space()
        options.add(parser.keyword())
    if not options <= _RETURN:
        raise Bad("Unknown SEARCH return option")
    parser.space()
    return options or {"ALL"}


def _told(numbers: list[int], options: set[str]) -> list[int]:
    """The numbers to save and to compute MODSEQ from: only the first or last ones if no more is asked for."""
    if not numbers or options & {"ALL", "COUNT"} or not options & {"MIN", "MAX"}:
        return numbers
    ends = {"MIN": numbers[0], "MAX": numbers[-1]}
    return sorted({ends[option] for option in options & ends.keys()})


def _extended(connection: Connection, numbers: list[int], options: set[str], by_uid: bool, modseq: int) -> bytes:
    view = selected(connection)
    parts = [b'* ESEARCH (TAG "%s")' % connection.tag]
    if by_uid:
        parts.append(b"UID")
    if numbers and "MIN" in options:
        parts.append(b"MIN %d" % _named(view, numbers[0], by_uid))
    if numbers and "MAX" in options:
        parts.append(b"MAX %d" % _named(view, numbers[-1], by_uid))
    if numbers and "ALL" in options:
        parts.append(b"ALL " + sets.text(sets.spans(_named(view, number, by_uid) for number in numbers)))
    if "COUNT" in options:
        parts.append(b"COUNT %d" % len(numbers))
    if modseq:
        parts.append(b"MODSEQ %d" % modseq)
    return b" ".join(parts) + b"\r\n"


def _list(connection: Connection, kind: bytes, numbers: list[int], by_uid: bool, modseq: int) -> None:
    view, write = selected(connection), connection.wire.write
    write(b"* " + kind)
    for number in numbers:
        connection.work.turn()
        write(b" %d" % _named(view, number, by_uid))
    write(b" (MODSEQ %d)\r\n" % modseq if modseq else b"\r\n")


def sort(connection: Connection, parser: Parser) -> str:
    return _sort(connection, parser, by_uid=False)


def uid_sort(connection: Connection, parser: Parser) -> str:
    return _sort(connection, parser, by_uid=True)


def _sort(connection: Connection, parser: Parser, by_uid: bool) -> str:
    compared = sorting.parse(parser)
    parser.space()
    key, uses_modseq = _program(connection, parser, charset=True)
    found: list[bytes] = []
    with connection.gathering() as share:

        def look(number: int, source: Source) -> None:
            found.append(compared(source))
            share.more(_KEY + len(found[-1]))

        hits = _Hits(connection, key, look)
        # Equal messages stay in the order of the mailbox: the sort is stable.
        places = connection.work.ordered(range(len(found)), key=found.__getitem__)
        ordered = [hits.numbers[at] for at in places]
        modseq = _modseq(selected(connection), ordered) if uses_modseq else 0
        _list(connection, b"SORT", ordered, by_uid, modseq)
    return hits.answer("Sort")


def thread(connection: Connection, parser: Parser) -> str:
    return _thread(connection, parser, by_uid=False)


def uid_thread(connection: Connection, parser: Parser) -> str:
    return _thread(connection, parser, by_uid=True)


def _thread(connection: Connection, parser: Parser, by_uid: bool) -> str:
    if parser.keyword() != "REFERENCES":
        raise Bad("Unknown threading algorithm")
    parser.space()
    key, _ = _program(connection, parser, charset=True)
    view, write = selected(connection), connection.wire.write
    with connection.gathering() as share:
        items = threads.Items(share)
        hits = _Hits(connection, key, lambda number, source: items.add(source, _named(view, number, by_uid)))
        pieces = threads.threads(items, connection.work)
        write(b"* THREAD" + (b" " if items else b""))
        for piece in pieces:
            write(piece)
        write(b"\r\n")
    return hits.answer("Thread")


COMMANDS = {
    b"SEARCH": Command(search, SELECTED, looks=False, expunges=False),
    b"UID SEARCH": Command(uid_search, SELECTED, looks=False, by_uid=True),
    b"SORT": Command(sort, SELECTED, looks=False, expunges=False),
    b"UID SORT": Command(uid_sort, SELECTED, looks=False, by_uid=True),
    b"THREAD": Command(thread, SELECTED, looks=False, expunges=False),
    b"UID THREAD": Command(uid_thread, SELECTED, looks=False, by_uid=True),
}
