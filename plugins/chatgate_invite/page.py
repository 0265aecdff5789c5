"""Invitations on the operator's dashboard: what `chatgate invite` does, in a browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from gettext import gettext as _
from typing import Any

from chatgate.api import Gateway
from chatgate_invite import command
from chatgate_invite.hooks import Invitations, Token
from chatgate_invite.tokens import good


def make(gateway: Gateway, kept: Callable[[], Invitations], admin: Any) -> Any:
    """admin: the dashboard's tools, see `chatgate_admin_pages`."""

    def show(request: Any) -> str:
        heads = [_("Token"), _("Used"), _("Ends"), _("Quota"), _("Domain"), _("Note"), ""]
        rows = [_row(token) for token in reversed(kept().all())]
        domains = {"": _("any")} | {domain.name: domain.name for domain in gateway.domains}
        fields = [
            admin.field("uses", _("How many accounts"), "1", kind="number", hint=_("0 is any number"), most=7),
            admin.field("expires", _("When it ends"), "7d", hint=_("12h, 7d, 4w or 2027-01-31; empty: never"), most=20),
            admin.field("quota", _("How much each account keeps"), hint=_("500M; empty: the default"), most=20),
            admin.field("note", _("Note"), hint=_("Words of your own, for this list"), most=200),
        ]
        if len(gateway.domains) > 1:
            fields.append(admin.choice("domain", _("Domain"), domains))
        return str(
            admin.html(
                admin.table(heads, rows, _("There are no invitations.")),
                admin.heading(_("A new invitation")),
                admin.form("create", _("Make an invitation"), *fields),
            )
        )

    def _row(token: Token) -> list[object]:
        used = f"{token.used} of {token.uses}" if token.uses else str(token.used)
        return [
            admin.code(token.token),
            used if good(token) else admin.mark(_("{used}, no use any more").format(used=used)),
            admin.moment(token.expires),
            _("default") if token.quota is None else admin.size(token.quota) if token.quota else _("no limit"),
            token.domain or _("any"),
            token.note,
            admin.form("revoke", _("Revoke"), danger=True, sure=_("Let nobody else in by it?"), token=token.token),
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
            _("The invitation is made."),
            about=_("for {count} accounts").format(count=token.uses or _("any number of")),
            page=admin.html(*shown),
        )

    def revoke(form: Mapping[str, str]) -> str:
        command.revoke(kept(), form.get("token", ""))
        return _("Revoked. Accounts that came of it stay.")

    return admin.page("invites", _("Invitations"), show, {"create": create, "revoke": revoke}, order=30)
