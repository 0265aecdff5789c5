"""What is around each page: who may see it, the forms' tokens, the log of actions, the menu."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from gettext import gettext as english
from typing import Any

import bottle
import click
from bottle import HTTPError, HTTPResponse

from chatgate.api import Limiter, PluginError, StoreError, raised_at
from chatgate_admin import answers
from chatgate_admin.hooks import AdminPage, Done, Request
from chatgate_admin.journal import Journal
from chatgate_admin.keys import Keys
from chatgate_admin.logins import Logins, Seen, form_token, new_token
from chatgate_admin.tools import Html, Tools, html

log = logging.getLogger("chatgate.admin")

MAX_BODY = 65536  # octets of a form

_REFRESH_SECONDS = 60
AGAIN = "again"  # the parameter of a page that comes again by itself


class Shell:
    """Answers requests below one root or several. host: whose dashboard it is. tries: counts failed logins."""

    def __init__(
        self, host: str, pages: Mapping[str, AdminPage], keys: Keys, logins: Logins, journal: Journal, tries: Limiter
    ) -> None:
        """pages: by their paths, in the order of the menu; the first is where one arrives."""
        self._host, self._pages, self._keys, self._logins = host, pages, keys, logins
        self._journal, self._tries = journal, tries
        self._tools = Tools()

    def answer(self, root: str, path: str) -> HTTPResponse:
        """For bottle's current request. root: the path at which the dashboard begins. path: what comes after."""
        try:
            return self._answer(root, path)
        except HTTPError as error:
            return self._sorry(root, error.status_code, str(error.body))
        except (PluginError, StoreError) as error:
            return self._sorry(root, 503, str(error))
        except Exception as error:
            log.error("page failed error=%s at=%s", type(error).__name__, raised_at(error.__traceback__))
            return self._sorry(root, 500, english("This page failed. The log names the place."))

    def _answer(self, root: str, path: str) -> HTTPResponse:
        request = bottle.request
        posts = request.method == "POST"
        if not posts and request.method not in ("GET", "HEAD"):
            raise HTTPError(405, english("That is not done here."))
        if path == "style.css" and not posts:
            return answers.style()
        if posts:
            self._check_body()
        token = request.get_cookie(answers.COOKIE) or ""
        login = self._logins.find(token, used=posts or AGAIN not in request.query)
        if posts and not self._from_our_form(token):
            # The form is older than the login, or somebody else's.
            raise HTTPError(
                403, english("That form is not valid any more. Please go back, load the page again, and retry.")
            )
        if path == "login":
            if posts:
                return self._log_in(root)
            return answers.redirect(f"{root}/") if login else self._ask(root, token)
        if login is None:
            return answers.redirect(f"{root}/login")
        if path == "logout" and posts:
            self._logins.end(token)
            return answers.set_cookie(answers.redirect(f"{root}/login"), "", root, self._secure())
        page = self._pages.get(path) if path else next(iter(self._pages.values()))
        if page is None:
            raise HTTPError(404, english("There is no such page."))
        return self._act(root, page, login) if posts else self._show(root, page, login)

    def _check_body(self) -> None:
        environ = bottle.request.environ
        if "HTTP_TRANSFER_ENCODING" in environ:
            raise HTTPError(411, english("A form has a length."))
        if int(environ.get("CONTENT_LENGTH") or 0) > MAX_BODY:
            raise HTTPError(413, english("That is too long."))

    def _from_our_form(self, token: str) -> bool:
        # Browsers say where a request comes from; those that do not are stopped by the token alone.
        if bottle.request.get_header("Sec-Fetch-Site", "same-origin") != "same-origin":
            return False
        given = bottle.request.forms.get(answers.TOKEN, "")
        return bool(token) and secrets.compare_digest(given.encode(), form_token(token).encode())

    def _secure(self) -> bool:
        return bool(bottle.request.environ["chatgate.session"].tls)

    # ------------------------------------------------------------------------------------------ the login

    def _ask(self, root: str, token: str, status: int = 200, message: str = "") -> HTTPResponse:
        """The form for the password. Its token needs a cookie, too, so that nobody can log a browser in unasked."""
        token = token or new_token()
        tools, fields = self._tools, []
        if not self._keys.there():
            content: str = tools.note(
                english("There is no password yet. On the server, type:"), " ", tools.code("chatgate admin password")
            )
        else:
            fields.append(_field("password", english("Password"), "password", "current-password"))
            if self._keys.second_factor():
                label = english("Code of your authenticator app, or a recovery code")
                fields.append(_field("code", label, "text", "one-time-code"))
            content = html(Html('<form method="post" class="login">'), *fields, Html("<button>"), english("Log in"))
            content = Html(content + "</button></form>")
        made = answers.page(
            status,
            title=english("Log in"),
            token=form_token(token),
            content=content,
            message=message,
            bad=bool(message),
            **self._around(root),
        )
        return answers.set_cookie(made, token, root, self._secure())

    def _log_in(self, root: str) -> HTTPResponse:
        form, client = bottle.request.forms, bottle.request.environ["chatgate.session"].client
        token = bottle.request.get_cookie(answers.COOKIE) or ""
        window = self._tries.take(client)
        if window is None:
            log.warning("login refused: too many tries")
            made = self._ask(root, token, 429, english("Too many wrong tries. Please wait a quarter of an hour."))
            made.set_header("Retry-After", "900")
            return made
        if not self._keys.right(form.password, form.code):
            log.warning("login refused: wrong password or code")
            return self._ask(root, token, 403, english("That was not right."))
        self._tries.give_back(client, window)
        self._journal.note("login", "log in")
        # A new token: whoever may have known the one before the login does not know this one.
        return answers.set_cookie(answers.redirect(f"{root}/"), self._logins.begin(), root, self._secure())

    # ------------------------------------------------------------------------------------------ pages

    def _show(
        self, root: str, page: AdminPage, login: Seen, message: str = "", bad: bool = False, extra: str = ""
    ) -> HTTPResponse:
        query = {name: bottle.request.query.getunicode(name) or "" for name in bottle.request.query}
        said = message or login.message.removeprefix("!")
        bad = bad or (not message and login.message.startswith("!"))
        content = page.show(Request(root, query))
        return answers.page(
            token=form_token(login.token),
            refresh=_REFRESH_SECONDS if AGAIN in query else 0,
            title=page.title,
            content=content,
            message=said,
            bad=bad,
            extra=extra,
            **self._around(root, page.path),
        )

    def _act(self, root: str, page: AdminPage, login: Seen) -> HTTPResponse:
        form = {name: bottle.request.forms.getunicode(name) or "" for name in bottle.request.forms}
        name = form.pop("do", "")
        form.pop(answers.TOKEN, None)
        action = page.actions.get(name)
        if action is None:
            raise HTTPError(404, english("There is no such action."))
        try:
            said = action(form)
        except (ValueError, PluginError, StoreError, click.ClickException) as error:
            self._journal.note(page.path, name, result=english("refused"))
            text = error.format_message() if isinstance(error, click.ClickException) else str(error)
            self._logins.tell(login.token, "!" + (text[:1].upper() + text[1:]))
            return answers.redirect(_here(root, page))
        done = said if isinstance(said, Done) else Done(said)
        self._journal.note(page.path, name, done.about)
        if done.page:
            return self._show(root, page, login, message=done.message, extra=done.page)
        self._logins.tell(login.token, done.message)
        return answers.redirect(
            _here(root, page) if done.query is None else Request(root).link(page.path, **done.query)
        )

    def _around(self, root: str, here: str = "") -> dict[str, Any]:
        menu = [(page.path, page.title) for page in self._pages.values()] if here else []
        return {"root": root, "host": self._host, "menu": menu, "here": here, "english": english}

    def _sorry(self, root: str, status: int, text: str) -> HTTPResponse:
        title = {404: english("Not found"), 503: english("Not now")}.get(status, english("That did not work"))
        back = self._tools.paragraph(self._tools.link(english("To the dashboard"), f"{root}/"))
        return answers.page(status, title=title, message=text, bad=True, content=back, **self._around(root))


def _here(root: str, page: AdminPage) -> str:
    asked = bottle.request.query_string
    return f"{root}/{page.path}" + (f"?{asked}" if asked else "")


def _field(name: str, label: str, kind: str, complete: str) -> Html:
    box = Html(f'<input type="{kind}" name="{name}" autocomplete="{complete}" required maxlength="1024">')
    return html(Html("<label><span>"), label, Html("</span>"), box, Html("</label>"))
