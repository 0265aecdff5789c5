"""Mailbox names: modified UTF-7 (RFC 3501 §5.1.3), the hierarchy, INBOX in any case, and LIST patterns."""

from __future__ import annotations

import base64
import re

from chatgate.api import mailbox_name

from .answers import No

SEPARATOR = "/"
MAX_NAME = 255  # characters; what Dovecot allows, and short enough for any store
MAX_LEVELS = 16

_SHIFTED = re.compile(rb"&([^&-]*)-")
_PLAIN = re.compile(r"[\x20-\x25\x27-\x7e]*")


def decode(name: bytes) -> str:
    """Modified UTF-7 to text. Raises ValueError for anything that a correct encoder would not write."""
    if b"&" not in name:
        return _ascii(name)
    out: list[str] = []
    end = 0
    for match in _SHIFTED.finditer(name):
        out.append(_ascii(name[end : match.start()]))
        out.append(_shifted(match[1]) if match[1] else "&")
        end = match.end()
    out.append(_ascii(name[end:]))
    text = "".join(out)
    if encode(text) != name:  # another encoding would be a second name for the same mailbox
        raise ValueError("not canonical modified UTF-7")
    return text


def _ascii(part: bytes) -> str:
    if b"&" in part or not part.isascii() or not (text := part.decode("ascii")).isprintable():
        raise ValueError("a character that must be encoded")
    return text


def _shifted(sextets: bytes) -> str:
    if not sextets.isascii() or b"=" in sextets or b"/" in sextets:
        raise ValueError("not modified base64")
    padded = sextets.replace(b",", b"/") + b"=" * (-len(sextets) % 4)
    return base64.b64decode(padded, validate=True).decode("utf-16-be")


def encode(name: str) -> bytes:
    """Text to modified UTF-7."""
    if _PLAIN.fullmatch(name):
        return name.encode("ascii")
    out: list[bytes] = []
    pos = 0
    while pos < len(name):
        plain = _PLAIN.match(name, pos)
        assert plain is not None
        out.append(plain[0].encode("ascii"))
        pos = plain.end()
        if name[pos : pos + 1] == "&":
            out.append(b"&-")
            pos += 1
            continue
        start = pos
        while pos < len(name) and not " " <= name[pos] <= "~":
            pos += 1
        if pos > start:
            packed = base64.b64encode(name[start:pos].encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
            out.append(b"&" + packed + b"-")
    return b"".join(out)


def parse(wire: bytes, utf8: bool = False) -> str:
    """A mailbox name in a command. utf8: the client has enabled UTF8=ACCEPT, so no name is in modified UTF-7
    (RFC 6855 §3). Raises No for a broken encoding, not Bad: in the grammar it is an astring like any other.
    """
    try:
        return mailbox_name(wire.decode("utf-8") if utf8 else decode(wire))
    except ValueError:
        raise No(f"Mailbox name is not valid {'UTF-8' if utf8 else 'modified UTF-7'}", "CANNOT") from None


def quoted(name: str, utf8: bool = False) -> bytes:
    """A mailbox name as written in responses, always quoted."""
    wire = name.encode("utf-8") if utf8 else encode(name)
    return b'"%s"' % wire.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def for_creation(name: str) -> str:
    """The name to store for a new mailbox. A trailing separator only says "there will be children" (RFC 3501 §6.3.3).
    Raises No if the name is not allowed.
    """
    name = name.removesuffix(SEPARATOR)
    levels = name.split(SEPARATOR)
    if not all(levels):
        raise No("Mailbox name has an empty level", "CANNOT")
    if len(name) > MAX_NAME or len(levels) > MAX_LEVELS:
        raise No("Mailbox name is too long", "CANNOT")
    if any(c in name for c in "%*") or not name.isprintable():
        raise No("Mailbox name has a character that is not allowed", "CANNOT")
    return name


def parents(name: str) -> list[str]:
    """The levels above a name, outermost first."""
    levels = name.split(SEPARATOR)
    return [SEPARATOR.join(levels[:count]) for count in range(1, len(levels))]


class Pattern:
    """A LIST pattern: `*` matches anything, `%` anything but the separator. Matching takes a few integer operations for
    each character of the name, whatever the pattern: all positions in the pattern that are possible are the bits of one
    integer, so there is no backtracking.
    """

    __slots__ = ("_pattern", "_capitals")

    def __init__(self, pattern: str) -> None:
        self._pattern = _Places(mailbox_name(pattern))
        self._capitals = _Places(pattern.upper())

    def matches(self, name: str) -> bool:
        """Does the pattern match the name? INBOX as a whole name is matched case-insensitively."""
        return self._pattern.match(name) or (name == "INBOX" and self._capitals.match(name))


class _Places:
    """Bit n stands for the position before the n-th character of the pattern. literals: the positions at which each
    character is expected. all, level: the positions of `*` and `%`.
    """

    __slots__ = ("_all", "_end", "_level", "_literals")

    def __init__(self, pattern: str) -> None:
        # Merge adjacent wildcards, so that a single step can skip one that matches nothing.
        pattern = re.sub(r"[*%]*\*[*%]*", "*", re.sub("%+", "%", pattern))
        self._literals: dict[str, int] = {}
        self._all, self._level, self._end = 0, 0, 1 << len(pattern)
        for place, char in enumerate(pattern):
            if char == "*":
                self._all |= 1 << place
            elif char == "%":
                self._level |= 1 << place
            else:
                self._literals[char] = self._literals.get(char, 0) | 1 << place

    def match(self, name: str) -> bool:
        wild = self._all | self._level
        places = 1 | (wild & 1) << 1
        for char in name:
            stay = places & (self._all if char == SEPARATOR else wild)
            places = (places & self._literals.get(char, 0)) << 1 | stay
            if not places:
                return False
            places |= (places & wild) << 1
        return bool(places & self._end)
