"""The hooks: tokens in METADATA, new mail, upkeep."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import click
from chatgate_filedb import ERRORS, KeptDatabase

from chatgate.api import (
    Account,
    Domain,
    Envelope,
    Facts,
    Gateway,
    KeptFiles,
    Metric,
    PluginError,
    Problem,
    Reply,
    Session,
    Stored,
    Trouble,
    hookimpl,
)
from chatgate_push import command, hooks
from chatgate_push.client import Client, Outcome
from chatgate_push.database import database
from chatgate_push.options import PushOptions
from chatgate_push.sender import Sender, steady
from chatgate_push.tokens import FileTokens

_ENTRY = "/private/devicetoken"
_TOKEN = re.compile(rb"[!-~]+")  # no blank: GETMETADATA puts one between tokens
_BATCH = 500  # tokens removed in one transaction
_HOW = {
    Outcome.ANSWER: "refuses",
    Outcome.TIMEOUT: "does not answer in time",
    Outcome.CONNECT: "cannot be reached",
    Outcome.TLS: "has a certificate that is not to be trusted",
}
_LATE_SECONDS = 900  # the operator is told of notifications that wait longer


class Push:
    """Wakes phones: tells the notification service of new mail."""

    Options = PushOptions
    order = 70
    hookspecs = hooks

    def __init__(
        self,
        gateway: Gateway,
        options: PushOptions,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = steady,
    ) -> None:
        """clock: Unix seconds, for the age of tokens. steady: the same without jumps, for waiting times."""
        self._gateway, self._options, self._clock, self._steady = gateway, options, clock, steady
        ca_file = str(gateway.path(options.ca_file)) if options.ca_file else ""
        self._client = Client(options.url, ca_file, options.request_seconds, options.idle_seconds)
        self._database = database(gateway.path(options.file))

    @hookimpl
    def chatgate_backup(self) -> list[KeptFiles]:
        authorities = [KeptFiles("authorities", self._gateway.path(path))] if (path := self._options.ca_file) else []
        return [KeptDatabase("tokens", self._gateway.path(self._options.file)), *authorities]

    @cached_property
    def kept(self) -> hooks.DeviceTokens:
        """First used when all plugins are made."""
        found = self._gateway.hub.decision(hooks.chatgate_device_tokens).or_raise(gateway=self._gateway)
        return found or FileTokens(self._database)

    @cached_property
    def sender(self) -> Sender:
        return Sender(
            self._options,
            self._database,
            self.kept,
            self._client,
            self._days,
            self._steady,
            lambda: self._gateway.place.number,
        )

    @hookimpl
    def chatgate_facts(self, domain: Domain) -> Facts:
        own = domain.options(self._options)
        return Facts(pushes=urlsplit(own.url).hostname or "", token_days=own.token_days)

    @hookimpl
    def chatgate_services(self) -> Sequence[Sender]:
        return [self.sender]

    @hookimpl
    def chatgate_capabilities(self, session: Session) -> Sequence[str]:
        return ["XDELTAPUSH"] if self._options.capability and session.account is not None else []

    @hookimpl
    def chatgate_metadata_entries(self, mailbox: str) -> list[str]:
        return [_ENTRY] if mailbox == "INBOX" else []

    @hookimpl
    def chatgate_get_metadata(self, session: Session, mailbox: str, entry: str) -> bytes | None:
        """All tokens of the account, separated by blanks, in the order in which they came."""
        account = session.account
        if account is None or (mailbox, entry) != ("INBOX", _ENTRY):
            return None
        return b" ".join(self.kept.of_account(account.id, self._days())) or None

    @hookimpl
    def chatgate_set_metadata(self, session: Session, mailbox: str, entry: str, value: bytes | None) -> Reply | None:
        """Delta Chat sets the same value at every login. Setting adds a token; NIL removes all of the account."""
        account, limit = session.account, self._options.max_tokens
        if account is None or (mailbox, entry) != ("INBOX", _ENTRY):
            return None
        if value is None:
            self.kept.remove(account.id)
        elif len(value) > self._options.max_token_bytes:
            return Reply(552, "5.3.4", "Token too long", imap=f"METADATA MAXSIZE {self._options.max_token_bytes}")
        elif not _TOKEN.fullmatch(value):
            return Reply(501, "5.5.4", "Not a device token", imap="CANNOT")
        else:
            self.kept.put(account.id, value, self._days(), limit)
        return Reply(250, "2.0.0", "OK")

    @hookimpl
    def chatgate_account_facts(self, account: Account) -> dict[str, int]:
        return {"notification_tokens": len(self.kept.of_account(account.id, self._days()))}

    @hookimpl
    def chatgate_stored(self, envelope: Envelope, stored: Sequence[Stored]) -> None:
        """Devices are notified even while one of them is in IDLE: a phone that fell asleep looks the same for many
        minutes. No account is notified of a copy of a message that it sent itself.
        """
        sender = envelope.sender.lower()
        self.sender.keeper.tell([s.delivery.account_id for s in stored if s.delivery.recipient.lower() != sender])

    @hookimpl(optionalhook=True)
    def chatgate_import_tokens(self, account: Account, tokens: Sequence[tuple[bytes, int]]) -> int:
        days, known = self._days(), set(self.kept.of_account(account.id, self._days()))
        good = [
            (day, value)
            for value, day in tokens
            if days.first <= day <= days.last
            and len(value) <= self._options.max_token_bytes
            and _TOKEN.fullmatch(value)
            and value not in known
        ]
        for day, value in sorted(good):
            self.kept.put(account.id, value, days._replace(today=day), self._options.max_tokens)
        return len(good)

    @hookimpl
    def chatgate_account_removed(self, account: Account) -> None:
        self.kept.remove(account.id)

    @hookimpl
    def chatgate_expire(self, now: float) -> dict[str, int]:
        days, removed = hooks.Days.at(now, self._options.token_days), 0
        while count := self.kept.expire(days, _BATCH):
            removed += count
        return {"push_tokens": removed}

    @hookimpl
    def chatgate_commands(self, cli: click.Group) -> None:
        cli.add_command(command.make(self._database, lambda: self.kept))

    @hookimpl(optionalhook=True)
    def chatgate_admin_pages(self, admin: Any) -> list[Any]:
        from chatgate_push import page  # only where there is a dashboard

        return [page.make(self._database, self.kept, self._options, admin)]

    @hookimpl
    def chatgate_troubles(self) -> list[Trouble]:
        began = self.sender.failing.since()
        if began is None:
            return []
        how = _HOW.get(self.sender.last, "gives answers that nobody understands")
        what = f"the notification service {self._client.host} {how}: phones are not told of new mail"
        return [Trouble("push", what, began, f"chatgate push status; curl -v {self._options.url}")]

    @hookimpl
    def chatgate_check(self, gateway: Gateway) -> list[Problem]:
        self._database.read_only = gateway.read_only
        found = self._late() if self._database.path.exists() else []
        if self._client.secure:
            found += self._authorities()
        elif not _loopback(self._client.host):
            found.append(Problem("warning", "push: url is not https: device tokens travel unencrypted"))
        return found

    def _late(self) -> list[Problem]:
        try:
            data = command.read(self._database, self.kept, self._clock())
        except PluginError as error:
            return [Problem("error", str(error))]
        except ERRORS as error:
            return [Problem("error", f"push: {self._database.path} cannot be read: {error}")]
        finally:
            self._database.close()
        if not data["waiting"] or data["oldest_seconds"] < _LATE_SECONDS:
            return []
        text = f"notifications waiting: {data['waiting']}, the oldest for {data['oldest_seconds'] / 60:.0f} minutes"
        return [Problem("warning", f"push: {text}; does the notification service answer?")]

    def _authorities(self) -> list[Problem]:
        try:
            self._client.prepare()
        except OSError as error:
            text = error.strerror or type(error).__name__
            return [Problem("warning", f"push: ca_file {self._options.ca_file} cannot be used: {text}")]
        return []

    def metrics(self) -> dict[str, Any]:
        """The counters since the file was made, and the current state."""
        sender = self.sender
        return {**sender.metrics.data(), "waiting": len(sender.queue), "service_left_alone": sender.breaker.open}

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        sender = self.sender
        counts = {(name,): count for name, count in sender.metrics.counts.items()}
        return [
            Metric("chatgate_push_events", "What became of notifications", "counter", ("event",), counts),
            Metric.single(
                "chatgate_push_delay_seconds",
                "From storing a message to the acceptance of its notification",
                "histogram",
                sender.metrics.took_seconds,
                "seconds",
            ),
            Metric.single("chatgate_push_waiting", "Notifications that wait", "gauge", len(sender.queue)),
            Metric(
                "chatgate_push_left_alone",
                "Is the notification service left alone, as it does not work?",
                "gauge",
                (),
                {(): int(sender.breaker.open)},
                across="max",
            ),
        ]

    def _days(self) -> hooks.Days:
        return hooks.Days.at(self._clock(), self._options.token_days)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
