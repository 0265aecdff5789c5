"""The page of the mail domains, and what holds for each."""

from __future__ import annotations

from gettext import gettext as _

from chatgate.api import Domain, Gateway
from chatgate_admin.hooks import AdminPage, Request
from chatgate_admin.tools import Html, Tools


def make(gateway: Gateway, tools: Tools) -> AdminPage:
    def show(request: Request) -> str:
        parts: list[Html] = []
        for domain in gateway.domains:
            parts += [tools.heading(domain.name), tools.facts(_facts(domain))]
        told = _("A further domain is a file in conf.d/domains/; it is there after a restart.")
        return tools.html(*parts, tools.hint(told))

    def _facts(domain: Domain) -> dict[str, object]:
        facts = gateway.facts(domain)
        certificate = gateway.certificate(domain)
        found: dict[str, object] = {
            _("Clients connect to"): domain.hostname,
            _("New accounts"): {"closed": _("by invitation only"), "frozen": _("nobody at the moment")}.get(
                facts.closed or "", _("anybody")
            ),
            _("Certificate"): _("self-signed") if certificate.self_signed else _("of an authority"),
        }
        for name, value in (
            (_("Largest message"), facts.message_octets),
            (_("An account keeps"), facts.quota_octets),
        ):
            if value is not None:
                found[name] = tools.size(value) if value else _("no limit")
        for name, days in (
            (_("Messages are removed after"), facts.mail_days),
            (_("Large ones, once fetched, after"), facts.large_days),
            (_("Accounts nobody logs in to, after"), facts.inactive_days),
        ):
            if days is not None:
                found[name] = _("{count:g} days").format(count=days) if days else _("never")
        listens = [f"{service}: {', '.join(where)}" for service, where in sorted(facts.listens.items()) if where]
        return found | {_("Listens"): "; ".join(listens)}

    return tools.page("domains", _("Domains"), show, order=10)
