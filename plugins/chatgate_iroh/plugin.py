"""The plugin `iroh`."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

import gevent

from chatgate.api import Gateway, Problem, hookimpl, option

ENTRY = "/shared/vendor/deltachat/irohrelay"
ENTRY1 = "/shared/vendor/deltachat/irohrelay1"

_PRINTABLE = re.compile(r"[!-~]{1,1000}")


@dataclass(frozen=True)
class IrohOptions:
    url: str = option(
        "", "Address of your iroh relay, such as https://iroh.example.org. Empty: none is named.", live=True
    )
    url1: str = option("", "The same for iroh 1.0, to which apps are moving. Empty: none is named.", live=True)
    check_seconds: float = option(5.0, "Seconds that 'chatgate check' waits for the relay.", live=True)

    def __post_init__(self) -> None:
        for name in ("url", "url1"):
            if url := getattr(self, name):
                check(url, name)


def check(url: str, name: str = "url") -> None:
    """Raises ValueError, which does not repeat the URL as it may hold a password."""
    try:
        parts = urlsplit(url)
        fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an invalid port, or invalid brackets
        fit = False
    if not fit or not _PRINTABLE.fullmatch(url):
        raise ValueError(f"{name}: must be an address such as https://iroh.example.org")
    if "@" in parts.netloc:
        raise ValueError(f"{name}: must hold no user name or password; every account is told the URL")
    if parts.query or parts.fragment:
        raise ValueError(f"{name}: must have no '?' or '#'")


class Iroh:
    """Realtime web apps: tells apps the address of an iroh relay."""

    Options = IrohOptions
    order = 75

    def __init__(self, gateway: Gateway, options: IrohOptions) -> None:
        self.options = options

    @hookimpl
    def chatgate_metadata_entries(self, mailbox: str) -> list[str]:
        return [] if mailbox else [ENTRY, ENTRY1]

    @hookimpl
    def chatgate_get_metadata(self, mailbox: str, entry: str) -> bytes | None:
        url = {ENTRY: self.options.url, ENTRY1: self.options.url1}.get(entry)
        return url.encode("ascii") if url and not mailbox else None

    @hookimpl
    def chatgate_check(self) -> list[Problem]:
        named = [url for url in (self.options.url, self.options.url1) if url]
        if not named:
            return [Problem("warning", "iroh: url is empty, so apps use public relays; or disable the plugin")]
        found = []
        for url in dict.fromkeys(named):
            if problem := _asked(url.rstrip("/") + "/ping", self.options.check_seconds):
                found.append(Problem("warning", f"iroh: {url} is named to apps, but {problem}"))
        return found


def _asked(url: str, seconds: float) -> str:
    """What is wrong with the relay, or "". An iroh relay answers /ping with 200: clients measure their latency with it.
    The certificate must be signed by a public authority: iroh does not accept self-signed ones.
    """
    try:
        with gevent.Timeout(seconds, TimeoutError()), urllib.request.urlopen(url) as answer:
            return "" if answer.status == 200 else f"/ping answers {answer.status}"
    except urllib.error.HTTPError as error:
        return f"/ping answers {error.code}"
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        return f"it does not answer: {getattr(reason, 'strerror', None) or type(reason).__name__}"
