"""Files of a Maddy's configuration, and what is wrong with them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_LARGEST = 1_000_000  # octets; Maddy's own example has 5000


class MaddyError(Exception):
    """The configuration cannot be read. The text is for the operator, with file and line."""

    def __init__(self, file: Path, line: int, text: str) -> None:
        super().__init__(f"{file}:{line}: {text}")


def read(path: Path) -> str:
    """The text of a file. Raises MaddyError."""
    try:
        # Opening a pipe would wait for a writer.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise MaddyError(path, 1, "not a file")
            octets = file.read(_LARGEST + 1)
    except OSError as error:
        raise MaddyError(path, 1, f"cannot read it: {error.strerror}") from error
    if len(octets) > _LARGEST:
        raise MaddyError(path, 1, f"larger than {_LARGEST} octets, which no configuration is")
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MaddyError(path, octets.count(b"\n", 0, error.start) + 1, "not text in UTF-8") from error
    if "\0" in text:
        raise MaddyError(path, text.count("\n", 0, text.index("\0")) + 1, "not text: a zero octet")
    return text
