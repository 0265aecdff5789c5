"""The words of a maddy.conf, split as Maddy's own lexer splits them, its oddities included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# Unicode's White_Space; a carriage return alone is skipped, even within a word.
_SPACE = frozenset("\t\n\v\f \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {chr(n) for n in range(0x2000, 0x200B)}


@dataclass(frozen=True, slots=True)
class Word:
    """text: without its quotes. line: on which it begins, counted from 1."""

    text: str
    line: int

    @property
    def last_line(self) -> int:
        """On which it ends: a quoted word may go on over several."""
        return self.line + self.text.count("\n")


def words(text: str) -> Iterator[Word]:
    """One pass over the text; what is not closed at its end counts as closed there. A quote begins a quoted word only
    where a word begins, and ends it even amid other letters; `#` begins a comment anywhere outside of quotes, which
    lasts to the end of the line or, where it touches a word, to the next space.
    """
    line = begun = 1
    found: list[str] = []
    comment = quoted = escaped = False
    for letter in text.removeprefix("\ufeff"):
        if quoted:
            if not escaped and letter == "\\":
                escaped = True
                continue
            if not escaped and letter == '"':
                yield Word("".join(found), begun)
                found, quoted = [], False
                continue
            if letter == "\n":
                line += 1
            if escaped and letter != '"':
                found.append("\\")
            found.append(letter)
            escaped = False
        elif letter == "\r":
            continue
        elif letter in _SPACE:
            if letter == "\n":
                line += 1
            if found:
                yield Word("".join(found), begun)
                found, comment = [], False
            elif letter == "\n":
                comment = False
        elif comment or letter == "#":
            comment = True
        elif not found and letter == '"':
            begun, quoted = line, True
        else:
            if not found:
                begun = line
            found.append(letter)
    if found:
        yield Word("".join(found), begun)
