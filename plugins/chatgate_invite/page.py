"""Invitations on the operator's dashboard: what `chatgate invite` does, in a browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from gettext import gettext as english
from typing import Any

from chatgate.api import Gateway
from chatgate_invite import command
from chatgate_invite.hooks import Invitations, Token
from chatgate_invite.tokens import good


def make(gateway: Gateway, kept: Callable[[], Invitations], admin: Any) -> Any:
    """admin: the dashboard's tools, see `chatgate_admin_pages`."""

    def show(request: Any) -> str:
        heads = [
            english("Token"),
            english("Used"),
            english("Ends"),
            english("Quota"),
            english("Domain"),
            english("Note"),
            "",
        ]
        rows = [_row(token) for token in reversed(kept().all())]
        domains = {"": english("any")} | {domain.name: domain.name for domain in gateway.domains}
        fields = [
            admin.field(
                "uses", english("How many accounts"), "1", kind="number", hint=english("0 is any number"), most=7
            ),
            admin.field(
                "expires",
                english("When it ends"),
                "7d",
                hint=english("12h, 7d, 4w or 2027-01-31; empty: never"),
                most=20,
            ),
            admin.field(
                "quota", english("How much each account keeps"), hint=english("500M; empty: the default"), most=20
            ),
            admin.field("note", english("Note"), hint=english("Words of your own, for this list"), most=200),
        ]
        if len(gateway.domains) > 1:
            fields.append(admin.choice("domain", english("Domain"), domains))
        return str(
            admin.html(
                admin.table(heads, rows, english("There are no invitations.")),
                admin.heading(english("A new invitation")),
                admin.form("create", english("Make an invitation"), *fields),
            )
        )

    def _row(token: Token) -> list[object]:
        used = f"{token.used} of {token.uses}" if token.uses else str(token.used)
        return [
            admin.code(token.token),
            used if good(token) else admin.mark(english("{used}, no use any more").format(used=used)),
            admin.moment(token.expires),
            english("default")
            if token.quota is None
            else admin.size(token.quota)
            if token.quota
            else english("no limit"),
            token.domain or english("any"),
            token.note,
            admin.form(
                "revoke", english("Revoke"), danger=True, sure=english("Let nobody else in by it?"), token=token.token
            ),
        ]

    def create(form: Mapping[str, str]) -> Any:
        token, domain = command.create(
            gateway,
            kept(),
            form.get("uses", "1"),
            form.get("expires", ""),
            form.get("quota", ""),
            form.get("note", ""),
            form.get("domain", ""),
        )
        ways = command.ways(gateway, token, domain)
        shown = [admin.paragraph(admin.code(line)) for line in command.about(ways)]
        site = gateway.hub.plugin("site")
        if site is not None:
            shown.append(admin.markup(f'<div class="qr">{site.svg(ways["link"])}</div>'))
        return admin.done(
            english("The invitation is made."),
            about=english("for {count} accounts").format(count=token.uses or english("any number of")),
            page=admin.html(*shown),
        )

    def revoke(form: Mapping[str, str]) -> str:
        command.revoke(kept(), form.get("token", ""))
        return english("Revoked. Accounts that came of it stay.")

    return admin.page("invites", english("Invitations"), show, {"create": create, "revoke": revoke}, order=30)
