"""Tokens of a command (RFC 3501 §9): atoms, strings, literals, numbers, lists, flags, dates."""

from __future__ import annotations

import calendar
import re

from ..message import words
from . import mailbox_names
from .answers import Bad, No

MAX_DEPTH = 20  # of nested parentheses and NOTs; real clients stay under 5
MAX_FLAGS, MAX_FLAG_OCTETS = 50, 1000  # of one message; octets include one blank between flags

_ATOM = re.compile(rb'[^(){ %*"\\\]\x00-\x1f\x7f-\xff]+')
_ASTRING = re.compile(rb'[^(){ %*"\\\x00-\x1f\x7f-\xff]+')
_PLAIN_LIST = re.compile(rb"\((%b(?: %b)*)\)" % (_ASTRING.pattern, _ASTRING.pattern))
_LIST_MAILBOX = re.compile(rb'[^(){ "\\\x00-\x1f\x7f-\xff]+')
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{(\d+)\+?\}$")
_LITERAL8 = re.compile(rb"~\{(\d+)\+?\}$")
_NUMBER = re.compile(rb"\d{1,20}")
_FLAG = re.compile(rb'\\?[^(){ %*"\\\]\x00-\x1f\x7f-\xff]+')
_DATE = re.compile(rb'("?)(\d{1,2})-([A-Za-z]{3})-(\d{4})\1(?=[ )]|$)')
_DATE_TIME = re.compile(rb'"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"')

