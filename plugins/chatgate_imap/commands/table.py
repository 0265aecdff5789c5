"""How each module registers its commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..syntax.parser import Parser

if TYPE_CHECKING:
    from ..session.connection import Connection

# Runs a command; its parser is positioned after the blank that follows the name. Returns the text to put after OK, with
# the response code in front if there is one, or None if it has answered itself. Raises No, Bad, Bye, StoreError.
Handler = Callable[["Connection", Parser], str | None]

NOT_AUTHENTICATED = frozenset({"not authenticated"})
SELECTED = frozenset({"selected"})
AUTHENTICATED = frozenset({"authenticated", "selected"})
ANY = NOT_AUTHENTICATED | AUTHENTICATED


@dataclass(frozen=True, slots=True)
class Command:
    """states: in which the command is allowed. tells: are changes by others told before the tagged answer?
    looks: always ask the store for changes, not only if the board reported some.
    expunges: may these include EXPUNGE (RFC 3501 §7.4.1)?
    flag_changes: may these include unsolicited FETCH responses?
    by_uid: a UID command; its FETCH responses include the UID.
    """

    handler: Handler
    states: frozenset[str]
    tells: bool = True
    looks: bool = True
    expunges: bool = True
    flag_changes: bool = True
    by_uid: bool = False
