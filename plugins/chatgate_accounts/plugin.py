"""The hooks: which addresses get mail, the day of the last login, private METADATA, the operator's commands."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import gevent

from chatgate.api import (
    Account,
    Background,
    Delivery,
    Domain,
    Envelope,
    Facts,
    Gateway,
    Metric,
    Recipient,
    Reply,
    Service,
    Session,
    StoreError,
    hookimpl,
    option,
)
from chatgate_accounts import cleartext, command
from chatgate_accounts.guesses import Guesses
from chatgate_accounts.listing import facts_of
from chatgate_accounts.toomuch import TooMuch

log = logging.getLogger("chatgate.accounts")

_DAY, _HOUR = 86400, 3600

# Accounts noted in one transaction.
_AT_ONCE = 500


@dataclass(frozen=True)
class AccountsOptions:
    recipient_delimiter: str = option(
        "+", "alice+tag@ is delivered to alice@ with this delimiter. Empty: no tags.", live=True
    )
    full_minutes: float = option(
        30.0,
        "Minutes for which mail from other servers that do not say its size is refused for a mailbox alone that had no "
        "room for a message to several, so that the others get it with the next try.",
        live=True,
    )
    unknown_per_sender: int = option(
        100,
        "Different unknown addresses that one sender at one other server may name in an hour; then it is told nothing "
        "more until that is over.",
        live=True,
    )
    unknown_per_client: int = option(
        500,
        "The same for one IPv4 address or IPv6 /64, whoever sends there; its neighbourhood has four times this.",
        live=True,
    )

    def __post_init__(self) -> None:
        for name in ("unknown_per_sender", "unknown_per_client"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be 1 or more")


class Accounts:
    """Mail for the accounts of this server, the day of their last login, and commands to look after them."""

    Options = AccountsOptions
    order = 60  # after plugins that refuse recipients, as this one accepts them; before those that route elsewhere

    def __init__(self, gateway: Gateway, options: AccountsOptions) -> None:
        self.gateway, self.options = gateway, options
        self._too_much = TooMuch(options.full_minutes * 60)
        self._guesses = Guesses(options.unknown_per_sender, options.unknown_per_client)

    @hookimpl(optionalhook=True)
    def chatgate_import_cleartext(self, account: Account) -> bool:
        cleartext.allow(self.gateway, account, True)
        return True

    @hookimpl
    def chatgate_reloaded(self) -> None:
        self._too_much.seconds = self.options.full_minutes * 60
        self._guesses.limit(self.options.unknown_per_sender, self.options.unknown_per_client)

    @hookimpl
    def chatgate_facts(self, domain: Domain) -> Facts:
        return Facts(keeps_days=True)

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        count = {(): self.gateway.store.count_accounts()}
        return [Metric("chatgate_accounts", "Accounts", "gauge", (), count, across="one")]

    @hookimpl
    def chatgate_account_facts(self, account: Account) -> dict[str, Any]:
        """mailboxes: the number of messages by name, without empty mailboxes."""
        store = self.gateway.store
        boxes = {box.name: store.status(box.id).messages for box in store.mailboxes(account.id)}
        return facts_of(self.gateway, account) | {"mailboxes": {name: count for name, count in boxes.items() if count}}

    @hookimpl(optionalhook=True)
    def chatgate_admin_pages(self, gateway: Gateway, admin: Any) -> list[Any]:
        from chatgate_accounts import page  # only where there is a dashboard

        return [page.make(gateway, admin)]

    @hookimpl
    def chatgate_commands(self, cli: click.Group, gateway: Gateway) -> None:
        cli.add_command(command.make(gateway))

    @hookimpl
    def chatgate_services(self) -> list[Service]:
        return [Background("presence", self._note_present)]

    def _note_present(self) -> None:
        """Note that connected accounts are not idle, however long ago their login was. It is noted in the database, as
        other processes, such as commands, must know it, too.
        """
        while True:
            gevent.sleep(_HOUR)
            self.note_present()

    def note_present(self) -> None:
        """Note today for the accounts with an open session. Raises StoreError."""
        ids, store = list(self.gateway.logins.accounts), self.gateway.store
        for start in range(0, len(ids), _AT_ONCE):
            store.note_present(ids[start : start + _AT_ONCE], store.now() // _DAY)

    def _recipient(self, address: str) -> Recipient | None:
        """The account that mail for this address goes to: its own, or the one before the tag."""
        store, delimiter = self.gateway.store, self.options.recipient_delimiter
        if not delimiter or delimiter not in address:
            return store.recipients((address,)).get(address)
        local, _, domain = address.rpartition("@")
        base = f"{local.partition(delimiter)[0]}@{domain}"
        found = store.recipients((address, base))
        return found.get(address) or found.get(base)

    @hookimpl
    def chatgate_recipient(self, session: Session, envelope: Envelope, address: str) -> Delivery | Reply | None:
        """Answers for addresses of our domains. A full mailbox refuses mail from other servers temporarily, as old mail
        is removed after a while. A message from an account is not refused for a full mailbox, as Delta Chat would give
        it up for all members of a group: the others get it, and the sender is told who did not (see `Intake`).
        """
        if self.gateway.domains.of(address) is None:
            return None
        peer = envelope.origin == "peer"
        if peer and (unheard := self._guesses.refusal(session, envelope.sender)):
            return unheard
        found = self._recipient(address)
        shown = f"<{address}>: " if address.isascii() and address.isprintable() else ""
        if found is None:
            if peer:
                self._guesses.note(session, envelope.sender, address)
            return Reply(550, "5.1.1", f"{shown}no such user here")
        account = found.account
        if account.disabled:  # the reason is for its owner alone
            return Reply(550, "5.2.1", f"{shown}this account is disabled")
        if peer:
            octets = envelope.size or self._too_much.octets(account.id)
            if not found.usage.has_room(max(octets, 1)):
                return Reply(452, "4.2.2", f"{shown}mailbox is full, try again later", imap="OVERQUOTA")
        return Delivery(address, found.inbox, account.id)

    @hookimpl
    def chatgate_full(self, envelope: Envelope, full: Sequence[Delivery]) -> None:
        """Remember these mailboxes: the sender's next try is refused for them alone, at RCPT, and the others get it."""
        for delivery in full:
            self._too_much.note(delivery.account_id, len(envelope.content))

    @hookimpl
    def chatgate_logged_in(self, account: Account) -> None:
        """Note the login, once a day for each account, in a greenlet of its own: no login waits for the disk."""
        day = self.gateway.store.now() // _DAY
        if account.last_login < day:
            gevent.spawn(self._set_last_login, account.id, day)

    def _set_last_login(self, account_id: int, day: int) -> None:
        try:
            self.gateway.store.set_last_login(account_id, day)
        except StoreError as error:
            log.error("last login not noted: %s", error)

    @hookimpl(trylast=True)
    def chatgate_get_metadata(self, session: Session, mailbox: str, entry: str) -> bytes | None:
        if session.account is None or not entry.startswith("/private/"):
            return None
        return self.gateway.store.annotations(session.account.id, mailbox).get(entry)
