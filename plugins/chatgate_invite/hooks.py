"""Where invitations are kept: a hook for a place that several machines share. By default it is a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from chatgate.api import Gateway, hookspec


@dataclass(frozen=True)
class Token:
    """An invitation, named by its token. uses: how many accounts may be made with it, 0 for any number; used: how many
    were made. expires: Unix seconds, 0 for never. quota: octets each account may keep, None for the store's default, 0
    for no limit. note: the operator's own words. created: days since 1970-01-01. domain: the name of the mail domain
    that it lets into; "" for any.
    """

    token: str
    uses: int = 1
    expires: int = 0
    quota: int | None = None
    note: str = ""
    created: int = 0
    used: int = 0
    domain: str = ""


class Invitations(Protocol):
    """Tokens, shared by all processes and machines. Whoever has a token gets in, so only the operator may read them.

    When a method returns, everybody sees its changes, and they survive a crash. A method that fails raises
    PluginError with one line for the operator and has changed nothing; then nobody gets in by an invitation.
    """

    def create(self, token: Token) -> None:
        """Store an invitation, whose token is new."""
        ...

    def find(self, token: str) -> Token | None:
        """The invitation in its current state, even if used up or expired. Called at each attempt to make an account
        that may present one.
        """
        ...

    def all(self) -> list[Token]:
        """The oldest first, by day and token."""
        ...

    def revoke(self, token: str) -> bool:
        """Forget it. False: there was none."""
        ...

    def take(self, token: str, now: float) -> bool:
        """Add one to `used`, unless there is no such token, it expires at `now` (Unix seconds) or before, or all its
        uses are taken. One step: of two who want the last use at the same instant, one gets it. False: nothing was
        taken.
        """
        ...

    def give_back(self, token: str) -> None:
        """Take one off `used`, not below 0: no account came of it. A token that is gone is no error."""
        ...

    def forget(self, before: int) -> int:
        """Remove those that expired before this time, in Unix seconds, but none that never expires; how many."""
        ...


@hookspec(firstresult=True)
def chatgate_invitations(gateway: Gateway) -> Invitations | None:
    """Who keeps the invitations? Asked once, before the first is looked at, by commands too. What must be opened or
    closed is a service. No answer: a file in the folder does.
    """
