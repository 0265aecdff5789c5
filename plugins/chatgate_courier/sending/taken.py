"""Rows of the queue that this process has claimed, and those of one domain that wait."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import gevent

from chatgate.api import Queued


class Job(NamedTuple):
    """One message for its recipients at one domain, as far as they were claimed together."""

    domain: str
    rows: tuple[Queued, ...]

    @property
    def account(self) -> int:
        """Whose it is; 0 for nobody's."""
        return self.rows[0].account_id or 0


class Taken:
    """All rows that are being worked on. A row whose lease ends meanwhile is claimed a second time by this process,
    which only renews the lease. most: rows of one account, beyond which no more of it are wanted. eased: called when
    they are wanted again.
    """

    def __init__(self, most: int, eased: Callable[[], object]) -> None:
        self._most, self._eased = most, eased
        self._rows: dict[int, Queued] = {}
        self._of_account: collections.Counter[int] = collections.Counter()
        self.enough: set[int] = set()  # accounts of which no more is wanted

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Queued) -> bool:
        """False: we have it already."""
        known, self._rows[row.id] = row.id in self._rows, row
        if not known and (account := row.account_id):
            self._of_account[account] += 1
            if self._of_account[account] >= self._most:
                self.enough.add(account)
        return not known

    def clear(self) -> None:
        """Forget all of them."""
        self._rows.clear()
        self._of_account.clear()
        self.enough.clear()

    def latest(self, rows: Iterable[Queued]) -> list[Queued]:
        """These rows as they were claimed last."""
        return [self._rows.get(row.id, row) for row in rows]

    def done(self, rows: Iterable[Queued]) -> None:
        """They are settled, postponed, or left to their lease."""
        for row in rows:
            if self._rows.pop(row.id, None) is None or not (account := row.account_id):
                continue
            self._of_account[account] -= 1
            # Half of it, so that one claim brings many.
            if account in self.enough and self._of_account[account] <= self._most // 2:
                self.enough.discard(account)
                self._eased()
            if not self._of_account[account]:
                del self._of_account[account]


class Line:
    """What waits for one domain. The senders take turns: who has sent a thousand messages holds up nobody else.

    most: recipients. greenlets: those that hand it on. waiting: messages. answers: did the domain take something since
    the line began? full: there is enough of it here for now.
    """

    def __init__(self, domain: str, most: int) -> None:
        self.domain, self._most = domain, most
        self._jobs: collections.OrderedDict[int, collections.deque[Job]] = collections.OrderedDict()
        self.waiting = self._recipients = 0
        self.full = self.answers = False
        self.greenlets: set[gevent.Greenlet] = set()

    def put(self, job: Job) -> None:
        self._jobs.setdefault(job.account, collections.deque()).append(job)
        self.waiting += 1
        self._recipients += len(job.rows)
        self.full = self.full or self._recipients >= self._most

    def take(self) -> Job | None:
        """The next message of the sender whose turn it is."""
        if not self._jobs:
            return None
        account, jobs = next(iter(self._jobs.items()))
        job = jobs.popleft()
        if jobs:
            self._jobs.move_to_end(account)
        else:
            del self._jobs[account]
        self.waiting -= 1
        self._recipients -= len(job.rows)
        return job

    def eased(self) -> bool:
        """Is there room again, for the first time since it was full?"""
        if self.full and self._recipients <= self._most // 2:
            self.full = False
            return True
        return False

    def clear(self) -> list[Queued]:
        """Take all out."""
        rows: list[Queued] = []
        while job := self.take():
            rows += job.rows
        return rows


def jobs(rows: Sequence[Queued]) -> list[Job]:
    """The rows of one claim by message and domain, in their order."""
    found: dict[tuple[int, str], list[Queued]] = {}
    for row in rows:
        found.setdefault((row.message, row.domain), []).append(row)
    return [Job(domain, tuple(these)) for (_, domain), these in found.items()]
