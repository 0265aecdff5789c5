"""The plugin: what newcomers may show, the operator's commands, and a page for each token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chatgate.api import Domain, Facts, Gateway, KeptFiles, Problem, Reply, hookimpl, option
from chatgate_invite import command, hooks
from chatgate_invite.database import Database
from chatgate_invite.tokens import LENGTH, Invitation, derived, draw, good, normal

if TYPE_CHECKING:
    import bottle

_PAGE = Path(__file__).with_name("invite.html")

# As everywhere, no "authentication": Delta Chat would tell of a wrong password.
SPENT = Reply(550, "5.7.1", "This invitation has been used up or has expired", imap="NOPERM")


@dataclass(frozen=True)
class InviteOptions:
    database: str = option("data/invite.db", "File with the tokens, in the gateway's folder.")
    password_min_length: int = option(9, "Characters that must follow a token with which a password begins.", live=True)
    forget_after_days: float = option(30.0, "Days after which expired tokens are removed from the list.", live=True)


class Invite:
    """Invitations by token: they let people in on a closed server, by link, QR code or typed password."""

    Options = InviteOptions
    order = 55
    hookspecs = hooks

    def __init__(self, gateway: Gateway, options: InviteOptions) -> None:
        self.gateway, self.options = gateway, options

    @hookimpl
    def chatgate_backup(self) -> list[KeptFiles]:
        return [Database(self.gateway.path(self.options.database)).kept("invitations")]

    @cached_property
    def kept(self) -> hooks.Invitations:
        """First used when all plugins are made."""
        found = self.gateway.hub.decision(hooks.chatgate_invitations).or_raise(gateway=self.gateway)
        return found or Database(self.gateway.path(self.options.database))

    @hookimpl(optionalhook=True)  # passwordless brings it
    def chatgate_invitation(self, address: str, token: str, password: str) -> Invitation | Reply | None:
        shown = normal(token) if token else normal(password[:LENGTH])
        found = self.kept.find(shown) if shown else None
        if found is None:
            return None
        if not good(found):
            return SPENT
        if found.domain and self.gateway.domains.of(address) is not self.gateway.domains.named(found.domain):
            return Reply(550, "5.7.1", f"This invitation is for addresses at {found.domain}", imap="NOPERM")
        least = self.options.password_min_length
        if not token and len(password) - LENGTH < least:
            # Whoever else has the token must not know the password.
            text = f"Behind the invitation, the password needs {least} more characters of your own"
            return Reply(550, "5.7.1", text, imap="NOPERM")
        return Invitation(self.kept, shown, found.quota)

    @hookimpl(optionalhook=True)
    def chatgate_import_invitation(self, token: str, uses: int, used: int, expires: int, note: str) -> bool:
        ours = normal(token) or derived(token)
        if self.kept.find(ours) is not None:
            return False
        self.kept.create(replace(draw(uses, expires, None, note), token=ours, used=used))
        return True

    @hookimpl
    def chatgate_facts(self, domain: Domain) -> Facts:
        return Facts(invites=True)

    @hookimpl
    def chatgate_services(self) -> list[Database]:
        return [self.kept] if isinstance(self.kept, Database) else []

    @hookimpl
    def chatgate_commands(self, cli: click.Group, gateway: Gateway) -> None:
        cli.add_command(command.make(lambda: self.kept, gateway))

    @hookimpl
    def chatgate_expire(self, now: float) -> dict[str, int] | None:
        gone = self.kept.forget(int(now - self.options.forget_after_days * 86400))
        return {"expired invitations": gone} if gone else None

    @hookimpl
    def chatgate_check(self, gateway: Gateway) -> Sequence[Problem] | None:
        if isinstance(self.kept, Database):
            self.kept.read_only = gateway.read_only
            if self.kept.path.exists():
                self.kept.look()
        if not gateway.hub.has("passwordless"):
            return [Problem("warning", "invite: only the plugin passwordless asks for invitations")]
        return None

    @hookimpl(optionalhook=True)
    def chatgate_site_routes(self, app: bottle.Bottle, site: Any) -> None:
        import bottle

        def show(token: str) -> bottle.HTTPResponse:
            found = self.kept.find(normal(token)) if normal(token) else None
            if found is None or not good(found) or not command.served(self.gateway, found):
                return site.page(_PAGE, status=404, forms=True, link="", asked=True)
            place = site.at(self.gateway.domains.named(found.domain)) if found.domain else site.here()
            link = place.invitation(found.token)
            shortest, longest = self.gateway.facts(place.domain).name_lengths or (0, 0)
            facts = {
                "personal": place.personal,
                "shortest": shortest,
                "longest": longest,
                "more": self.options.password_min_length,
            }
            return site.page(_PAGE, link=link, qr=site.svg(link), token=found.token, **facts)

        def enter() -> bottle.HTTPResponse:
            token = bottle.request.query.token
            return show(token) if token else site.page(_PAGE, forms=True, link="", asked=False)

        app.get("/invite", callback=enter)
        app.get("/invite/<token>", callback=show)

    @hookimpl(optionalhook=True)
    def chatgate_admin_pages(self, gateway: Gateway, admin: Any) -> list[Any]:
        from chatgate_invite import page  # only where there is a dashboard

        return [page.make(gateway, lambda: self.kept, admin)]
