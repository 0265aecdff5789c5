"""The plugin `acme`: its hooks."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import click

from chatgate.api import (
    Certificate,
    DnsRecord,
    Domain,
    Gateway,
    KeptFiles,
    Leased,
    Metric,
    Problem,
    Server,
    Session,
    Trouble,
    hookimpl,
    word,
)
from chatgate_acme import command, files, responder
from chatgate_acme.options import AcmeOptions
from chatgate_acme.places import Places
from chatgate_acme.service import Renewing
from chatgate_acme.service import command as renewing
from chatgate_acme.state import State

log = logging.getLogger("chatgate.acme")

# Failures in a row of which the operator is told: the first may pass by itself.
_FAILURES = 2


class Acme:
    """Certificates from an authority such as Let's Encrypt, fetched and renewed by itself.

    For each domain one certificate with its host, the domain, www. and mta-sts., as far as they are in the DNS. Until
    the first one is there, that of the plugin tls is shown.
    """

    Options = AcmeOptions
    requires = ("resolver", "tls")
    order = 8  # before tls, which has a self-signed one

    def __init__(self, gateway: Gateway, options: AcmeOptions) -> None:
        self._gateway, self._options = gateway, options
        self._places = Places(gateway.path())

    @cached_property
    def renew(self) -> click.Command:
        """The command `chatgate tls renew`; the plugin tls has the group."""
        return command.make(self._gateway, self._options)

    def _domains(self) -> list[Domain]:
        return [domain for domain in self._gateway.domains if domain.options(self._options).enabled]

    @hookimpl
    def chatgate_certificate(self, domain: Domain) -> Certificate | None:
        path = self._places.certificate(domain)
        if not domain.options(self._options).enabled or not path.is_file():
            return None
        if not files.usable(path):
            log.error("%s cannot be used; another certificate takes its place", path)
            return None
        return Certificate(path, path, State.load(self._places.state(domain)).staging)

    @hookimpl
    def chatgate_backup(self) -> list[KeptFiles]:
        return [KeptFiles("state", self._places.data), KeptFiles("certificates", self._places.certificates)]

    @hookimpl
    def chatgate_services(self) -> Sequence[Leased | Server]:
        services: list[Leased | Server] = []
        if "tls-alpn-01" in self._options.challenges:
            services.append(self._responder())
        if self._options.agree_to_terms and self._domains():
            longest = (self._options.run_seconds * 2 + 60) * len(self._domains()) + 60
            service = Renewing(renewing(self._gateway.path()), self._next_look, self._options.look_seconds, longest)
            services.append(Leased("acme", service.run, store=lambda: self._gateway.store))
        return services

    def _responder(self) -> Server:
        def context(server_name: str) -> Any:
            return responder.context(self._places.alpn, server_name)

        return self._gateway.server(
            "acme", (), _nothing, implicit_tls=True, max_connections=100, alpn=responder.PROTOCOL, context=context
        )

    def _next_look(self) -> float:
        return min((State.load(self._places.state(domain)).look_at for domain in self._domains()), default=0.0)

    @hookimpl
    def chatgate_check(self) -> Sequence[Problem]:
        found = []
        if not self._options.agree_to_terms:
            found.append(Problem("warning", "acme: agree_to_terms is not set: no certificate is fetched"))
        if not self._gateway.hub.has("site"):
            text = "acme: the plugin site, which answers the authority, is not enabled"
            found.append(Problem("warning", text))
        for domain in self._domains():
            state = State.load(self._places.state(domain))
            if not state.problem:
                continue
            at = max(state.retry_at, state.look_at)
            again = f"; tried again at {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(at))}" if at else ""
            found.append(Problem("warning", f"acme: no new certificate for {domain.name}: {state.problem}{again}"))
        return found

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        states = {domain.name: State.load(self._places.state(domain)) for domain in self._domains()}
        failures = {(word(name),): state.failures for name, state in states.items()}
        what = "Attempts in a row that got no certificate"
        return [Metric("chatgate_acme_failures", what, "gauge", ("domain",), failures, across="one")]

    @hookimpl
    def chatgate_troubles(self) -> list[Trouble]:
        found = []
        for domain in self._domains() if self._options.agree_to_terms else ():
            state = State.load(self._places.state(domain))
            if state.problem and state.failures >= _FAILURES:
                why = " ".join(state.problem.split())[:300]
                what = f"no certificate for {domain.hostname} is to be had, tried {state.failures} times: {why}"
                found.append(Trouble(f"renewal:{domain.name}", what, 0, f"chatgate tls renew {domain.name}"))
        return found

    @hookimpl
    def chatgate_dns_records(self, domain: Domain) -> Sequence[DnsRecord]:
        if not domain.options(self._options).enabled:
            return []
        found = files.read_json(self._places.account(self._options.url) / "account.json")
        uri, authority = found.get("uri"), found.get("caa")
        if not (isinstance(uri, str) and isinstance(authority, str) and uri and authority):
            return []
        why = "only this account at this authority gets certificates for the domain"
        return [DnsRecord(domain.name, "CAA", f'0 issue "{authority};accounturi={uri}"', False, why)]  # RFC 8657


def _nothing(session: Session, sock: Any) -> None:
    """The handshake was all that an authority wants (RFC 8737 §4)."""
