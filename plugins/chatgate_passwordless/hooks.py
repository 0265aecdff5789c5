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
        """Use the invitation up by one, on disk and for all processes. False: somebody else had the last one."""
        ...

    def give_back(self) -> None:
        """Undo `take`: no account was made."""
        ...


@hookspec(firstresult=True)
def chatgate_invitation(address: str, token: str, password: str) -> Invitation | Reply | None:
    """Find an invitation for this address in the token, or, when the token is "", at the beginning of the password.
    Called for every attempt to make an account, except the operator's. The call itself must not use the invitation up.
    Answer with a Reply if it is an invitation that is not valid (any more).
    """
