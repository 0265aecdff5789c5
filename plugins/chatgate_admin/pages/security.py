"""The page on which the operator changes the password, the second factor, and ends logins."""

from __future__ import annotations

from collections.abc import Callable
from gettext import gettext as _
from typing import TYPE_CHECKING

from chatgate_admin import totp
from chatgate_admin.hooks import AdminPage, Done, Form, Request
from chatgate_admin.keys import SHORTEST
from chatgate_admin.tools import Html, Tools

if TYPE_CHECKING:
    from chatgate_admin.plugin import Admin


def make(admin: Admin, tools: Tools) -> AdminPage:
    keys, logins = admin.keys, admin.logins

    def show(request: Request) -> str:
        count = logins.count()
        return tools.html(
            tools.heading(_("Password")),
            tools.form(
                "password",
                _("Change the password"),
                tools.field("now", _("Password now"), kind="password", needed=True),
                tools.field("new", _("New password"), kind="password", needed=True, hint=_least()),
                tools.field("again", _("New password, again"), kind="password", needed=True),
            ),
            tools.heading(_("Second factor")),
            *_second(request),
            tools.heading(_("Logins")),
            tools.paragraph(_("Logins at this moment: {count}.").format(count=count)),
            tools.form("logout", _("Log out everywhere")),
        )

    def _least() -> str:
        return _("{count} characters or more").format(count=SHORTEST)

    def _second(request: Request) -> list[Html]:
        now = tools.field("now", _("Password"), kind="password", needed=True)
        if keys.second_factor():
            left = _("A code of your authenticator app is asked for at each login. Recovery codes left: {count}.")
            return [
                tools.paragraph(left.format(count=keys.codes_left())),
                tools.form("totp_off", _("Ask for the password alone"), now, danger=True),
            ]
        if "totp" not in request.query:
            offer = _("With an authenticator app, whoever learns the password still cannot log in.")
            begin = tools.link(_("Set up an authenticator app"), request.link("security", totp="1"))
            return [tools.paragraph(offer), tools.paragraph(begin)]
        secret = totp.new_secret()
        link = totp.uri(secret, admin.gateway.domains.first.hostname)
        picture = Html(f'<div class="qr">{admin.gateway.hub.plugin("site").svg(link)}</div>')
        return [
            tools.paragraph(_("Scan this with the app, or type the secret into it:"), " ", tools.code(secret)),
            picture,
            tools.form(
                "totp_on",
                _("Ask for codes from now on"),
                tools.field("code", _("Code that the app shows"), needed=True, most=20),
                now,
                secret=secret,
            ),
        ]

    def _known(form: Form) -> None:
        """Who found a browser that is logged in may not keep it so."""
        if not admin.keys.right_password(form.get("now", "")):
            raise ValueError(_("the password is wrong"))

    def password(form: Form) -> str:
        _known(form)
        if form.get("new") != form.get("again"):
            raise ValueError(_("the new password is not the same in both fields"))
        if not form.get("new"):
            raise ValueError(_("there is no new password"))
        keys.set_password(form["new"])
        return _("Changed. Please log in again.")

    def totp_on(form: Form) -> Done:
        _known(form)
        codes = keys.set_second_factor(form.get("secret", ""), form.get("code", ""))
        told = _("Each of these codes is good once in place of one of the app. They are not shown again.")
        shown = tools.html(tools.paragraph(told), Html('<pre class="codes">'), "\n".join(codes), Html("</pre>"))
        return Done(_("Codes are asked for from now on. Please log in again."), page=shown)

    def totp_off(form: Form) -> str:
        _known(form)
        keys.remove_second_factor()
        return _("The password alone is asked for. Please log in again.")

    def logout(form: Form) -> str:
        logins.end_all()
        return _("All logins are over.")

    actions: dict[str, Callable[[Form], str | Done]] = {
        "password": password,
        "totp_on": totp_on,
        "totp_off": totp_off,
        "logout": logout,
    }
    return tools.page("security", _("Access"), show, actions, order=90)
