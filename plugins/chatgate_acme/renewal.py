"""The certificate of one domain: is it time for a new one, and what follows from having tried."""

from __future__ import annotations

import datetime
import logging
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from acme import errors, messages
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from chatgate.api import Domain, ip, replace_file
from chatgate_acme import account, answering, files, present
from chatgate_acme.issuing import Unreached, issue, new_key
from chatgate_acme.network import Client, Trouble, told
from chatgate_acme.options import AcmeOptions
from chatgate_acme.places import Places
from chatgate_acme.state import State
from chatgate_acme.wanted import candidates, wanted

log = logging.getLogger("chatgate.acme")

_REFUSED_FOR = 7 * 86400  # seconds that a name is left out that an authority could not reach
_CUT_OFF = "the last try was cut off before its end"
# Seconds that an authority may have us wait before we ask again when to renew (RFC 9773 §4.3.2).
_SOONEST, _LATEST = 60.0, 86400.0
_FORGOTTEN = ("accountDoesNotExist", "unauthorized")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*", re.DOTALL)


class Renewal:
    """folder: the gateway's. addresses: asks the DNS for those of a name. clock: Unix seconds. report: is told each
    step, in a few words.
    """

    def __init__(
        self,
        folder: Path,
        domain: Domain,
        options: AcmeOptions,
        addresses: Callable[[str], object],
        report: Callable[[str], object] = lambda text: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._general, self._options = options, domain.options(options)
        self._folder, self._domain, self._addresses = folder, domain, addresses
        self._report, self._clock = report, clock
        self._places = Places(folder)
        self._file = self._places.certificate(domain)
        self.state = State.load(self._places.state(domain))
        self._client: Client | None = None

    # ------------------------------------------------------------------------------------------ looking

    def look(self, *, force: bool = False, patient: bool = False) -> str:
        """Fetch a certificate if it is time. force: even if it is not. patient: not before the wait after a failure is
        over. Returns what was done: "fetched", "not due", "waits" or "failed"; `state` then has the problem. Raises
        OSError when not even that can be kept.
        """
        try:
            done = self._done(force, patient)
        except OSError as error:
            done = self._failed(told(error))
        self.state.save(self._places.state(self._domain))
        return done

    def _done(self, force: bool, patient: bool) -> str:
        state, options, now = self.state, self._options, self._clock()
        there = present.load(self._file)
        state.look_at = now + options.look_seconds * random.uniform(0.8, 1)
        names = candidates(self._domain, options.names, bool(options.ca_bundle))
        if not names:
            state.problem = f"no authority certifies {self._domain.hostname}"
            return "waits"
        _forget_the_future(state, now)
        state.refused = {name: until for name, until in state.refused.items() if until > now}
        want = wanted(names, there.names if there else (), () if force else tuple(state.refused), self._addresses)
        if not want.names:
            state.problem = want.missing
            state.look_at = min(state.look_at, now + options.dns_seconds) if there is None else state.look_at
            return "waits"
        if patient and now < state.retry_at:
            state.look_at = min(state.look_at, state.retry_at)
            return "waits"
        if not force and there is not None and not set(want.names) - set(there.names):
            if state.directory in ("", self._general.url) and now < self._due(there):
                state.problem, state.failures = "", 0
                return "not due"
        return self._fetch(want.names, there)

    def _due(self, there: present.Present) -> float:
        """When the authority wants it renewed (RFC 9773), or a share of its lifetime is over."""
        state, now = self.state, self._clock()
        if now >= there.latest:
            return there.latest
        if now >= state.ask_at and self._general.agree_to_terms:
            state.renew_at, state.ask_at = self._asked(there)
        state.look_at = min(state.look_at, max(state.ask_at, now + 60))
        due = min(state.renew_at, there.latest) if state.renew_at else there.due(self._options.renew_at)
        state.look_at = min(state.look_at, max(due, now + 1))
        return due

    def _asked(self, there: present.Present) -> tuple[float, float]:
        """What the authority says: when to renew, or 0, and when to ask again."""
        later = self._clock() + self._options.look_seconds
        try:
            with gevent.Timeout(self._options.run_seconds, Trouble("the authority takes too long")):
                at, again = self._opened().renewal_time(there.pem)
            wait = min(max(again.timestamp() - self._clock(), _SOONEST), _LATEST)
            return (at.timestamp() if at else 0.0), self._clock() + wait
        except errors.ARIError:
            return 0.0, later
        except Exception as error:  # whatever a bent answer makes of the library
            log.info("no time to renew from the authority: %s", told(error))
            return 0.0, later

    # ------------------------------------------------------------------------------------------ fetching

    def _fetch(self, names: tuple[str, ...], there: present.Present | None) -> str:
        if not self._general.agree_to_terms:
            self.state.problem = "agree_to_terms is not set, so nothing is asked of an authority"
            return "waits"
        # Kept before anything is asked: whoever is killed in the middle and started anew, again and again, or cannot
        # remember what happened, must not come back to the authority each time.
        before = self.state.problem, self.state.retry_at
        self.state.problem, self.state.retry_at = _CUT_OFF, self._clock() + self._options.retry_seconds / 6
        self.state.save(self._places.state(self._domain))
        self.state.problem, self.state.retry_at = before
        try:
            with gevent.Timeout(self._options.run_seconds, Trouble("the authority takes too long")):
                self._keep(*self._obtained(names, there))
        except Exception as error:  # the library raises all kinds for bent answers; the old certificate stays
            network = self._client.net if self._client else None
            return self._failed(told(error, getattr(network, "wait", 0.0)))
        return "fetched"

    def _obtained(self, names: tuple[str, ...], there: present.Present | None) -> tuple[bytes, bytes]:
        """Key and chain. A second try is made at once where it promises more than the first."""
        files.room(self._file.parent)
        answering.clean(self._places)
        key = self._key()
        kinds = list(self._general.challenges)
        again = 2
        while True:
            try:
                return key, self._issued(names, key, kinds[0], there)
            except Unreached as error:
                again -= 1
                left = tuple(name for name in names if name not in error.names)
                if not again:
                    raise
                if self._domain.hostname in error.names or not left:
                    if len(kinds) < 2:
                        raise
                    kinds.pop(0)
                    self._report(f"{error}; trying {kinds[0]}")
                    continue
                # Another name may point elsewhere; the host gets its certificate all the same.
                until = self._clock() + _REFUSED_FOR
                self.state.refused |= {name: until for name in names if name in error.names}
                log.warning("left out of the certificate domain=%s: %s", self._domain.name, error)
                self._report(f"without {', '.join(error.names)}: {error}")
                names = left
            except messages.Error as error:
                again -= 1
                if error.code not in _FORGOTTEN or not again:
                    raise
                account.forget(self._places.account(self._general.url))
                self._client = None

    def _issued(self, names: tuple[str, ...], key: bytes, kind: str, there: present.Present | None) -> bytes:
        client = self._opened()
        return issue(
            client,
            names,
            key,
            self._places,
            profile=self._profile(client, names),
            kind=kind,
            replaces=there if self.state.directory == self._general.url else None,
            deadline=datetime.datetime.now() + datetime.timedelta(seconds=self._options.run_seconds),
            report=self._report,
        )

    def _opened(self) -> Client:
        if self._client is None:
            folder, bundle = self._places.account(self._general.url), self._general.ca_bundle
            path = str(self._folder / bundle) if bundle else ""
            self._client = account.open_client(folder, self._general, path, self._report)
        return self._client

    def _profile(self, client: Client, names: tuple[str, ...]) -> str:
        """IP addresses are certified in a profile of their own, where there are profiles."""
        known: Any = client.directory["meta"].profiles or {}
        if self._options.profile and self._options.profile not in known:
            offered = ", ".join(map(str, known)) or "none"
            raise Trouble(f"the authority has no profile {self._options.profile!r}; it has {offered}"[:300])
        if not self._options.profile and "shortlived" in known and any(ip(name) for name in names):
            return "shortlived"
        return self._options.profile

    def _key(self) -> bytes:
        """PEM, of the certificate there is if it is to be kept."""
        if self._options.reuse_key:
            try:
                old = load_pem_private_key(self._file.read_bytes(), None)
                return old.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            except (OSError, ValueError, TypeError):
                pass
        return new_key()

    def _keep(self, key: bytes, chain: bytes) -> None:
        """Raises OSError; then the old one is as it was."""
        found = _CERTIFICATE.search(chain)
        assert found is not None  # else it would have been refused
        content = key.strip() + b"\n" + found[0]
        trial = self._file.with_name(".trial")
        try:
            replace_file(trial, content)
            if not files.usable(trial):
                raise Trouble("the authority sends a certificate that no listener can use")
        finally:
            trial.unlink(missing_ok=True)
        replace_file(self._file, content)
        state = self.state
        state.directory, state.staging = self._general.url, self._general.staging
        state.problem, state.failures, state.retry_at, state.renew_at, state.ask_at = "", 0, 0.0, 0.0, 0.0
        log.warning("new certificate domain=%s file=%s", self._domain.name, self._file)

    def _failed(self, error: Trouble) -> str:
        state, options = self.state, self._options
        state.failures += 1
        wait = min(options.retry_seconds * 2.0 ** min(state.failures - 1, 32), options.retry_longest_seconds)
        # A bit longer each time, so that those who failed together do not come back together.
        state.retry_at = self._clock() + max(wait, error.wait) * random.uniform(1, 1.25)
        state.look_at = min(state.look_at, state.retry_at) if not error.wait else state.retry_at
        state.problem = str(error)
        at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(state.retry_at))
        log.error("no certificate domain=%s: %s; tried again at %s", self._domain.name, error, at)
        return "failed"


def _forget_the_future(state: State, now: float) -> None:
    """Times that this program does not set: the clock was ahead when they were kept."""
    if state.retry_at > now + 10 * 86400:
        state.retry_at = 0.0
    if state.ask_at > now + 2 * _LATEST:
        state.ask_at = 0.0
    state.refused = {name: until for name, until in state.refused.items() if until < now + 2 * _REFUSED_FOR}
