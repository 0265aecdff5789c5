"""Several processes that serve from one folder, and one that looks after them.

Each of them is forked before anything is open in it, has all listeners (the system deals connections out to them), and
shares nothing with the others but the folder: the store, its leases and the board. The one that looks after them opens
nothing and serves nobody, so there is little that could end it; when it does end, they do.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import gevent
import gevent.os
import gevent.socket
from gevent import monkey

log = logging.getLogger("chatgate.processes")

_waitpid = monkey.get_original("os", "waitpid")  # gevent's is for greenlets
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}

# Seconds between looks: while a process starts or ends, and otherwise.
_SOON, _LATER = 0.05, 1.0

# A process that ends sooner than this is restarted after waits that double, up to a minute.
_LIVED, _LONGEST = 10.0, 60.0

# Seconds that a process gets to end, in addition to those that its services get.
_GRACE = 10.0


@dataclass(frozen=True)
class Place:
    """Which process this is, counted from 0, and of how many. told: a descriptor for writing to the process that looks
    after this one. life: one for reading, which ends when that process does. silent: seconds without a sign of life
    after which this process is killed; 0: never.
    """

    number: int = 0
    count: int = 1
    told: int = -1
    life: int = -1
    silent: float = 0.0

    def ready(self) -> None:
        """Report that this process serves."""
        os.write(self.told, b".")

    def live(self, ended: Callable[[], object]) -> None:
        """For a greenlet: report that the hub turns, and call `ended` when nobody looks after this process any more."""
        if self.silent:
            gevent.spawn(self._beat)
        gevent.socket.wait_read(self.life)
        ended()

    def _beat(self) -> None:
        while True:
            gevent.sleep(self.silent / 3)
            os.write(self.told, b".")


@dataclass
class _Child:
    """told: what it writes can be read here. ready: it serves. heard: when it was begun, or has last said something.
    reload: it is to have SIGHUP once it serves; before that it has no handler, and the signal would end it.
    """

    number: int
    told: int
    begun: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    ready: bool = False
    reload: bool = False


class Processes:
    """count: how many processes. stop_seconds: how long they get to end. silent: seconds without a sign of life after
    which one is killed, 0 for never. Until all have served once, starting may take any time, as what the folder holds
    may have to be brought to a newer form.

    ready: called once when all serve. beat: called now and then while all live. reload: called at SIGHUP, before the
    processes get it; what it changes here, those have that begin later.
    """

    def __init__(
        self,
        count: int,
        stop_seconds: float,
        silent: float,
        ready: Callable[[], object],
        beat: Callable[[], object],
        reload: Callable[[], object],
    ) -> None:
        self._count, self._stop_seconds, self._silent = count, stop_seconds, silent
        self._ready, self._beat, self._reload = ready, beat, reload
        self._children: dict[int, _Child] = {}
        self._due: dict[int, float] = {}  # processes to begin, and when
        self._waits: dict[int, float] = {}
        self._all_ready = self._stopping = self._reloaded = False
        self._code = 0
        self._kill_at = float("inf")
        self._looked = time.monotonic()
        self._life, self._own_life = os.pipe()

    def run(self) -> Place:
        """Returns in each of the new processes, but never in this one: SystemExit ends it when all have ended."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._due[0] = 0.0
        while True:
            if (place := self._begin()) is not None:
                return place
            busy = self._stopping or self._due or any(not child.ready for child in self._children.values())
            got = signal.sigtimedwait(_SIGNALS, _SOON if busy else _LATER)
            if got is not None:
                self._signalled(got.si_signo)
            self._reap()
            self._listen()
            if self._stopping and not self._children:
                sys.exit(self._code)

    def _begin(self) -> Place | None:
        """Start the processes that are due. The first one serves before the others start: it makes what the folder
        lacks.
        """
        for number, due in list(self._due.items()):
            if not self._stopping and time.monotonic() >= due:
                reading, writing = os.pipe()
                os.set_blocking(reading, False)
                sys.stdout.flush()
                try:
                    pid = gevent.os.fork_gevent()
                except OSError as error:  # no memory, or too many processes
                    os.close(reading)
                    os.close(writing)
                    self._again(number, f"process cannot be started process={number}: {error.strerror}")
                    continue
                if pid == 0:
                    os.close(reading)
                    os.close(self._own_life)
                    for child in self._children.values():
                        os.close(child.told)
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
                    return Place(number, self._count, writing, self._life, self._silent)
                del self._due[number]
                os.close(writing)
                self._children[pid] = _Child(number, reading, reload=self._reloaded)
        return None

    def _signalled(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stop(0)
        elif number == signal.SIGHUP:
            self._reload()
            self._reloaded = True  # those that begin later have what the folder said at the start
            for child in self._children.values():
                child.reload = True

    def _stop(self, code: int) -> None:
        if not self._stopping:
            self._stopping, self._code = True, code
            self._kill_at = time.monotonic() + self._stop_seconds + _GRACE
            self._tell(signal.SIGTERM)

    def _tell(self, number: signal.Signals) -> None:
        for pid in self._children:
            os.kill(pid, number)

    def _reap(self) -> None:
        while self._children:
            pid, status = _waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if (child := self._children.pop(pid, None)) is None:
                continue
            os.close(child.told)
            if not self._stopping:
                self._ended(pid, child, os.waitstatus_to_exitcode(status))
        if time.monotonic() >= self._kill_at:
            self._kill_at = float("inf")
            self._tell(signal.SIGKILL)

    def _ended(self, pid: int, child: _Child, code: int) -> None:
        if not self._all_ready:  # it has said why
            self._stop(code if code > 0 else 1)
            return
        if time.monotonic() - child.begun >= _LIVED:
            self._waits.pop(child.number, None)
        how = f"signal={-code}" if code < 0 else f"code={code}"
        self._again(child.number, f"process ended, another begins process={child.number} pid={pid} {how}")

    def _again(self, number: int, why: str) -> None:
        """Begin this process: at once or, if the last one did not live for long, after a wait."""
        wait = self._waits.get(number, 0.0)
        self._waits[number] = min(_LONGEST, max(1.0, 2 * wait))
        self._due[number] = time.monotonic() + wait
        log.error("%s in=%.0fs", why, wait)

    def _listen(self) -> None:
        """Read what the processes report: that they serve, and that they live."""
        now = time.monotonic()
        # Whatever kept this process from looking, such as a pause of the whole machine, counts against nobody.
        paused, self._looked = max(0.0, now - self._looked - _LATER), now
        for pid, child in self._children.items():
            child.heard += paused
            try:
                if os.read(child.told, 4096):
                    child.heard, child.ready = now, True
            except BlockingIOError:
                pass
            if child.ready and child.reload:
                child.reload = False
                os.kill(pid, signal.SIGHUP)
            if self._all_ready and self._silent and now > child.heard + self._silent and not self._stopping:
                log.error("process stands still, it is killed process=%d pid=%d", child.number, pid)
                child.heard = now
                os.kill(pid, signal.SIGKILL)
        serving = [child for child in self._children.values() if child.ready]
        if not self._all_ready and serving and not self._stopping:
            if len(serving) == self._count:
                self._all_ready = True
                self._ready()
            elif len(self._children) == 1:
                self._due = dict.fromkeys(range(1, self._count), 0.0)
        if self._all_ready:
            self._beat()
