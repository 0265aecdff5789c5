"""What a store is asked by work of which there may be one at a time. What holds for all methods is in `Store`
(contract.py).

A *lease* is a name that one *holder* has for a while: who cleans up, who fetches certificates. Several processes, and
with some stores several machines, have the store open; the lease says which of them does the work, and another takes it
over when that one dies. `chatgate.api.Leased` is a service that keeps to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Lease(NamedTuple):
    """A name that somebody has at present. holder: for the operator's eyes."""

    name: str
    holder: str


class Leases(Protocol):
    """Taking, renewing and giving back.

    **Time** is what a clock counts that nobody can set and that does not leap: never the time of day. A store asks one
    clock for all holders: that of the machine, which goes on while it sleeps and whose boots are told apart, or that of
    the database server. A store that needs no time to know who lives, such as by a lock which the system takes from a
    process that dies, may end a lease earlier for that, and only for that.

    **The holder** counts from before it asked, by such a clock of its own, and has stopped its work when its time is
    over: then no work is done twice at once, however long the answer took. What a lease cannot do is to stop a process
    that the system stopped (SIGSTOP) and lets go on later: it may do a last step before it notices. Whoever must not do
    even that asks the store for it in a transaction.
    """

    def lease(self, name: str, holder: str, seconds: float) -> bool:
        """Take the lease of this name, or renew one's own: from now on for so many seconds. False: somebody else has
        it, and nothing is changed. Of those who ask at the same time when nobody has it, one gets it.

        name: up to 64 of a-z, 0-9, "." and "-". holder: who asks, up to 200 characters of ASCII, never used by somebody
        else: such as the host, the process and a random number. seconds: above 0. It need not survive a power cut,
        nobody's does.
        """
        ...

    def release(self, name: str, holder: str) -> None:
        """Let others have it at once. Nothing happens when somebody else has it, or nobody."""
        ...

    def leases(self) -> Sequence[Lease]:
        """Those that somebody has, by name."""
        ...
