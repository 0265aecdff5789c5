"""One writer with group commit: jobs that arrive while a commit is running share the next one.

The statements of a job run in the hub's thread, where they cost some ten microseconds each; only COMMIT, which waits
for the disk, runs in a thread of its own. The connection has one user at a time: nothing touches it while the COMMIT
runs. Running the statements in that thread, too, was 5 to 10 % slower when the hub had other work, as the threads
contend for the interpreter lock at each statement, and a long job could not give other greenlets a turn.
"""

from __future__ import annotations

import collections
import logging
import random
import sqlite3
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

import gevent
import gevent.event
import gevent.threadpool
from peewee import SqliteDatabase

from chatgate.api import Counter, Distribution, Episode, StoreFull, StoreUnavailable, give_turn
from chatgate_maildb.checkpoints import Checkpoints
from chatgate_maildb.database import ERRORS
from chatgate_maildb.reserve import Reserve, is_full

log = logging.getLogger("chatgate.maildb")

T = TypeVar("T")

# Seconds of jobs in one transaction: the first callers wait for the commit all that time.
_SLICE = 0.01

# Seconds of such jobs, or of a long one, until other greenlets get a turn.
_TURN = 0.002

_JOBS = (1, 2, 5, 10, 20, 50, 100, 200, 500)

# Seconds after which a patient job has waited long enough.
_PATIENCE = 0.1


class Transaction:
    """What a job works with. execute: the method of the sqlite3 connection. database: the same connection for peewee
    queries. changed: mailboxes, and keys of accounts, to post on the board. dropped: body files that nobody needs once
    this is committed.
    """

    __slots__ = ("_turn_ends", "changed", "database", "dropped", "execute")

    def __init__(self, database: SqliteDatabase) -> None:
        self._turn_ends = time.monotonic() + _TURN
        self.database = database
        self.execute = database.connection().execute
        self.changed: set[int] = set()
        self.dropped: list[str] = []

    def breathe(self) -> None:
        """To be called within a long job: gives other greenlets a turn if one is due. The transaction stays ours."""
        if time.monotonic() >= self._turn_ends:
            give_turn()
            self._turn_ends = time.monotonic() + _TURN


class _Job:
    """line: the queue it waits in. grows: it takes up space. error: what the work raised, once it was tried. result:
    what it returned.
    """

    __slots__ = ("abandoned", "answer", "asked", "begun", "error", "grows", "line", "result", "work")

    def __init__(self, work: Callable[[Transaction], Any], line: collections.deque[_Job], grows: bool = False) -> None:
        self.work, self.line, self.grows = work, line, grows
        line.append(self)
        self.answer: gevent.event.AsyncResult[Any] = gevent.event.AsyncResult()
        self.abandoned = self.begun = False
        self.asked = time.monotonic()
        self.result: Any = None
        self.error: Exception | None = None

    def tell(self) -> None:
        if self.error is None:
            self.answer.set(self.result)
        else:
            self.answer.set_exception(self.error)


