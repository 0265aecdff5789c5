"""The page of the mail domains, and what holds for each."""

from __future__ import annotations

from gettext import gettext as english

from chatgate.api import Domain, Gateway
from chatgate_admin.hooks import AdminPage, Request
from chatgate_admin.tools import Html, Tools


def make(gateway: Gateway, tools: Tools) -> AdminPage:
    def show(request: Request) -> str:
        parts: list[Html] = []
        for domain in gateway.domains:
            parts += [tools.heading(domain.name), tools.facts(_facts(domain))]
        told = english("A further domain is a file in conf.d/domains/; it is there after a restart.")
        return tools.html(*parts, tools.hint(told))

    def _facts(domain: Domain) -> dict[str, object]:
        facts = gateway.facts(domain)
        certificate = gateway.certificate(domain)
        found: dict[str, object] = {
            english("Clients connect to"): domain.hostname,
            english("New accounts"): {
                "closed": english("by invitation only"),
                "frozen": english("nobody at the moment"),
            }.get(facts.closed or "", english("anybody")),
            english("Certificate"): english("self-signed") if certificate.self_signed else english("of an authority"),
        }
        for name, value in (
            (english("Largest message"), facts.message_octets),
            (english("An account keeps"), facts.quota_octets),
        ):
            if value is not None:
                found[name] = tools.size(value) if value else english("no limit")
        for name, days in (
            (english("Messages are removed after"), facts.mail_days),
            (english("Large ones, once fetched, after"), facts.large_days),
            (english("Accounts nobody logs in to, after"), facts.inactive_days),
        ):
            if days is not None:
                found[name] = english("{count:g} days").format(count=days) if days else english("never")
        listens = [f"{service}: {', '.join(where)}" for service, where in sorted(facts.listens.items()) if where]
        return found | {english("Listens"): "; ".join(listens)}

    return tools.page("domains", english("Domains"), show, order=10)
