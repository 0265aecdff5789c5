"""MTA-STS (RFC 8461): whether mail for a domain may go to a host only if that is named and proves it."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import gevent
from chatgate_resolver import Problem, Resolver

from chatgate.api import Service
from chatgate_courier.security.sts_file import Kept, StsFile
from chatgate_courier.security.sts_policy import StsPolicy, parse, record_id

log = logging.getLogger("chatgate.courier")

_RETRY = 300.0  # seconds until a document that could not be fetched is asked for again (§3.3)
_REFRESH = 86400.0  # seconds after which a policy that has not changed is fetched anew, so that it never runs out
_MEMORY = 5000  # domains whose policy, or lack of one, is in memory


class Unfetched(Exception):
    """There is no document to be had; str() says why, in a few words."""


class Options(Protocol):
    """Those of the plugin that are about this."""

    @property
    def mta_sts(self) -> bool: ...
    @property
    def mta_sts_domains(self) -> int: ...


class MtaSts:
    """Ask `policy` for a domain before its MX hosts are tried. Where a policy is enforced, mail may only go to hosts
    that it `allows`, by SMTP with STARTTLS and a certificate that is valid for the host (§5); if there is none such,
    mail waits: the domain may be under attack, or about to change its policy. What speaks against a policy that is not
    enforced is worth a line in the log.
    """

    def __init__(
        self,
        resolver: Resolver,
        options: Options,
        fetch: Callable[[str], bytes],
        path: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """fetch: the document for a domain, raising Unfetched: a `Fetcher`. path: of the file that remembers policies
        over a restart; None: only memory does. clock: Unix seconds.
        """
        self._resolver, self._options, self._clock = resolver, options, clock
        self._fetch = fetch
        self._file = StsFile(path, options.mta_sts_domains) if path else None
        self._memory: OrderedDict[str, Kept | None] = OrderedDict()
        self._failed: dict[str, float] = {}  # when to try again
        self._fetching: dict[str, gevent.Greenlet[..., Kept | None]] = {}

    @property
    def services(self) -> list[Service]:
        """To be returned by `chatgate_services`: opens and closes the file."""
        return [self._file.database] if self._file else []

    def policy(self, domain: str) -> StsPolicy | None:
        """What the domain, a name in lower case, demands; None: nothing, or nothing that can be found out. Raises
        nothing. Usually a look into the resolver's memory and our own; a policy that is new or has changed is fetched
        first, which takes as long as `fetch` may, and one question to the DNS.
        """
        if not self._options.mta_sts or domain.startswith("["):
            return None
        # Without the record, or while it cannot be had, a policy that is known holds on (§5.1).
        found = self._record(domain)
        kept, now = self._known(domain), self._clock()
        if found and (kept is None or found != kept.id or now >= kept.fetched + _REFRESH):
            kept = self._renewed(domain, found, kept)
        if kept is None or not kept.holds(now) or kept.policy.mode == "none":
            return None
        return kept.policy

    def _record(self, domain: str) -> str:
        try:
            return record_id(self._resolver.txt(f"_mta-sts.{domain}").values)
        except Problem:
            return ""

    def _known(self, domain: str) -> Kept | None:
        if domain not in self._memory:
            kept = self._file.get(domain) if self._file else None
            if domain not in self._memory:  # nobody else was faster
                self._remember(domain, kept)
        self._memory.move_to_end(domain)
        kept = self._memory[domain]
        return kept if kept is not None and kept.holds(self._clock()) else None

    def _remember(self, domain: str, kept: Kept | None) -> None:
        self._memory[domain] = kept
        self._memory.move_to_end(domain)
        if len(self._memory) > _MEMORY:
            self._memory.popitem(last=False)

    def _renewed(self, domain: str, found: str, kept: Kept | None) -> Kept | None:
        """The policy as it is now, or as it was if it cannot be fetched."""
        if self._failed.get(domain, 0.0) > self._clock():
            return kept
        if domain not in self._fetching:
            # In a greenlet of its own, so that it goes on for the others when one who waits is interrupted.
            self._fetching[domain] = gevent.spawn(self._fetched, domain, found)
        return self._fetching[domain].get() or kept

    def _fetched(self, domain: str, found: str) -> Kept | None:
        try:
            kept = Kept(found, parse(self._fetch(domain)), self._clock())
        except (Unfetched, ValueError) as error:
            why = str(error) if isinstance(error, Unfetched) else f"the policy cannot be read: {error}"
            log.info("mta-sts domain=%s not fetched: %s", domain, why)
            self._fail(domain)
            return None
        finally:
            del self._fetching[domain]
        self._failed.pop(domain, None)
        self._remember(domain, kept)
        if self._file:
            self._file.put(domain, kept)
        return kept

    def _fail(self, domain: str) -> None:
        now = self._clock()
        if len(self._failed) >= _MEMORY:
            self._failed = {name: until for name, until in self._failed.items() if until > now}
        if len(self._failed) < _MEMORY:
            self._failed[domain] = now + _RETRY