class Writer:
    """post: called with each changed mailbox id and account key, in the hub's thread, after the commit. drop: called
    with the names of files that are not needed any more. reserve: space on a full disk for jobs that do not grow.
    busy_seconds: how long to wait for another process that writes.

    jobs, seconds: how many jobs shared each commit, and how long it took. failed: commits that failed, by how; failing:
    the last one did.
    """

    def __init__(
        self,
        database: SqliteDatabase,
        post: Callable[[int], None],
        drop: Callable[[list[str]], None],
        checkpoints: Checkpoints,
        reserve: Reserve,
        busy_seconds: float,
    ) -> None:
        database.timeout = 0  # waiting inside SQLite would stop the hub: _begin waits instead
        self._database, self._post, self._drop = database, post, drop
        self._connection, self._checkpoints, self._reserve = database.connection(), checkpoints, reserve
        self._busy_seconds = busy_seconds
        self._queue: collections.deque[_Job] = collections.deque()
        self._patient: collections.deque[_Job] = collections.deque()
        self._later: collections.deque[_Job] = collections.deque()
        self._wake = gevent.event.Event()
        self._closing = False
        self.jobs, self.seconds = Distribution(_JOBS), Distribution()
        self.failed, self.failing = Counter(), Episode()
        for how in ("full", "error"):  # there from the beginning, so that the first one is a change
            self.failed.add(how, by=0)
        # The hub's own pool also hashes passwords and asks DNS: a commit must not queue behind those.
        self._threads = gevent.threadpool.ThreadPool(1)
        self._greenlet = gevent.spawn(self._loop)

    def run(self, work: Callable[[Transaction], T], patient: bool = False, grows: bool = False) -> T:
        """Run the job in a transaction and return its result once that is on disk. An exception of the job is raised
        here, and its changes are undone without harm to other jobs. Raises StoreUnavailable if the database fails,
        StoreFull if there is no space. The job may be run a second time if the first transaction met a full disk.

        A caller that is interrupted before its job began takes the job back. Once the job began, the caller waits for
        the commit in any case: a "try again" for what is on disk a moment later would duplicate a message. The caller's
        timeout is used up by that, whereas a greenlet that is killed still dies.

        patient: let others go first. Such a job never shares its transaction with another patient one, so that whoever
        arrives meanwhile does not wait for more than one. grows: it adds data that can be done without on a full disk.
        """
        if self._closing:
            raise StoreUnavailable("The mail store is closed")
        job = _Job(work, self._patient if patient else self._queue, grows)
        self._wake.set()
        killed: BaseException | None = None
        while True:
            try:
                answer = cast(T, job.answer.get())
            except BaseException as error:
                if job.answer.ready() and job.answer.exception is error:
                    raise
                if not job.begun:
                    job.abandoned = True
                    raise
                if not isinstance(error, gevent.Timeout):
                    killed = error
            else:
                if killed is not None:
                    raise killed
                return answer

    @property
    def waiting(self) -> int:
        """Jobs that wait for their turn."""
        return len(self._queue) + len(self._patient)

    def later(self, work: Callable[[Transaction], object]) -> None:
        """Run the job with the next transaction, whenever that comes, without reporting its result: for changes that do
        not deserve a commit of their own.
        """
        _Job(work, self._later)

    def close(self) -> None:
        """Finish all jobs, then stop."""
        self._closing = True
        self._wake.set()
        self._greenlet.join()
        self._threads.kill()
        self._checkpoints.close()
        self._database.close()

    def _loop(self) -> None:
        while True:
            if self._checkpoints.log_is_long:
                self._threads.apply(self._checkpoints.finish, (self._connection,))
            if self._queue or self._patient:
                self._batch()
            elif self._closing:
                if self._later:
                    self._batch()
                return
            else:
                self._wake.clear()
                self._wake.wait()

    def _batch(self) -> None:
        """Run one transaction. All jobs are answered after the commit, even those that failed: an account that "already
        exists" may have been made by this very transaction, and the caller told so expects to find it.
        """
        done: list[_Job] = []
        transaction = Transaction(self._database)
        if self._reserve.spent:
            self._threads.apply(self._reserve.regain)
        try:
            self._begin()
            end = time.monotonic() + _SLICE
            while self._queue and time.monotonic() < end:
                transaction.breathe()
                self._perform(self._queue.popleft(), transaction, done)
            if self._patient and (not done or self._patient[0].asked < time.monotonic() - _PATIENCE):
                self._perform(self._patient.popleft(), transaction, done)
            while self._later:
                self._perform(self._later.popleft(), transaction, done)
            self._commit()
            self.jobs.add(len(done))
            self.failing.ended()
        except Exception as error:
            self._give_up(error, done)
            return
        for key in transaction.changed:
            try:
                self._post(key)
            except Exception as error:
                log.error("a watcher failed: %s", type(error).__name__)
        for job in done:
            job.tell()
        if transaction.dropped:
            self._drop(transaction.dropped)

    def _begin(self) -> None:
        """BEGIN IMMEDIATE. Waits for another process that writes without blocking other greenlets."""
        end = time.monotonic() + self._busy_seconds
        while True:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
            gevent.sleep(random.uniform(0.001, 0.01))

    def _commit(self) -> None:
        began = time.perf_counter()
        self._threads.apply(self._connection.commit)
        self.seconds.add(time.perf_counter() - began)
        self._checkpoints.committed()

    def _perform(self, job: _Job, transaction: Transaction, done: list[_Job]) -> None:
        if job.abandoned:
            return
        job.begun = True
        done.append(job)
        if job.grows and self._reserve.spent:
            job.error = StoreFull()
            return
        dropped = len(transaction.dropped)
        try:
            self._connection.execute("SAVEPOINT job")
            job.result = job.work(transaction)
            self._connection.execute("RELEASE job")
        except Exception as error:
            if not self._connection.in_transaction:  # a full disk, for example, ends the whole transaction
                if isinstance(error, ERRORS):
                    raise
                raise sqlite3.OperationalError("the transaction was lost") from error
            self._connection.execute("ROLLBACK TO job")
            self._connection.execute("RELEASE job")
            del transaction.dropped[dropped:]
            if isinstance(error, ERRORS):
                log.error("write failed: %s", error)
                error = StoreUnavailable()
            job.error = error

    def _give_up(self, error: Exception, jobs: list[_Job]) -> None:
        """The transaction is lost: all its jobs fail, or all waiting ones if it could not even begin, and the next
        transaction gets a clean connection. On a full disk, jobs that take up no space are tried again with the space
        of the reserve.
        """
        log.error("commit failed: %s", error)
        try:
            self._connection.rollback()
        except ERRORS as another:
            log.error("rollback failed: %s", another)
        full = is_full(error)
        self.failed.add("full" if full else "error")
        self.failing.happened()
        if full and self._reserve.spend():
            for job in reversed(jobs):
                if job.grows:
                    job.answer.set_exception(StoreFull())
                else:
                    job.error = None
                    job.line.appendleft(job)
            return
        if not jobs:
            jobs = [*self._queue, *self._patient]
            self._queue.clear()
            self._patient.clear()
        for job in jobs:
            job.answer.set_exception(StoreFull() if full else StoreUnavailable())
