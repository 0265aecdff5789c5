"""The store's methods for work that only one process may do at a time. `Store` (contract.py) says what holds for all
methods.

A *lease* is a name, standing for some work such as cleaning up or fetching certificates, that one *holder* has for a
while. Several processes, and with some stores several machines, have the store open; the lease says which of them does
the work, and another takes it over when that one dies. `chatgate.api.Leased` is a service that keeps to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Lease(NamedTuple):
    """A lease that somebody has at present. holder: for the operator's eyes."""

    name: str
    holder: str


class Leases(Protocol):
    """Taking leases, renewing them and giving them back.

    **Time** is measured by a clock that nobody can set and that does not leap: never the time of day. A store uses one
    clock for all holders: the machine's (one that goes on while the machine sleeps, with boots told apart) or the
    database server's. A store that can tell without a clock that a holder has died, such as by a lock that the system
    takes from a process that dies, may end its lease early for that reason, and for no other.

    **The holder** measures its time from before it asked, by such a clock of its own, and stops working before that
    time is over: so no two holders work at once, however long the answer took. A lease cannot prevent a process that
    the system paused (SIGSTOP) and later resumed from doing one last step before it notices. Work that must not risk
    even that step has to check for its lease in a transaction of the store.
    """

    def lease(self, name: str, holder: str, seconds: float) -> bool:
        """Take the lease with this name, or renew one's own, for this many seconds from now on. False: somebody else
        has it, and nothing is changed. Of several who ask at the same time for a free lease, one gets it.

        name: up to 64 of a-z, 0-9, "." and "-". holder: who asks, up to 200 characters of ASCII that nobody else ever
        uses, such as the host, the process and a random number. seconds: above 0. A lease need not survive a power cut,
        as no holder does.
        """
        ...

    def release(self, name: str, holder: str) -> None:
        """Let others have the lease at once. Nothing happens when somebody else has it, or nobody."""
        ...

    def leases(self) -> Sequence[Lease]:
        """The leases that somebody has, by name."""
        ...
