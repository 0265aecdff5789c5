"""Whether new accounts can be made at the moment: the door is open, shut or frozen; an invitation opens a shut one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from chatgate.api import Domain, Gateway, Reply
from chatgate_passwordless import hooks
from chatgate_passwordless.options import WAYS, PasswordlessOptions, options_at

SHUT = Reply(550, "5.7.1", "This server takes no new accounts", imap="NOPERM")
BY_LOGIN = Reply(550, "5.7.1", "This server makes new accounts at the first login only", imap="NOPERM")
BY_SITE = Reply(550, "5.7.1", "This server makes new accounts on its website only", imap="NOPERM")
# While the freeze file is there. A 5xx all the same: nobody knows for how long, and apps would try again for hours.
FROZEN = Reply(550, "5.7.1", "This server takes no new accounts at the moment, please come back later", imap="NOPERM")
# Said at a login in the words for a wrong password, or they would tell which addresses exist.
NO_LOGIN = (SHUT, BY_SITE, FROZEN)
NO_INVITATION = Reply(550, "5.7.1", "There is no such invitation, or not any more", imap="NOPERM")


class Door:
    """Each domain has its own state: open, shut or frozen."""

    def __init__(self, gateway: Gateway, options: PasswordlessOptions) -> None:
        self._gateway, self._options = gateway, options
        self._invitation = gateway.hub.decision(hooks.chatgate_invitation)

    def frozen(self, address: str) -> bool:
        """Does a freeze file forbid new accounts in the domain of this address? Called often: each look takes 2
        microseconds.
        """
        return self._freeze_path(self._at(address)).exists()

    def frozen_by(self) -> list[Path]:
        """The freeze files that exist at the moment."""
        return [path for path in self.freeze_files() if path.exists()]

    def freeze_files(self) -> list[Path]:
        """All of them, whether they exist or not."""
        return list(dict.fromkeys(self._freeze_path(one.options(self._options)) for one in self._gateway.domains))

    def closed(self, domain: Domain) -> tuple[Literal["", "closed", "frozen"], str]:
        """Whether the domain takes new accounts, in the words of `Facts`, and the reason, for the operator."""
        options = domain.options(self._options)
        if (path := self._freeze_path(options)).exists():
            return "frozen", f"no new accounts are made as long as {path} is there"
        if WAYS[options.registration]:
            return "", ""
        return "closed", 'no new accounts are made, as passwordless has registration = "closed"'

    def ways(self, domain: Domain) -> tuple[str, ...]:
        """By which ways newcomers get an account without an invitation; those of `NewAccount.way`."""
        options = domain.options(self._options)
        return () if self._freeze_path(options).exists() else WAYS[options.registration]

    def ask(self, address: str, password: str, way: str, token: str = "") -> hooks.Invitation | Reply | None:
        """The invitation that this address or password brings, None if it brings none and needs none, or the refusal.
        way: of `NewAccount.way`. An invitation is good in any way. The freeze file also stops invited people: it is for
        emergencies.
        """
        if self.frozen(address):
            return FROZEN
        found = self._invitation(address=address, token=token, password=password)
        if found is not None:
            return found
        if token:
            return NO_INVITATION
        ways = WAYS[self._at(address).registration]
        if way in ways:
            return None
        return BY_SITE if "site" in ways else BY_LOGIN if "login" in ways else SHUT

    def _at(self, address: str) -> PasswordlessOptions:
        return options_at(address, self._gateway, self._options)

    def _freeze_path(self, options: PasswordlessOptions) -> Path:
        return self._gateway.path(options.freeze_file)
