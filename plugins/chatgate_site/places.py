"""The site of each domain: one program answers for all of them, according to the host that a visitor asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bottle

from chatgate.api import ENGLISH, Domain, Gateway, Texts, bare
from chatgate_site import invite, languages
from chatgate_site.endpoints import Endpoints
from chatgate_site.facts import Told
from chatgate_site.options import SiteOptions

SHIPPED = Path(__file__).parent / "templates"


class Place:
    """The site of one domain. options: as they are there. own_folders: the operator's, whose files replace ours.
    languages: those of its pages; language: for those who ask for none of them.
    """

    def __init__(self, gateway: Gateway, general: SiteOptions, domain: Domain) -> None:
        self.domain, self.options = domain, domain.options(general)
        self.endpoints = Endpoints(gateway, self.options, domain)
        self.inviter = invite.Inviter(domain.name, self.endpoints, gateway.config.core.discreet, self._by_site)
        self._gateway = gateway
        self.discreet = gateway.config.core.discreet
        self.own_folders = (gateway.path(self.options.pages),) if self.options.pages else ()
        self.there = languages.available(*self.own_folders)
        own_language = domain.options(gateway.config.core).language
        self.languages = [one for one in self.options.languages if one in self.there] or self.there
        self.language = own_language if own_language in self.languages else self._first

    def own(self, name: str) -> bool:
        """Has the operator's folder a file of this name?"""
        return any((folder / name).is_file() for folder in self.own_folders)

    @property
    def _first(self) -> str:
        return ENGLISH if ENGLISH in self.languages else self.languages[0]

    def facts(self, texts: Texts | None = None) -> Told:
        """The current facts, in the language of these texts, or in English."""
        return Told(self._gateway, self.domain, texts or self._gateway.texts(ENGLISH), self._no_link)

    def _by_site(self) -> bool:
        return self.facts().by_site

    def _no_link(self) -> bool:
        """Do all links make their account at the login?"""
        return self.discreet or self.personal

    @property
    def texts(self) -> Texts:
        """In the language in which the gateway writes to people of this domain by itself."""
        return self._gateway.texts(self.domain.options(self._gateway.config.core).language)

    @property
    def contact_link(self) -> str:
        """Where the operator is asked: a mail address, or a link such as those by which Delta Chat finds somebody."""
        contact = self.options.contact
        return contact if contact.startswith("https://") or not contact else f"mailto:{contact}"

    @property
    def title(self) -> str:
        return self.options.title or self.domain.name.strip("[]")

    # ------------------------------------------------------------------------------------------ lent to other plugins

    @property
    def url(self) -> str:
        """The site as visitors see it, without a slash at the end; "" when it is off."""
        return self.endpoints.url

    def page(self, path: str) -> str:
        """The address of a page for people; "" when they are shown none. path: such as "/invite"."""
        return self.url + path if self.url and not self.discreet else ""

    @property
    def personal(self) -> bool:
        """Does each invitation contain an account of its own, so that it is for one person?"""
        return self.inviter.personal

    @property
    def self_signed(self) -> bool:
        """Is the certificate one that no authority has signed? Raises PluginError when there is none."""
        return self.endpoints.self_signed

    def invitation(self, token: str) -> str:
        """A link that makes Delta Chat create an account here and present this token: as the parameter of POST /new,
        or, in a link for one person, at the beginning of the password.
        """
        return self.inviter.link(token)


class Places:
    def __init__(self, gateway: Gateway, options: SiteOptions) -> None:
        self._domains = gateway.domains
        self._all = {domain: Place(gateway, options, domain) for domain in gateway.domains}
        self.first = self._all[gateway.domains.first]

    def __iter__(self) -> Any:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def of(self, domain: Domain | None) -> Place:
        """The site of this domain; None: the first domain."""
        return self.first if domain is None else self._all[domain]

    def asked(self, environ: dict[str, Any]) -> Place:
        """The site for which a request is."""
        return self._all[self._domains.of_session(environ["chatgate.session"])]

    def here(self) -> Place:
        """The site for which the current request is."""
        return self.asked(bottle.request.environ)


def host_of(field: str) -> str:
    """The host in the Host field of a request (RFC 9110 §7.2), without its port."""
    if field.startswith("["):
        return bare(field.partition("]")[0] + "]")
    return field.partition(":")[0]
