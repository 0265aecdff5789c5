"""A look at many names takes a minute when no nameserver answers this machine, if each is waited for: after the first
silence it is asked once whether anything answers at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from chatgate_resolver import Absent, Answer, Trouble

from chatgate_doctor.authority import Resolver

T = TypeVar("T")

_ANYBODY = "com"  # whoever answers questions knows its nameservers, or says that it does not


class DeafResolver:
    """The resolver of one look at the DNS. Raises Trouble at once when it is known that nobody answers."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._answers: bool | None = None  # does anybody? None: not known yet

    def records(self, name: str, rdtype: str, servers: tuple[str, ...] = ()) -> Answer[str]:
        """As of the resolver; a question to certain `servers` is always asked."""
        if servers:
            return self._resolver.records(name, rdtype, servers)
        return self._heard(name, lambda: self._resolver.records(name, rdtype))

    def addresses(self, host: str) -> Answer[str]:
        return self._heard(host, lambda: self._resolver.addresses(host))

    def mx(self, name: str) -> Answer[tuple[int, str]]:
        return self._heard(name, lambda: self._resolver.mx(name))

    def _heard(self, name: str, ask: Callable[[], Answer[T]]) -> Answer[T]:
        if self._answers is False:
            raise Trouble(f"{name}: not asked, as no nameserver answers this machine")
        try:
            return ask()
        except Trouble:
            self._doubt()
            raise

    def _doubt(self) -> None:
        if self._answers is None:
            try:
                self._resolver.records(_ANYBODY, "NS")
            except Absent:
                self._answers = True
            except Trouble:
                self._answers = False
            else:
                self._answers = True
