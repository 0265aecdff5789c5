"""The site of each domain: one program answers for all of them, according to the host that a visitor asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bottle

from chatgate.api import Domain, Gateway, bare
from chatgate_site import invite, languages
from chatgate_site.endpoints import Endpoints
from chatgate_site.facts import Told
from chatgate_site.options import SiteOptions

SHIPPED = Path(__file__).parent / "templates"


class Place:
    """The site of one domain. options: as they are there. folders: of its templates and files, the operator's
    first. languages: that there are pages in, besides those that are shipped."""

    def __init__(self, gateway: Gateway, general: SiteOptions, domain: Domain) -> None:
        self.domain, self.options = domain, domain.options(general)
        self.endpoints = Endpoints(gateway, self.options, domain)
        self.inviter = invite.Inviter(domain.name, self.endpoints, gateway.config.core.discreet, self._by_site)
        self._gateway = gateway
        self.discreet = gateway.config.core.discreet
        self.folders = (*([gateway.path(self.options.pages)] if self.options.pages else []), SHIPPED)
        self.languages = languages.available(self.folders)
        self._texts = {
            one: languages.Texts(languages.lookup(self.folders, one)) for one in (*self.languages, languages.SHIPPED)
        }

    def own(self, name: str) -> bool:
        """Has the operator's folder a file of this name?"""
        return any((folder / name).is_file() for folder in self.folders[:-1])

    def facts(self, language: str = languages.SHIPPED) -> Told:
        """The current facts, in one of `languages`."""
        return Told(self._gateway, self.domain, self._texts[language], language, self._no_link)

    def _by_site(self) -> bool:
        return self.facts().by_site

    def _no_link(self) -> bool:
        """Do all links make their account at the login?"""
        return self.discreet or self.personal

    def texts(self, language: str) -> languages.Texts:
        """The texts in one of `languages`."""
        return self._texts[language]

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
