"""The plugin `dkim`: its hooks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import click
import gevent

from chatgate.api import (
    Background,
    DnsRecord,
    Domain,
    Envelope,
    Gateway,
    KeptFiles,
    Metric,
    Prepend,
    Problem,
    Reply,
    Session,
    hookimpl,
)
from chatgate_dkim import command
from chatgate_dkim.arriving import Arriving
from chatgate_dkim.demands import demands
from chatgate_dkim.kept import KeptKeys
from chatgate_dkim.leaving import Leaving
from chatgate_dkim.options import DkimOptions
from chatgate_dkim.proof import Resolver

log = logging.getLogger("chatgate.dkim")


class Dkim:
    """DKIM: mail from other servers must be signed by its author's domain, and mail to them is signed."""

    Options = DkimOptions
    requires = ("resolver",)
    order = 40  # behind the gate, which costs less

    def __init__(self, gateway: Gateway, options: DkimOptions) -> None:
        self._gateway, self._options = gateway, options
        self.leaving = Leaving(gateway, options)
        self._signed = 0

    @cached_property
    def arriving(self) -> Arriving:
        """First used when all plugins are made."""
        return Arriving(self._options, self._resolver)

    @property
    def _resolver(self) -> Resolver:
        return self._gateway.hub.plugin("resolver").resolver

    @hookimpl
    def chatgate_filter(self, session: Session, envelope: Envelope) -> Reply | None:
        """`envelope.results["dkim"]` is the domain, or the literal of an IP address, from which the message is proven
        to come; "" where nothing is proven. Mail of accounts has none.
        """
        if envelope.origin != "peer":
            return None
        answer = self.arriving.judge(session, envelope.content)
        if not isinstance(answer, Reply):
            envelope.results["dkim"] = answer
            return None
        envelope.results["dkim"] = ""
        log.info("refused id=%s code=%d: %s", envelope.id, answer.code, answer.text)
        return answer

    @hookimpl
    def chatgate_sign(self, content: bytes) -> Sequence[Prepend]:
        fields = self.leaving.sign(content)
        self._signed += bool(fields)
        return fields

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        what = "Messages of other servers, by what their signatures say"
        counts = dict(self.arriving.counted.counts)
        return [
            Metric("chatgate_dkim_verified", what, "counter", ("result",), counts),
            Metric.single("chatgate_dkim_signed", "Messages that were signed", "counter", self._signed),
        ]

    @hookimpl
    def chatgate_backup(self) -> list[KeptFiles]:
        return [KeptKeys(self._gateway.path("data", "dkim"), self.leaving.rings, lambda: self._resolver)]

    @hookimpl
    def chatgate_dns_records(self, domain: Domain) -> Sequence[DnsRecord]:
        keys = self.leaving.records(domain)
        return [*keys, *demands(domain)] if keys else keys  # what is not signed would be refused

    @hookimpl
    def chatgate_services(self) -> Sequence[Background]:
        self.leaving.make()
        return [Background("dkim keys", self._look)] if self._gateway.place.number == 0 else []

    def _look(self) -> None:
        while True:
            self.leaving.look(self._resolver)
            gevent.sleep(self._options.look_seconds)

    @hookimpl(optionalhook=True)
    def chatgate_import_key(self, domain: Domain, selector: str, file: Path) -> bool:
        return self.leaving.adopt(domain, selector, file)

    @hookimpl
    def chatgate_check(self) -> Sequence[Problem]:
        return self.leaving.check()

    @hookimpl
    def chatgate_commands(self, cli: click.Group, gateway: Gateway) -> None:
        cli.add_command(command.make(gateway.domains, self.leaving))
