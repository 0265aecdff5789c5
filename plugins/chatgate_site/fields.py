"""The header fields of a request, with the methods that pywsgi expects.

pywsgi's own parser is that of the email package, which takes as long as everything else in a request for an account.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# RFC 9110 §5.1, §5.6.2. Any other line must be refused: a program that takes it for the end of the header takes a
# length after it for the body, which a proxy may not do (RFC 9112 §5.1: no blank before the colon; §5.2: no folding).
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*+([^\0\r\n]*+)\r?\n")

_MOST = 500  # /mxdeliv has one for each recipient


class Fields:
    """lines: each with its line end. Raises ValueError if one of them is not a field, or if there are too many."""

    status = ""  # where pywsgi looks for errors; here they are raised as ValueError

    def __init__(self, lines: Sequence[bytes]) -> None:
        if len(lines) > _MOST:
            raise ValueError
        self._lines: list[str] = []
        self._values: dict[str, list[str]] = {}
        for line in lines:
            found = _FIELD.fullmatch(line)
            if found is None:
                raise ValueError
            name, value = found[1].decode("ascii"), found[2].decode("latin-1")
            self._lines.append(f"{name}: {value}\r\n")
            self._values.setdefault(name.lower(), []).append(value)

    def get_all(self, name: str) -> list[str]:
        """The values of the fields of this name, in their order."""
        return self._values.get(name.lower(), [])

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of the first field of this name."""
        return self._values.get(name.lower(), (default,))[0]

    getheader = get

    @property
    def headers(self) -> Iterator[str]:
        """The lines."""
        return iter(self._lines)

    @property
    def typeheader(self) -> str | None:
        return self.get("content-type")

    def __delitem__(self, name: str) -> None:
        self._values.pop(name.lower(), None)
        start = name.lower() + ":"
        self._lines = [line for line in self._lines if not line.lower().startswith(start)]
