"""The plugin: where the dashboard is served, which pages it has, its commands."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from chatgate.api import (
    Gateway,
    KeptFiles,
    Limiter,
    PluginError,
    Problem,
    Service,
    hookimpl,
    listener,
)
from chatgate_admin import command, hooks
from chatgate_admin.database import Database
from chatgate_admin.hooks import AdminPage
from chatgate_admin.journal import Journal
from chatgate_admin.keys import Keys
from chatgate_admin.logins import Logins
from chatgate_admin.options import AdminOptions
from chatgate_admin.tools import Tools

if TYPE_CHECKING:
    import bottle

    from chatgate_admin.shell import Shell

_WINDOW = 900.0  # seconds for which failed logins are counted
_PATH = re.compile(r"[a-z0-9]{1,40}")
_TAKEN = ("login", "logout")


class Admin:
    """The operator's dashboard, in a browser: what goes on, accounts, the queue, what is in force."""

    Options = AdminOptions
    order = 92
    hookspecs = hooks
    requires = ("site",)  # which speaks HTTP

    def __init__(self, gateway: Gateway, options: AdminOptions) -> None:
        self.gateway, self.options = gateway, options
        self.database = Database(gateway.path(options.database))
        self.keys = Keys(self.database, options.scrypt_cost)
        self.logins = Logins(self.database, options)
        self.journal = Journal(self.database, options)
        self._tries = Limiter(options.tries, _WINDOW, options.tries_in_all)

    @cached_property
    def shell(self) -> Shell:
        """First used when all plugins are made."""
        from chatgate_admin.shell import Shell  # only where it is served, and so bottle

        host = self.gateway.domains.first.hostname
        return Shell(host, self._pages(), self.keys, self.logins, self.journal, self._tries)

    def _pages(self) -> dict[str, AdminPage]:
        """All pages by their paths, in the order of the menu. Raises PluginError."""
        from chatgate_admin.pages import own

        tools = Tools()
        found = own(self, tools)
        for said in self.gateway.hub.collection(hooks.chatgate_admin_pages).each(
            None, gateway=self.gateway, admin=tools
        ):
            if said.failure is not None:
                raise PluginError(f"admin: {said.failure}")
            for page in said.answer or ():
                if not _PATH.fullmatch(page.path) or page.path in (*_TAKEN, *(one.path for one in found)):
                    raise PluginError(f"admin: plugin {said.plugin}: no page can be at {page.path!r}")
                found.append(page)
        return {page.path: page for page in sorted(found, key=lambda page: (page.order, page.title))}

    # ------------------------------------------------------------------------------------------ hooks

    @hookimpl
    def chatgate_services(self) -> list[Service]:
        site = self.gateway.hub.plugin("site")
        app = Alone(self.shell)
        near = tuple(one for one in self.options.listen if listener(one).local)
        far = tuple(one for one in self.options.listen if not listener(one).local)
        found: list[Service] = [self.database, site.serve("dashboard", near, app)]
        return [*found, site.serve("dashboard-tls", far, app, tls=True)] if far else found

    @hookimpl(optionalhook=True)
    def chatgate_site_routes(self, app: bottle.Bottle) -> None:
        if root := self.options.root:
            from chatgate_admin.shell import MAX_BODY

            def answer(path: str = "") -> Any:
                return self.shell.answer(root, path)

            app.route([root, f"{root}/<path:path>", f"{root}/"], "ANY", answer, max_body=MAX_BODY, discreet=True)

    @hookimpl
    def chatgate_reloaded(self) -> None:
        self._tries.limit(self.options.tries, self.options.tries_in_all)

    @hookimpl
    def chatgate_ready(self) -> str:
        near = next((one for one in self.options.listen if listener(one).local), "")
        if not near:
            return ""
        hint = "" if self.keys.there() else "; 'chatgate admin password' makes its password"
        return f"\nDashboard: http://{near}/{hint}\n"

    @hookimpl
    def chatgate_commands(self, cli: click.Group) -> None:
        cli.add_command(command.make(self))

    @hookimpl
    def chatgate_backup(self) -> list[KeptFiles]:
        return [self.database.kept("admin")]

    @hookimpl
    def chatgate_check(self, gateway: Gateway) -> Sequence[Problem]:
        found = []
        if not self.options.listen and not self.options.root:
            found.append(Problem("warning", "admin: the dashboard is nowhere: set listen or secret_path"))
        self.database.read_only = gateway.read_only
        if not self.database.path.exists() or not self.keys.there():
            found.append(Problem("warning", "admin: nobody can log in yet: 'chatgate admin password' makes a password"))
        elif self.options.root and not self.keys.second_factor():
            text = (
                "admin: everybody can reach its login, and one password is all it takes: see 'chatgate admin totp on'"
            )
            found.append(Problem("note", text))
        return found


class Alone:
    """The dashboard as all there is at a listener, see `chatgate_site.plugin.Site.serve`."""

    uncounted: Collection[str] = ()

    def __init__(self, shell: Shell) -> None:
        import bottle

        self._app = bottle.Bottle()
        self._app.route(["/", "/<path:path>"], "ANY", lambda path="": shell.answer("", path))
        self._app.default_error_handler = _short

    def enter(self, environ: dict[str, Any]) -> None:
        """Its paths begin at /."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self._app(environ, start_response)


def _short(error: Any) -> str:
    import bottle

    bottle.response.content_type = "text/plain"
    return f"{error.status_line}\n"