_SYSTEM_FLAGS = {f.lower(): f for f in ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = {name.lower().encode(): number for number, name in enumerate(MONTHS, 1)}


class Parser:
    """Reads one command from left to right. parts: its first line, then alternately a literal and the line after it.
    utf8: mailbox names are in UTF-8 (RFC 6855). Every method raises Bad if the input is not what it expects.
    """

    __slots__ = ("line", "pos", "utf8", "_parts", "_at")

    def __init__(self, parts: list[bytes], pos: int = 0, utf8: bool = False) -> None:
        self.line = parts[0]
        self.pos = pos
        self.utf8 = utf8
        self._parts = parts
        self._at = 0

    # ------------------------------------------------------------------------------------------ bare syntax

    def rest(self) -> bytes:
        """What is left of this line, unread."""
        return self.line[self.pos :]

    @property
    def one_line(self) -> bool:
        """Is there no literal ahead?"""
        return self._at + 1 >= len(self._parts)

    def at_end(self) -> bool:
        return self.pos >= len(self.line) and self.one_line

    def end(self) -> None:
        if self.pos < len(self.line):
            # Some clients leave a blank at the end of a line; it is ignored.
            if self.one_line and not self.line[self.pos :].strip(b" "):
                return
            raise Bad("Unexpected arguments")

    def peek(self) -> bytes:
        """The next octet, b"" at the end of the line."""
        return self.line[self.pos : self.pos + 1]

    def skip(self, token: bytes) -> bool:
        """Step over `token` if it is next."""
        if self.line.startswith(token, self.pos):
            self.pos += len(token)
            return True
        return False

    def expect(self, token: bytes) -> None:
        if not self.skip(token):
            raise Bad("Missing arguments" if self.at_end() else "Syntax error in arguments")

    def space(self) -> None:
        self.expect(b" ")

    def match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        found = pattern.match(self.line, self.pos)
        if found is not None:
            self.pos = found.end()
        return found

    def _need(self, pattern: re.Pattern[bytes], what: str) -> bytes:
        found = pattern.match(self.line, self.pos)
        if found is None:
            raise Bad(f"Expected {what}")
        self.pos = found.end()
        return found[0]

    # ------------------------------------------------------------------------------------------ words

    def keyword(self) -> str:
        """An atom that names something, in capitals."""
        return self._need(_ATOM, "a keyword").decode("ascii").upper()

    def number(self) -> int:
        return int(self._need(_NUMBER, "a number"))

    def modifier(self, command: str, name: str) -> int | None:
        """The number in ` (NAME number)`, None if there is no modifier (RFC 4466 §2.3 and §2.5)."""
        if not self.skip(b" ("):
            return None
        if self.keyword() != name:
            raise Bad(f"Unknown {command} modifier")
        self.space()
        number = self.number()
        self.expect(b")")
        return number

    def string(self) -> bytes:
        """A quoted string or a literal."""
        quoted = self.match(_QUOTED)
        if quoted is not None:
            text = quoted[1]
            return words.unquoted(text)
        return self._literal(_LITERAL, "a string")

    def literal8(self) -> bytes:
        """A literal of any octets (RFC 3516 §2)."""
        return self._literal(_LITERAL8, "a literal8")

    def _literal(self, pattern: re.Pattern[bytes], what: str) -> bytes:
        if self.match(pattern) is None or self.one_line:
            raise Bad(f"Expected {what}")
        literal = self._parts[self._at + 1]
        self._at += 2
        self.line = self._parts[self._at]
        self.pos = 0
        return literal

    def astring(self) -> bytes:
        found = self.match(_ASTRING)
        return found[0] if found is not None else self.string()

    def nil(self) -> bool:
        """Step over NIL if it is next."""
        if self.line[self.pos : self.pos + 3].upper() == b"NIL" and not _ATOM.match(self.line, self.pos + 3):
            self.pos += 3
            return True
        return False

    def nstring(self) -> bytes | None:
        return None if self.nil() else self.string()

    def astrings(self) -> list[bytes]:
        """A parenthesised list of at least one astring."""
        if (plain := self.match(_PLAIN_LIST)) is not None:  # thousands of them in a millisecond
            return plain[1].split(b" ")
        self.expect(b"(")
        found = [self.astring()]
        while self.skip(b" "):
            found.append(self.astring())
        self.expect(b")")
        return found

    # ------------------------------------------------------------------------------------------ IMAP's own

    def mailbox(self) -> str:
        return mailbox_names.parse(self.astring(), self.utf8)

    def list_mailbox(self) -> bytes:
        """A LIST pattern as given: wildcards are ordinary characters of an atom here."""
        found = self.match(_LIST_MAILBOX)
        return found[0] if found is not None else self.string()

    def sequence_set(self) -> bytes:
        """A sequence set: everything up to the next blank or parenthesis; `sets.parse` checks it."""
        found = _SET_END.match(self.line, self.pos)
        if found is None:
            raise Bad("Expected a message set")
        self.pos = found.end()
        return found[0]

    def flag(self) -> str:
        text = self._need(_FLAG, "a flag").decode("ascii")
        if text[0] == "\\":
            system = _SYSTEM_FLAGS.get(text.lower())
            if system is None:
                raise Bad("No such system flag, or not one to be changed")
            return system
        if len(text) > 64:
            raise Bad("Keyword too long")
        return text

    def flags(self) -> frozenset[str]:
        """A list in parentheses, maybe empty, or (for STORE) bare flags. Raises No for more than a message can have."""
        found = set()
        if self.skip(b"("):
            if not self.skip(b")"):
                found.add(self.flag())
                while self.skip(b" "):
                    found.add(self.flag())
                self.expect(b")")
        else:
            found.add(self.flag())
            while self.skip(b" "):
                found.add(self.flag())
        if len(found) > MAX_FLAGS or len(" ".join(found)) > MAX_FLAG_OCTETS:
            raise No("Too many flags", "LIMIT")
        return frozenset(found)

    def date(self) -> int:
        """A date, as the Unix time of its 00:00 UTC."""
        found = self.match(_DATE)
        if found is None:
            raise Bad("Expected a date like 1-Feb-1994")
        return _seconds(found[4], found[3], found[2])

    def date_time(self) -> int:
        """A quoted date-time as Unix seconds."""
        found = self.match(_DATE_TIME)
        if found is None:
            raise Bad('Expected a date and time like " 1-Feb-1994 21:52:25 -0800"')
        hour, minute, second, zone_hour, zone_minute = (int(found[n]) for n in (4, 5, 6, 8, 9))
        if hour > 23 or minute > 59 or second > 60 or zone_minute > 59:
            raise Bad("No such time of day")
        zone = (zone_hour * 60 + zone_minute) * (60 if found[7] == b"+" else -60)
        return _seconds(found[3], found[2], found[1]) + hour * 3600 + minute * 60 + second - zone


_SET_END = re.compile(rb"[^ ()]+")


def _seconds(year: bytes, month: bytes, day: bytes) -> int:
    number, count = _MONTH.get(month.lower(), 0), int(day)
    if not number or int(year) < 1 or not 1 <= count <= calendar.monthrange(int(year), number)[1]:
        raise Bad("No such day")
    return calendar.timegm((int(year), number, count, 0, 0, 0))
