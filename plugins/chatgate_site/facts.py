"""What the pages say about this server: the facts that its plugins state at that moment, so that the pages are true."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chatgate.api import Domain, Facts, Gateway, Texts


class Told:
    """The `Facts` of one domain for templates, each by its name, and conclusions from several. Made for each page, as
    some of them change while the gateway runs. texts: in the page's language.
    """

    def __init__(self, gateway: Gateway, domain: Domain, texts: Texts, no_link: Callable[[], bool]) -> None:
        """no_link: is there no link that makes an account by POST /new?"""
        self._gateway, self.texts, self._no_link = gateway, texts, no_link
        self.stated: Facts = gateway.facts(domain)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stated, name)

    @property
    def encrypted_only(self) -> bool:
        """Does a gate keep unencrypted mail out?"""
        return self._gateway.hub.guarded

    @property
    def logs_addresses(self) -> bool:
        return self._gateway.config.core.log_level.lower() == "debug"

    @property
    def keeps_tombstones(self) -> bool:
        return self.stated.tombstone_days is not None

    @property
    def frozen(self) -> bool:
        """Are no new accounts possible at the moment, not even with an invitation?"""
        return self.stated.closed == "frozen"

    @property
    def ways(self) -> tuple[str, ...]:
        """By which ways newcomers get an account: "site" for POST /new, "login" for the first login."""
        return ("site", "login") if self.stated.ways is None else self.stated.ways

    @property
    def by_site(self) -> bool:
        """Does POST /new give anybody an account, or nobody, so that it may as well say why?"""
        return "site" in self.ways or not self.ways

    @property
    def shut(self) -> str:
        """What newcomers are told if they cannot simply make an account; "" if they can."""
        if not self.stated.closed and not self._useless:
            return ""
        _ = self.texts
        if self.frozen:
            return _("This server takes no new accounts at the moment. Please come back later.")
        until = self.stated.closed_until
        if until and self.stated.invites:
            return _("Sign-ups are closed until {date}. Before that, you need an invitation.", date=until)
        if until:
            return _("Sign-ups are closed until {date}.", date=until)
        if self.stated.invites:
            return _("This server takes new accounts by invitation only.")
        return _("This server takes no new accounts.")

    @property
    def shut_by(self) -> str:
        """For the operator: what keeps newcomers out, which also says how to let them in; "" if nothing does."""
        if self.stated.closed == "closed" and self.stated.invites:
            return "new accounts are made by invitation only: 'chatgate invite create' makes one"
        if self._useless:
            return 'with registration = "site" POST /new makes accounts, but the QR codes of this server need a login'
        return self.stated.closed_by or ""

    @property
    def _useless(self) -> bool:
        """Would each link that the site can show lead to a refusal?"""
        return self.ways == ("site",) and self._no_link()
