"""The page on which the operator changes the password, the second factor, and ends logins."""

from __future__ import annotations

from collections.abc import Callable
from gettext import gettext as english
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
            tools.heading(english("Password")),
            tools.form(
                "password",
                english("Change the password"),
                tools.field("now", english("Password now"), kind="password", needed=True),
                tools.field("new", english("New password"), kind="password", needed=True, hint=_least()),
                tools.field("again", english("New password, again"), kind="password", needed=True),
            ),
            tools.heading(english("Second factor")),
            *_second(request),
            tools.heading(english("Logins")),
            tools.paragraph(english("Logins at this moment: {count}.").format(count=count)),
            tools.form("logout", english("Log out everywhere")),
        )

    def _least() -> str:
        return english("{count} characters or more").format(count=SHORTEST)

    def _second(request: Request) -> list[Html]:
        now = tools.field("now", english("Password"), kind="password", needed=True)
        if keys.second_factor():
            left = english("A code of your authenticator app is asked for at each login. Recovery codes left: {count}.")
            return [
                tools.paragraph(left.format(count=keys.codes_left())),
                tools.form("totp_off", english("Ask for the password alone"), now, danger=True),
            ]
        if "totp" not in request.query:
            offer = english("With an authenticator app, whoever learns the password still cannot log in.")
            begin = tools.link(english("Set up an authenticator app"), request.link("security", totp="1"))
            return [tools.paragraph(offer), tools.paragraph(begin)]
        secret = totp.new_secret()
        link = totp.uri(secret, admin.gateway.domains.first.hostname)
        picture = Html(f'<div class="qr">{admin.gateway.hub.plugin("site").svg(link)}</div>')
        return [
            tools.paragraph(english("Scan this with the app, or type the secret into it:"), " ", tools.code(secret)),
            picture,
            tools.form(
                "totp_on",
                english("Ask for codes from now on"),
                tools.field("code", english("Code that the app shows"), needed=True, most=20),
                now,
                secret=secret,
            ),
        ]

    def _known(form: Form) -> None:
        """Who found a browser that is logged in may not keep it so."""
        if not admin.keys.right_password(form.get("now", "")):
            raise ValueError(english("the password is wrong"))

    def password(form: Form) -> str:
        _known(form)
        if form.get("new") != form.get("again"):
            raise ValueError(english("the new password is not the same in both fields"))
        if not form.get("new"):
            raise ValueError(english("there is no new password"))
        keys.set_password(form["new"])
        return english("Changed. Please log in again.")

    def totp_on(form: Form) -> Done:
        _known(form)
        codes = keys.set_second_factor(form.get("secret", ""), form.get("code", ""))
        told = english("Each of these codes is good once in place of one of the app. They are not shown again.")
        shown = tools.html(tools.paragraph(told), Html('<pre class="codes">'), "\n".join(codes), Html("</pre>"))
        return Done(english("Codes are asked for from now on. Please log in again."), page=shown)

    def totp_off(form: Form) -> str:
        _known(form)
        keys.remove_second_factor()
        return english("The password alone is asked for. Please log in again.")

    def logout(form: Form) -> str:
        logins.end_all()
        return english("All logins are over.")

    actions: dict[str, Callable[[Form], str | Done]] = {
        "password": password,
        "totp_on": totp_on,
        "totp_off": totp_off,
        "logout": logout,
    }
    return tools.page("security", english("Access"), show, actions, order=90)
