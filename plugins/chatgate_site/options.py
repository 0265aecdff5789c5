"""What can be set."""

from __future__ import annotations

from dataclasses import dataclass

from chatgate.api import option
from chatgate_site.forwarded import Forwarded


@dataclass(frozen=True)
class SiteOptions:
    https: tuple[str, ...] = option(("*:443",), "Addresses for HTTPS; [] is off, for example behind a reverse proxy.")
    http: tuple[str, ...] = option(
        ("*:80",), "Addresses for HTTP, which redirects to HTTPS where there is HTTPS, but on 127.0.0.1; [] is off."
    )
    url: str = option(
        "",
        "Address of the site as visitors see it, if a reverse proxy or port mapping changes it.",
        per_domain=True,
        inherited=False,
    )
    imap_port: int = option(
        0, "Port for IMAP over TLS in invitations, if it is mapped; 0: as the imap plugin listens.", per_domain=True
    )
    smtp_port: int = option(
        0, "Port for SMTP over TLS in invitations, if it is mapped; 0: as the smtp plugin listens.", per_domain=True
    )
    alpn_port: int = option(
        0,
        "Port at which clients reach IMAP and SMTP beside HTTPS, if it is mapped; 0: as https listens. They say which "
        "they want by ALPN.",
        per_domain=True,
    )
    title: str = option(
        "", "Name of this server on its pages. Empty: the mail domain.", per_domain=True, inherited=False, live=True
    )
    about: str = option("", "A few words of yours for the first page.", per_domain=True, live=True)
    contact: str = option(
        "",
        "How people reach the operator, for the pages and for apps (/shared/admin): a mail address, or a link that "
        "begins with https://, such as an invite link of Delta Chat.",
        per_domain=True,
        live=True,
    )
    imprint: str = option(
        "",
        "Who runs this server, for the page /imprint: lines of text, or the https:// address of a page elsewhere.",
        per_domain=True,
        live=True,
    )
    terms: str = option("", "Terms of use, for the page /terms; in the same way.", per_domain=True, live=True)
    comment: str = option("", "A notice that apps may show their users (/shared/comment).", per_domain=True, live=True)
    languages: tuple[str, ...] = option(
        (), 'Languages of the pages, such as ["de", "en"]; the browser chooses. Empty: all there are.', per_domain=True
    )
    pages: str = option(
        "", "Folder whose files replace pages of the same name: landing.html, style.css and so on.", per_domain=True
    )
    webroot: str = option(
        "",
        "Folder in which another ACME client writes as below a website: WEBROOT/.well-known/acme-challenge/TOKEN.",
    )
    new_per_minute: int = option(30000, "Accounts that POST /new gives a minute in total.", live=True)
    new_per_network: int = option(
        60, "Accounts that POST /new gives a minute to one IPv4 address or IPv6 /64.", live=True
    )
    new_at_once: int = option(100, "Accounts that POST /new makes at the same time; more have to wait a moment.")
    forwarded_for_from: tuple[str, ...] = option(
        (),
        "Addresses or networks of reverse proxies whose X-Forwarded-For is believed, so that limits are for visitors, "
        'not for the proxy; "unix" stands for unix sockets.',
    )
    requests_per_minute: int = option(
        1200, "Requests a minute from one IPv4 address or IPv6 /64; more are answered 429, without a page.", live=True
    )
    max_connections: int = option(
        5000,
        "Open connections, for HTTP and HTTPS each. When there are more, the oldest of whoever has most is closed.",
        live=True,
    )
    max_per_address: int = option(100, "Open connections from one IPv4 address or IPv6 /64.", live=True)
    max_header: int = option(16384, "Octets of the header of a request.", live=True)
    idle_seconds: float = option(
        20.0, "Seconds to wait for the next request of a connection, with its header.", live=True
    )
    request_seconds: float = option(300.0, "Seconds one request may take, with its body and the answer.", live=True)

    def __post_init__(self) -> None:
        try:
            Forwarded(self.forwarded_for_from)
        except ValueError as error:
            raise ValueError(f"forwarded_for_from: {error}") from None
        if self.url and not self.url.startswith(("https://", "http://")):
            raise ValueError("url: must begin with https:// or http://")
        is_link = self.contact.startswith("https://")
        if self.contact and (not (is_link or "@" in self.contact) or any(c in self.contact for c in ' <>"\r\n')):
            raise ValueError("contact: must be a mail address, or a link that begins with https://")
