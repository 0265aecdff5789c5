"""What the operator should know of the certificates that clients see."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from chatgate.api import Domain, Metric, PluginError, Trouble, word
from chatgate_tls.files import Files
from chatgate_tls.look import Seen

_FRESH = 3600.0  # seconds for which what was seen is right: looking takes a handshake

_DAY = 86400.0

_Stamp = tuple[float, ...]


class Certificates:
    """files: those of a domain that clients see, and whether they are renewed by themselves."""

    def __init__(self, domains: Sequence[Domain], files: Callable[[Domain], Files]) -> None:
        self._domains, self._files = domains, files
        self._seen: dict[str, tuple[float, _Stamp, list[Trouble]]] = {}
        self._ends: dict[str, float] = {}

    def troubles(self) -> list[Trouble]:
        """Of all domains."""
        return [trouble for domain in self._domains for trouble in self._of(domain)]

    def metrics(self) -> list[Metric]:
        """How long they are valid."""
        for domain in self._domains:
            self._of(domain)
        ends = {(word(name),): max(0.0, ends) for name, ends in self._ends.items()}
        what = "When the certificate that clients of this domain see expires, in Unix seconds; 0: it cannot be used"
        return [Metric("chatgate_tls_expires_seconds", what, "gauge", ("domain",), ends, "seconds", "one")]

    def _of(self, domain: Domain) -> list[Trouble]:
        files = self._files(domain)
        looked, stamp, found = self._seen.get(domain.name, (0.0, (), []))
        now, current = time.monotonic(), tuple(map(_changed, (files.chain, files.key)))
        if not looked or stamp != current or now - looked > _FRESH:
            found, self._ends[domain.name] = _look(domain, files)
            self._seen[domain.name] = now, current, found
        return found


def _look(domain: Domain, files: Files) -> tuple[list[Trouble], float]:
    """What is wrong, and when the certificate expires in Unix seconds; 0: it cannot be used."""
    ends = 0.0
    blocks = True
    try:
        seen = files.look()
        what, blocks = _wrong(seen), not seen.fits
        ends = time.time() + seen.days_left * _DAY if not seen.unfit else 0.0
    except PluginError as error:
        what = f"the files cannot be used: {' '.join(str(error).split())[:300]}"
    if not what:
        return [], ends
    about = f"the certificate of {domain.hostname}: {what}"
    return [Trouble(f"certificate:{domain.name}", about, 0, files.remedy, blocks)], ends


def _wrong(seen: Seen) -> str:
    if seen.unfit:
        return f"clients refuse it: {seen.unfit}"
    if seen.days_old < 0:
        return "it is not valid yet; is the clock right?"
    if seen.days_left <= 0:
        return f"it expired {-seen.days_left:.0f} days ago"
    return f"it expires in {seen.days_left:.0f} days and was not renewed" if seen.ends_soon else ""


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
