"""The look at the DNS that a serving gateway takes now and then."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

import gevent

from chatgate.api import DnsRecord, Gateway, Leased, PluginError, Trouble
from chatgate_doctor.check import Finding

log = logging.getLogger("chatgate.doctor")

# Seconds until the first look: a starting gateway has other things to do.
_FIRST = 60.0

# Records that are named in an alert; the command shows all.
_NAMED = 5

# What is known to be wrong: kind, record, and what is there in its place.
Known = frozenset[tuple[str, DnsRecord, tuple[str, ...]]]


class Drift(Leased):
    """Tells the log of records that are missing or wrong, once for each change. look: compares all domains; may raise
    PluginError. hours: between two looks. It runs in one process at a time.
    """

    def __init__(self, gateway: Gateway, look: Callable[[], Iterable[Finding]], hours: float) -> None:
        super().__init__("dns", self._watch, store=lambda: gateway.store)
        self._look, self._seconds_between = look, hours * 3600
        self._known: Known = frozenset()
        self._since = 0.0

    def _watch(self) -> None:
        gevent.sleep(min(_FIRST, self._seconds_between))
        while True:
            try:
                self.note(self._look())
            except PluginError as error:
                log.warning("the records in the DNS cannot be compared: %s", error)
            except Exception as error:  # the next look may go better
                log.error("the look at the DNS failed error=%s", type(error).__name__)
            gevent.sleep(self._seconds_between)

    def note(self, found: Iterable[Finding]) -> None:
        """Log what is new. Silence is none: what nameservers did not say now they may say tomorrow."""
        found = list(found)
        now: Known = frozenset((one.kind, one.record, one.there) for one in found if one.record is not None)
        if now and not self._known:
            self._since = time.time()
        silent = [finding for finding in found if finding.record is None]
        for finding in silent:
            log.info("the DNS tells nothing: %s", finding.title)
        for finding in found:
            if finding.record is not None and (finding.kind, finding.record, finding.there) not in self._known:
                log.warning("DNS record %s; 'chatgate dns --check' says what to type", finding.title)
        if silent:
            self._known |= now
            return
        if self._known and not now:
            log.info("the records in the DNS are as they should be again")
        self._known = now

    def troubles(self) -> list[Trouble]:
        """What is wrong since the last look."""
        if not self._known:
            return []
        names = sorted({f"{record.type} {record.name}" for _, record, _ in self._known})
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        what = f"records in the DNS are missing or wrong: {', '.join(names[:_NAMED])}{more}"
        return [Trouble("dns", what, self._since, "chatgate dns --check says what to enter where")]
