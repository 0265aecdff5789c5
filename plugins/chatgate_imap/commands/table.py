"""How a family of commands lists its members."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..syntax.parser import Parser

if TYPE_CHECKING:
    from ..session.connection import Connection

# Runs a command, its parser standing behind the blank that follows the name. Returns the text behind OK, response code
# in front where it has one, or None when it has answered itself. Raises No, Bad, Bye, StoreError.
Handler = Callable[["Connection", Parser], str | None]

NOT_AUTHENTICATED = frozenset({"not authenticated"})
SELECTED = frozenset({"selected"})
AUTHENTICATED = frozenset({"authenticated", "selected"})
ANY = NOT_AUTHENTICATED | AUTHENTICATED


@dataclass(frozen=True, slots=True)
class Command:
    """states: in which it is allowed. tells: whether what others changed is told before the tagged answer.
    looks: ask the store what changed in any case, not only when the board said so.
    expunges: whether EXPUNGE may be among it (RFC 3501 §7.4.1).
    flag_changes: whether FETCH responses may be among it that nobody asked for.
    by_uid: a UID command; its FETCH responses have UID.
    """

    handler: Handler
    states: frozenset[str]
    tells: bool = True
    looks: bool = True
    expunges: bool = True
    flag_changes: bool = True
    by_uid: bool = False
