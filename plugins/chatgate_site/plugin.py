"""The plugin: what of the site the gateway gets to see."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from bottle import HTTPResponse

from chatgate.api import Gateway, PluginError, Problem, Service, hookimpl, ip
from chatgate_site import command, hooks, http, invite
from chatgate_site.endpoints import Endpoints
from chatgate_site.facts import Facts
from chatgate_site.new import New
from chatgate_site.options import SiteOptions
from chatgate_site.pages import Pages
from chatgate_site.wsgi import Site as Application

_COMMENT, _ADMIN = "/shared/comment", "/shared/admin"  # RFC 5464 §6.2


class Site:
    """The website: invitations with a QR code, POST /new, autoconfig, and a privacy page from the real settings."""

    Options = SiteOptions
    order = 70
    hookspecs = hooks

    def __init__(self, gateway: Gateway, options: SiteOptions) -> None:
        self.gateway, self.options = gateway, options
        self.endpoints = Endpoints(gateway, options)
        self.inviter = invite.Inviter(gateway.domain, self.endpoints)
        self.facts = Facts(gateway)

    @hookimpl
    def chatgate_services(self, gateway: Gateway) -> list[Service]:
        pages = Pages(gateway, self.options, self.endpoints, self.inviter, self.facts)
        self._pages = pages
        app = Application(gateway, self.endpoints, pages, New(gateway, self.options, self.inviter), self)
        return [
            http.server(gateway, self.options, name, getattr(self.options, name), app) for name in ("https", "http")
        ]

    # ------------------------------------------------------------------------------------------ lent to other plugins

    @property
    def url(self) -> str:
        """The site as visitors see it, without a slash at the end; "" when it is off."""
        return self.endpoints.url

    @property
    def personal(self) -> bool:
        """Do invitations hold an account of their own, so that each is for one person?"""
        return self.inviter.personal

    def invitation(self, token: str) -> str:
        """A link that makes Delta Chat create an account here and show this token: as the parameter of POST /new, or
        at the beginning of the password of a link that is for one person.
        """
        return self.inviter.link(token)

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
        `rebase('layout.html', title=…)`. It gets `facts` beside what the site's own templates get, and may include
        them: `hero.html` shows an invitation `link` with its `qr` behind what the function `pitch` writes. No browser
        or proxy keeps a copy. forms: may it have forms, which go to this site?
        """
        return self._pages.of_plugin(template, status, forms, **facts)

    # ------------------------------------------------------------------------------------------ hooks

    @hookimpl
    def chatgate_ready(self) -> str:
        if self.facts.shut_by:
            return f"\nNo QR code: {self.facts.shut_by}.\n"  # a code would lead to a refusal
        return command.welcome(self.inviter.link(), self.inviter.personal, self.endpoints.url, colours=True)

    @hookimpl
    def chatgate_login_link(self, address: str, password: str, qr: bool) -> str:
        link = self.inviter.login(address, password)
        return invite.terminal(link, colours=sys.stdout.isatty()) if qr else link

    @hookimpl
    def chatgate_commands(self, cli: click.Group) -> None:
        cli.add_command(command.make(self.inviter, self.endpoints, self.facts))

    @hookimpl
    def chatgate_metadata_entries(self, mailbox: str) -> list[str]:
        return [] if mailbox else [_COMMENT, _ADMIN]

    @hookimpl
    def chatgate_get_metadata(self, mailbox: str, entry: str) -> bytes | None:
        """What Delta Chat asks about the server and its operator."""
        if mailbox:
            return None
        if entry == _COMMENT and self.options.comment:
            return self.options.comment.encode()
        if entry == _ADMIN and self.options.contact:
            return f"mailto:{self.options.contact}".encode()
        return None

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        found = []
        if self.options.pages and not self.gateway.path(self.options.pages).is_dir():
            found.append(Problem("error", f"site: there is no folder {self.gateway.path(self.options.pages)}"))
        at = self.endpoints
        if not at.loopback and not self.options.forwarded_for_from:
            for address in (*self.options.https, *self.options.http):
                if _local(address) and not self.gateway.config.core.proxy_protocol_from:
                    text = (
                        f"site: behind a reverse proxy at {address} all visitors look like one: set forwarded_for_from"
                    )
                    found.append(Problem("warning", f"{text}, or limits per client cannot work"))
        try:
            personal = self.inviter.personal
        except PluginError:
            return found  # about the certificate; the plugin that has it says what is wrong
        if personal and not (at.is_ip or at.loopback):
            why = "the certificate is self-signed" if at.standard_ports else "IMAP or SMTP has no standard port"
            found.append(Problem("warning", f"site: {why}, so each QR code is for one account; there is none to print"))
        return found


def _local(address: str) -> bool:
    """Can only this machine reach a listener at this address?"""
    found = ip(address.rpartition(":")[0])
    return address.startswith(("unix:", "localhost:")) or (found is not None and found.is_loopback)
