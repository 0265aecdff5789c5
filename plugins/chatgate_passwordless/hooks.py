"""The hook that this plugin asks; it exists only where the plugin is enabled (`@hookimpl(optionalhook=True)`)."""

from __future__ import annotations

from typing import Protocol

from chatgate.api import Reply, hookspec


class Invitation(Protocol):
    """Lets one newcomer in on a closed server. token: in the form that `chatgate_invitation` takes. quota: octets the
    account may keep, None for the store's default.
    """

    @property
    def token(self) -> str: ...

    @property
    def quota(self) -> int | None: ...

    def take(self) -> bool:
        """Spend one use, on disk and for all processes. False: somebody else had the last one."""
        ...

    def give_back(self) -> None:
        """No account came of it."""
        ...


@hookspec(firstresult=True)
def chatgate_invitation(address: str, token: str, password: str) -> Invitation | Reply | None:
    """Who knows an invitation to this address in this token, or else ("") at the beginning of this password? Asked at
    every attempt to make an account but the operator's; looking must spend nothing. A Reply: it is one, and not good
    (any more).
    """
