"""The plugin: a page of the site and entries of METADATA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatgate.api import Domain, Facts, Gateway, Problem, Reply, Session, hookimpl, option
from chatgate_selfservice import metadata

if TYPE_CHECKING:
    import bottle

_MAX_BODY = 16384  # octets of a form: three passwords of the greatest length, with each octet encoded as three


@dataclass(frozen=True)
class SelfServiceOptions:
    wrong_password_seconds: float = option(2.0, "Seconds that the answer to a wrong password takes longer.")


class SelfService:
    """For users, on a page and by IMAP: see what is kept about them, change the password, delete the account."""

    Options = SelfServiceOptions
    order = 75
    requires = ("accounts",)  # which says what the store keeps

    def __init__(self, gateway: Gateway, options: SelfServiceOptions) -> None:
        self.gateway, self.options = gateway, options

    @hookimpl
    def chatgate_facts(self, domain: Domain) -> Facts:
        return Facts(account_page="/account")

    @hookimpl
    def chatgate_check(self, gateway: Gateway) -> list[Problem]:
        return [] if gateway.hub.has("site") else [Problem("warning", "selfservice: its page needs the plugin site")]

    @hookimpl(optionalhook=True)  # a hook of the plugin site
    def chatgate_site_routes(self, app: bottle.Bottle, site: Any) -> None:
        from chatgate_selfservice.page import Page  # only if there is a site, and so bottle

        page = Page(self.gateway, self.options.wrong_password_seconds, site)
        app.get("/account", callback=page.show)
        app.post("/account", callback=page.act, max_body=_MAX_BODY)

    @hookimpl
    def chatgate_metadata_entries(self, mailbox: str) -> Sequence[str]:
        return () if mailbox else metadata.ENTRIES

    @hookimpl
    def chatgate_get_metadata(self, session: Session, mailbox: str, entry: str) -> bytes | None:
        return metadata.get(self.gateway, session, mailbox, entry)

    @hookimpl
    def chatgate_set_metadata(self, session: Session, mailbox: str, entry: str, value: bytes | None) -> Reply | None:
        """Answers for all entries below our name, so that the store, which is asked last, never keeps a password as a
        note.
        """
        if not f"{entry}/".startswith(metadata.OURS):
            return None
        return metadata.set_(self.gateway, session, mailbox, entry, value)
