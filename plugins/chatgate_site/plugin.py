"""The plugin: connects the site to the gateway."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import click
from bottle import HTTPResponse

from chatgate.api import (
    DnsRecord,
    Domain,
    Facts,
    Gateway,
    KeptFiles,
    Limiter,
    Metric,
    PluginError,
    Problem,
    Server,
    Service,
    Session,
    hookimpl,
    listener,
)
from chatgate_site import command, hooks, http, invite, own
from chatgate_site.challenges import Challenges
from chatgate_site.new import New
from chatgate_site.options import SiteOptions
from chatgate_site.pages import Pages
from chatgate_site.places import Place, Places
from chatgate_site.wsgi import Site as Application

log = logging.getLogger("chatgate.site")

_COMMENT, _ADMIN = "/shared/comment", "/shared/admin"  # RFC 5464 §6.2


class Site:
    """The website: invitations with a QR code, POST /new, autoconfig, and a privacy page from the real settings."""

    Options = SiteOptions
    order = 70
    hookspecs = hooks

    def __init__(self, gateway: Gateway, options: SiteOptions) -> None:
        self.gateway, self.options = gateway, options
        self._places = Places(gateway, options)
        self._servers: list[tuple[Server, Limiter]] = []
        self._app: Application | None = None

    @hookimpl
    def chatgate_services(self, gateway: Gateway) -> list[Service]:
        import qrcode  # noqa: F401  # now, as everybody would wait while the first visitor's code loads it

        self._pages = Pages(gateway, self._places)
        options, self._new = self.options, New(gateway, self.options, self._places)
        challenges = Challenges(gateway, options.webroot)
        app = self._app = Application(gateway, self._places, self._pages, self._new, challenges, self)
        for name in ("https", "http"):
            requests = Limiter(options.requests_per_minute, 60, http.REQUESTS_PER_MINUTE)
            secure = name == "https"
            server = http.server(gateway, options, name, getattr(options, name), app, requests, tls=secure, alpn=secure)
            self._servers.append((server, requests))
        return [server for server, _ in self._servers]

    @hookimpl
    def chatgate_reloaded(self) -> None:
        options = self.options
        self._new.options_changed()
        self._pages.forget()
        self._tell_of_pages()
        for server, requests in self._servers:
            server.limit(options.max_connections, options.max_connections, options.max_per_address)
            requests.limit(options.requests_per_minute, http.REQUESTS_PER_MINUTE)

    # ------------------------------------------------------------------------------------------ lent to other plugins

    def at(self, domain: Domain | None = None) -> Place:
        """The site of this domain, or of the first one."""
        return self._places.of(domain)

    def here(self) -> Place:
        """The site for which the current request is."""
        return self._places.here()

    def serve(self, name: str, addresses: tuple[str, ...], app: http.Application, tls: bool = False) -> Service:
        """A service for another plugin's WSGI application, which no visitor of the site gets to see: with the site's
        limits of time and size, each counted for itself, and its `request.environ["chatgate.session"]`. The
        application sets all header fields itself. tls: by HTTPS.
        """
        requests = Limiter(self.options.requests_per_minute, 60, http.REQUESTS_PER_MINUTE)
        server = http.server(self.gateway, self.options, name, addresses, app, requests, tls=tls)
        self._servers.append((server, requests))
        return server

    def svg(self, text: str) -> str:
        """A QR code for a page."""
        return invite.svg(text)

    def save(self, text: str, png: Path | None, svg: Path | None) -> None:
        """A QR code as picture files, for a command. Raises ClickException."""
        command.save(text, png, svg)

    def terminal(self, text: str, colours: bool) -> str:
        """A QR code for a terminal."""
        return invite.terminal(text, colours)

    def page(self, template: Path, status: int = 200, forms: bool = False, **facts: Any) -> HTTPResponse:
        """The answer for a page of a plugin: a template (bottle's SimpleTemplate) that begins with
        `rebase('layout.html', title=…)`. It gets `facts` in addition to what the site's own templates get, and may
        include those: `hero.html` shows an invitation `link` with its `qr` after the output of the function `pitch`. No
        browser or proxy stores a copy. forms: may it have forms, which go to this site?
        """
        return self._pages.of_plugin(template, status, forms, **facts)

    # ------------------------------------------------------------------------------------------ hooks

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        answers = dict(self._app.answers.counts) if self._app is not None else {}
        what = "Answers, by the class of their status"
        return [Metric("chatgate_site_answers", what, "counter", ("status",), answers)]

    @hookimpl
    def chatgate_backup(self) -> list[KeptFiles]:
        pages = dict.fromkeys(domain.options(self.options).pages for domain in self.gateway.domains)
        return [KeptFiles(f"pages-{n}", self.gateway.path(path)) for n, path in enumerate(pages) if path]

    def _tell_of_pages(self) -> None:
        """In the log, as pages that cannot be used are shown as they are shipped."""
        for place in self._places:
            for text in own.problems(self.gateway, place):
                log.error("pages: %s", text)

    @hookimpl
    def chatgate_ready(self) -> str:
        self._tell_of_pages()
        first = self._places.first
        if shut_by := first.facts().shut_by:
            shown = f"\nNo QR code: {shut_by}.\n"  # a code would lead to a refusal
        else:
            shown = command.welcome(first.inviter.link(), first.personal, first.page("/"), colours=True)
        others = [place.domain.name for place in self._places][1:]
        return shown + (f"\n'chatgate qr --domain D' shows those of {', '.join(others)}.\n" if others else "")

    @hookimpl
    def chatgate_login_link(self, address: str, password: str, qr: bool) -> str:
        link = self.at(self.gateway.domains.of(address)).inviter.login(address, password)
        return invite.terminal(link, colours=sys.stdout.isatty()) if qr else link

    @hookimpl
    def chatgate_commands(self, cli: click.Group) -> None:
        cli.add_command(command.make(self.gateway.domains, self._places))
        cli.add_command(command.site(self.gateway))

    @hookimpl
    def chatgate_facts(self) -> Facts:
        return Facts(listens={"https": self.options.https, "http": self.options.http})

    @hookimpl
    def chatgate_dns_records(self, domain: Domain) -> list[DnsRecord]:
        if not self.at(domain).url or domain.name.startswith(("www.", "_")):
            return []
        why = "who types www. before the name finds the site"
        return [DnsRecord(f"www.{domain.name}", "CNAME", f"{domain.dns_host}.", False, why)]

    @hookimpl
    def chatgate_metadata_entries(self, mailbox: str) -> list[str]:
        return [] if mailbox else [_COMMENT, _ADMIN]

    @hookimpl
    def chatgate_get_metadata(self, session: Session, mailbox: str, entry: str) -> bytes | None:
        """Answers what Delta Chat asks about the server and its operator."""
        if mailbox or entry not in (_COMMENT, _ADMIN):
            return None
        place = self.at(self.gateway.domains.of_session(session))
        return (place.options.comment if entry == _COMMENT else place.contact_link).encode() or None

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        found = []
        if not self._places.first.endpoints.loopback and not self.options.forwarded_for_from:
            for address in (*self.options.https, *self.options.http):
                where = listener(address)
                if where.local and "proxy" not in where.words and not self.gateway.config.core.proxy_protocol_from:
                    text = (
                        f"site: behind a reverse proxy at {address} all visitors look like one: set forwarded_for_from"
                    )
                    found.append(Problem("warning", f"{text}, or limits per client cannot work"))
        for place in self._places:
            found += self._check(place, f"site: {place.domain.name}: " if len(self._places) > 1 else "site: ")
        return found

    def _check(self, place: Place, about: str) -> list[Problem]:
        found, at = [], place.endpoints
        pages = place.options.pages
        if pages and not self.gateway.path(pages).is_dir():
            found.append(Problem("error", f"{about}there is no folder {self.gateway.path(pages)}"))
        for name in place.options.languages:
            if name not in place.languages:
                found.append(Problem("error", f"{about}languages: there are no pages in {name}"))
        found += [Problem("error", f"{about}{text}") for text in own.problems(self.gateway, place)]
        for kind, key in (("imaps", "imap_port"), ("submissions", "smtp_port")):
            where = [listener(one) for one in at.listens(kind)]
            if where and all(one.words or one.host == "unix" for one in where) and not getattr(place.options, key):
                text = (
                    f"{about}{kind} is for a proxy only, and nobody is told its port: set {key} to the one of the proxy"
                )
                found.append(Problem("warning", text))
        try:
            personal = place.personal
        except PluginError:
            return found  # there is no certificate; the plugin in charge of it reports that
        if personal and not (at.is_ip or at.loopback):
            why = "the certificate is self-signed" if at.standard_ports else "IMAP or SMTP has no standard port"
            found.append(
                Problem("warning", f"{about}{why}, so each QR code is for one account; there is none to print")
            )
        return found
