"""The hook by which plugins add pages to the dashboard; it exists only where this plugin is enabled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlencode

from chatgate.api import Gateway, hookspec

if TYPE_CHECKING:
    from chatgate_admin.tools import Tools

Form = Mapping[str, str]


@dataclass(frozen=True)
class Request:
    """Somebody who is logged in looks at a page. query: the parameters of the address. root: the path at which the
    dashboard begins, without a slash at its end.
    """

    root: str
    query: Mapping[str, str] = field(default_factory=dict)

    def link(self, path: str, **query: object) -> str:
        """The address of a page of the dashboard, by its path, with these parameters."""
        asked = urlencode({name: str(value) for name, value in query.items()})
        return f"{self.root}/{quote(path)}" + (f"?{asked}" if asked else "")


class Done(NamedTuple):
    """What came of an action. message: for whoever asked for it. about: what it was done to, for the log of actions; no
    address and no name of a person, as the log outlives them. query: the parameters of the page that is shown next;
    None: those that it had. page: HTML that is shown this once, beside the message, and not kept anywhere.
    """

    message: str
    about: str = ""
    query: Mapping[str, str] | None = None
    page: str = ""


@dataclass(frozen=True)
class AdminPage:
    """path: its name in addresses: small letters and digits. show: makes the HTML below its heading. actions: by the
    name that a form gives as `do`. Each gets the form's fields, does one thing, and says what it did, in one line or as
    a `Done`. A ValueError, PluginError or StoreError, or the ClickException of a function that commands use as well, is
    shown as the reason why nothing was done. order: of the menu; those shipped have 0 to 90.
    """

    path: str
    title: str
    show: Callable[[Request], str]
    actions: Mapping[str, Callable[[Form], str | Done]] = field(default_factory=dict)
    order: int = 50


@hookspec
def chatgate_admin_pages(gateway: Gateway, admin: Tools) -> Sequence[AdminPage] | None:
    """What do you add to the operator's dashboard? Asked once at start, when all plugins are made. `admin.page(…)`
    makes an AdminPage; `admin` also has what pages are built of: tables, forms, plots, all of which escape what they
    are given. The dashboard itself sees to logins, CSRF tokens and the log of actions: a page gets none of these to
    see, and a form needs no more than `method="post"`.
    """
