"""Signing what goes to other servers, with the keys of the author's domain."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from chatgate_resolver import Absent, Trouble

from chatgate.api import DnsRecord, Domain, Gateway, PluginError, Prepend, Problem, ip
from chatgate_dkim import pem, signing, tags
from chatgate_dkim.arriving import read
from chatgate_dkim.keyring import Keyring, published
from chatgate_dkim.options import DkimOptions
from chatgate_dkim.proof import Resolver

log = logging.getLogger("chatgate.dkim")

_WHY = {
    ("rsa", "signs"): "other servers take our mail only if they find this key",
    ("ed25519", "signs"): "a second signature with a short key, for servers that know it",
    ("rsa", "waits"): "a new key; it signs once this record is seen",
    ("ed25519", "waits"): "a new key; it signs once this record is seen",
    ("rsa", "leaves"): "the old key; mail that it signed is still on the way",
    ("ed25519", "leaves"): "the old key; mail that it signed is still on the way",
}


class Leaving:
    """The keyrings of all domains; those at an IP address have none."""

    def __init__(self, gateway: Gateway, options: DkimOptions, clock: Callable[[], float] = time.time) -> None:
        """clock: Unix seconds, for t= of signatures and the age of keys."""
        self._gateway, self._options, self.clock = gateway, options, clock
        self.rings = {
            domain.name: Keyring(gateway.path("data", "dkim", domain.name), domain.name, lambda: self.clock())
            for domain in gateway.domains
            if not ip(domain.name)
        }

    @property
    def old_key_days(self) -> float:
        """Days for which the record of an old key must stay."""
        return self._options.old_key_days

    def selector(self, ring: Keyring) -> str:
        """What new keys of this domain are called."""
        domain = self._gateway.domains.named(ring.domain)
        return (domain.options(self._options) if domain else self._options).selector

    def make(self) -> None:
        """Make the keys that are missing, unless nothing may be written. Raises PluginError."""
        for ring in self.rings.values():
            self._make(ring)

    def adopt(self, domain: Domain, selector: str, file: Path) -> bool:
        """Sign with a key of another server. False: it is one of ours already. Raises PluginError."""
        ring = self.rings.get(domain.name)
        name = tags.domain(selector.encode())
        if ring is None or name is None or len(name) > 60:
            raise PluginError(f"{domain.name}: no name in the DNS for a key")
        self._make(ring)
        record = pem.record(pem.load(file))
        if any(key.selector == name and ring.record(key)[1] == record for key in ring.keys()):
            return False
        ring.adopt(file, name)
        return True

    def _make(self, ring: Keyring) -> None:
        if not ring.exists and not self._gateway.read_only:
            ring.make(self.selector(ring))

    def sign(self, content: bytes) -> list[Prepend]:
        """The signatures for a message; none if its author is not at a domain of ours with keys. Raises PluginError and
        Malformed: it must not leave unsigned, as it would be refused for good.
        """
        message = read(content, self._options.max_header)
        ring = self.rings.get(message.author or "")
        if ring is None:
            return []
        try:
            signers = ring.signers()
        except PluginError as error:
            log.error("%s: mail of %s does not leave", error, ring.domain)
            raise
        now = self.clock()
        made = [signing.sign(message, key, ring.domain, selector, now) for selector, key in signers]
        return [Prepend("DKIM-Signature", value) for value in made]

    def records(self, domain: Domain) -> list[DnsRecord]:
        """What the DNS should hold. Keys that are missing are made. Raises PluginError."""
        ring = self.rings.get(domain.name)
        if ring is None:
            return []
        self._make(ring)
        found = []
        for key in ring.keys() if ring.exists else ():
            name, text = ring.record(key)
            needed = (key.kind, key.state) == ("rsa", "signs")
            found.append(DnsRecord(name, "TXT", text, needed, _WHY[key.kind, key.state]))
        return found

    def look(self, resolver: Resolver) -> None:
        """Have new keys sign whose records are in the DNS by now, and drop the old ones that nobody needs any more."""
        for ring in self.rings.values():
            try:
                seen = [key for key in ring.keys() if key.state == "waits" and _seen(ring.record(key), resolver)]
                if seen:
                    ring.activate(seen)
                    log.warning("new keys sign domain=%s selectors=%s", ring.domain, ",".join(k.selector for k in seen))
                for key in ring.drop(self._options.old_key_days * 86400):
                    log.warning("old key dropped domain=%s: %s needs no record any more", ring.domain, key.selector)
            except PluginError as error:
                log.error("%s", error)

    def check(self) -> list[Problem]:
        """Changes nothing."""
        return [problem for ring in self.rings.values() if ring.exists for problem in self._problems(ring)]

    def _problems(self, ring: Keyring) -> list[Problem]:
        try:
            found, keys = [], ring.keys()
            ring.signers()
            for key in keys:
                path = ring.path(key)
                if key.state == "signs" and pem.weak(pem.load(path)):
                    text = f"dkim: {path}: an RSA key of less than 2048 bits, which some servers refuse; "
                    found.append(Problem("warning", text + "'chatgate dkim rotate' makes a new one"))
                if path.stat().st_mode & 0o077:
                    found.append(Problem("warning", f"dkim: {path}: other users of this machine can read the key"))
            old = [key for key in keys if key.state == "waits" and key.since < self.clock() - 7 * 86400]
            for key in old:
                name = f"{key.selector}._domainkey.{ring.domain}"
                found.append(Problem("warning", f"dkim: {name} is not in the DNS, so the new key waits for a week"))
        except PluginError as error:
            return [Problem("error", f"{error}; mail of {ring.domain} does not leave")]
        return found


def _seen(record: tuple[str, str], resolver: Resolver) -> bool:
    name, text = record
    try:
        return published(text, resolver.txt(name, True).values)
    except (Absent, Trouble):
        return False
