"""Whether newcomers get in at this moment: the door is open, shut, or frozen; an invitation opens a shut one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from chatgate.api import Domain, Gateway, Reply
from chatgate_passwordless import hooks
from chatgate_passwordless.options import PasswordlessOptions, options_at

SHUT = Reply(550, "5.7.1", "This server takes no new accounts", imap="NOPERM")
# While the freeze file is there. A 5xx all the same: nobody knows for how long, and apps would try again for hours.
FROZEN = Reply(550, "5.7.1", "This server takes no new accounts at the moment, please come back later", imap="NOPERM")
NO_INVITATION = Reply(550, "5.7.1", "There is no such invitation, or not any more", imap="NOPERM")


class Door:
    """Each domain has its own."""

    def __init__(self, gateway: Gateway, options: PasswordlessOptions) -> None:
        self._gateway, self._options = gateway, options
        self._invitation = gateway.hub.decision(hooks.chatgate_invitation)

    def frozen(self, address: str) -> bool:
        """Are no accounts made in the domain of this address? Asked often: the file costs 2 microseconds."""
        return self._freeze_path(self._at(address)).exists()

    def frozen_by(self) -> list[Path]:
        """The files that are there and freeze a domain."""
        paths = dict.fromkeys(self._freeze_path(one.options(self._options)) for one in self._gateway.domains)
        return [path for path in paths if path.exists()]

    def closed(self, domain: Domain) -> tuple[Literal["", "closed", "frozen"], str]:
        """Who gets in, as `Facts` say it, and why, for the operator."""
        options = domain.options(self._options)
        if (path := self._freeze_path(options)).exists():
            return "frozen", f"no new accounts are made as long as {path} is there"
        return ("", "") if options.open else ("closed", "no new accounts are made, as passwordless has open = false")

    def ask(self, address: str, password: str, token: str = "") -> hooks.Invitation | Reply | None:
        """What a newcomer shows; None for nothing where nothing is needed; or why nobody gets in this way. The freeze
        file stops invited people, too: it is there for emergencies.
        """
        if self.frozen(address):
            return FROZEN
        found = self._invitation(address=address, token=token, password=password)
        if found is not None:
            return found
        if token:
            return NO_INVITATION
        return None if self._at(address).open else SHUT

    def _at(self, address: str) -> PasswordlessOptions:
        return options_at(address, self._gateway, self._options)

    def _freeze_path(self, options: PasswordlessOptions) -> Path:
        return self._gateway.path(options.freeze_file)
