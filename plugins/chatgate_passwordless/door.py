"""Whether new accounts can be made at the moment: the door is open, shut or frozen; an invitation opens a shut one."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Literal, TypeGuard

from chatgate.api import Domain, Gateway, Reply, said
from chatgate_passwordless import hooks
from chatgate_passwordless.options import WAYS, PasswordlessOptions, options_at

SHUT = Reply(550, "5.7.1", said("This server takes no new accounts"), imap="NOPERM")
BY_LOGIN = Reply(550, "5.7.1", said("This server makes new accounts at the first login only"), imap="NOPERM")
BY_SITE = Reply(550, "5.7.1", said("This server makes new accounts on its website only"), imap="NOPERM")
# While the freeze file is there. A 5xx all the same: nobody knows for how long, and apps would try again for hours.
FROZEN = Reply(
    550, "5.7.1", said("This server takes no new accounts at the moment, please come back later"), imap="NOPERM"
)
NO_INVITATION = Reply(550, "5.7.1", said("There is no such invitation, or not any more"), imap="NOPERM")
_SHUT_UNTIL = "This server takes no new accounts before "


def _shut_until(day: datetime.date) -> Reply:
    return Reply(550, "5.7.1", said("This server takes no new accounts before {date}", date=day), imap="NOPERM")


def no_login(answer: object) -> TypeGuard[Reply]:
    """Is it one of the refusals that are said at a login in the words for a wrong password, as they would tell which
    addresses exist?
    """
    return answer in (SHUT, BY_SITE, FROZEN) or (isinstance(answer, Reply) and answer.text.startswith(_SHUT_UNTIL))


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
        if until := self.closed_until(domain):
            return "closed", f"no new accounts are made before {until}, as passwordless has closed_until"
        if WAYS[options.registration]:
            return "", ""
        return "closed", 'no new accounts are made, as passwordless has registration = "closed"'

    def ways(self, domain: Domain) -> tuple[str, ...]:
        """By which ways newcomers get an account without an invitation; those of `NewAccount.way`."""
        options = domain.options(self._options)
        return () if self._freeze_path(options).exists() or _until(options) else WAYS[options.registration]

    def closed_until(self, domain: Domain) -> datetime.date | None:
        """The day from which the domain takes new accounts again; None if it is open, or closed for good."""
        options = domain.options(self._options)
        return _until(options) if WAYS[options.registration] else None

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
        if ways and (until := _until(self._at(address))):
            return _shut_until(until)
        if way in ways:
            return None
        return BY_SITE if "site" in ways else BY_LOGIN if "login" in ways else SHUT

    def _at(self, address: str) -> PasswordlessOptions:
        return options_at(address, self._gateway, self._options)

    def _freeze_path(self, options: PasswordlessOptions) -> Path:
        return self._gateway.path(options.freeze_file)


def _until(options: PasswordlessOptions) -> datetime.date | None:
    """`closed_until`, if that day is still to come."""
    if not options.closed_until:
        return None
    until = datetime.date.fromisoformat(options.closed_until)
    return until if datetime.datetime.now(datetime.UTC).date() < until else None
