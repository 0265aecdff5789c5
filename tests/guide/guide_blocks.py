"""The commands of the pages: blocks that begin with ```sh are typed in their order, those marked `fetches` need the
registries of packages; in tables, commands stand between backticks.
"""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
TREE = "/root/chatgate"  # where the operator has put it
# What nobody can do here, or what stands for something of one's own.
_ELSEWHERE = ("nc ", "journalctl ", "ss ", "docker ", "processes = ", "log_level")


def blocks(page: str) -> list[tuple[str, str]]:
    """Mark and text of each."""
    return re.findall(r"^```sh ?(\w*)\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S)


def fetching(page: str) -> list[str]:
    return [text for mark, text in blocks(page) if mark == "fetches"]


def typed(page: str) -> list[str]:
    return [text for mark, text in blocks(page) if mark != "fetches"]


def commands(page: str) -> list[str]:
    """Those in the last column of a table."""
    cells = [
        line.rstrip(" |").rpartition("|")[2] for line in (DOCS / page).read_text().splitlines() if line[:2] == "| "
    ]
    found = [one for cell in cells for one in re.findall(r"`([a-z][^`]* [^`]*)`", cell)]
    return [one for one in found if not one.startswith(_ELSEWHERE)]
