"""Giving others a turn amid long work in the hub's thread, by time: how long an item takes depends on who made it."""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

import gevent
from gevent.hub import Waiter

T = TypeVar("T")

# Seconds of one turn: for so long everybody else waits.
_TURN = 0.002
# Seconds until work that has just begun, or has waited for something, stands in line: what is short never does.
# All that one owner begins between two looks at the sockets shares them.
_FIRST_TURN = 0.001
# Seconds after a look in which nobody stands in line: ten people who log in at the same moment need not, and the
# processor works better on many things at once than on one after the other with a look between.
_CALM = 0.010

_SORTED_AT_ONCE = 500


def give_turn() -> None:
    """Let everybody else run who can. Not sleep(0): after that gevent looks at sockets, timers and threads that have
    finished only once for every fifty turns.
    """
    gevent.sleep(1e-6)


class TooMuchWork(Exception):
    """A piece of work has used up the seconds that its `Work` may have. A protocol plugin catches it and refuses what
    was asked, for good: the same would take as long again.
    """


class Abandoned(OSError):
    """The client for whom it was done has closed its connection: nobody waits for the answer. Raised by `Work.step`."""


class Client(Protocol):
    """For whom a greenlet works. owner: who counts as one where many want a turn, however many connections they have.
    gone: will nobody take what is being made?
    """

    @property
    def owner(self) -> Hashable: ...

    def gone(self) -> bool: ...


class _Nobody:
    """In place of a client for the gateway's own greenlets."""

    owner: Hashable = None

    def gone(self) -> bool:
        return False


_NOBODY = _Nobody()

# By greenlet, as long as the connection lasts.
clients: dict[Any, Client] = {}


class Work:
    """Long work in small steps, for the client of the greenlet that makes this, and what it may cost.

        work = Work(seconds=30)
        for message in messages:
            work.step()
            …

    Between two calls of `step` there shall be some milliseconds at most. All that is long in one process stands in one
    line: between two turns everybody else runs, so it does not matter to them how many there are. The line goes from
    owner to owner, so it does not matter to other owners how many connections one has.

    seconds: of computing that it may have in all. What others computed meanwhile, and waiting, do not count.
    spent: of these, up to the last turn that ended.
    """

    __slots__ = ("seconds", "spent", "_until", "_cpu", "_line", "_client", "_iteration", "_end")

    def __init__(self, seconds: float = math.inf) -> None:
        self.seconds = seconds
        self._line = _line()
        self._client = clients.get(gevent.getcurrent(), _NOBODY)
        self._iteration = -1
        self._end: Exception | None = None
        self._until = self._cpu = 0.0
        self.begin()

    def begin(self) -> None:
        """Something new begins that may cost as much again. The turn goes on, if it is still the same."""
        self.spent = 0.0
        if self._line.loop.iteration != self._iteration:
            self._first(self._client.owner)

    def step(self) -> None:
        """Give others their turn if this one is over. Costs nothing to speak of if it is not.

        Raises TooMuchWork, Abandoned, and what `end` was told.
        """
        if time.monotonic() >= self._until:
            self._end_turn()
            if self._end is not None:
                raise self._end
            if self._client.gone():
                raise Abandoned
            if self.spent > self.seconds:
                raise TooMuchWork

    def end(self, why: Exception) -> None:
        """Whoever works on this shall hear of it at a step, once it is its turn. From any greenlet."""
        self._end = why

    def turn(self) -> None:
        """As `step`, where it is too late to give up."""
        if time.monotonic() >= self._until:
            self._end_turn()

    def _end_turn(self) -> None:
        used = time.thread_time() - self._cpu if self._cpu else _FIRST_TURN
        owner, until = self._client.owner, 0.0
        if self._line.loop.iteration == self._iteration:
            self.spent += used
        else:  # the greenlet has waited meanwhile, so most of that was not its own
            self.spent += min(used, _FIRST_TURN)
            until = self._first(owner)  # over already where others of the same owner have had it
        if until <= time.monotonic():
            self._line.stand(owner)
            self._iteration = self._line.loop.iteration
            self._cpu, self._until = time.thread_time(), time.monotonic() + _TURN

    def _first(self, owner: Hashable) -> float:
        """A turn without standing in line; until when. What it takes is not measured, for most work is over before it
        is, and to ask for the time that the processor has spent takes longer than much else.
        """
        self._until = self._line.first_turn(owner)
        self._iteration = self._line.loop.iteration
        self._cpu = 0.0
        return self._until

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """The items, with a step before each. Raises TooMuchWork."""
        for item in items:
            self.step()
            yield item

    def every(self, items: Iterable[T]) -> Iterator[T]:
        """The items, with a `turn` before each, where it is too late to give up."""
        for item in items:
            if time.monotonic() >= self._until:  # as in `turn`, which would cost more than that
                self._end_turn()
            yield item

    def ordered(self, items: Iterable[T], key: Callable[[T], Any]) -> Iterator[T]:
        """Like sorted(items, key=key), which stops the hub for a second where there are some 100 000.
        Raises TooMuchWork.
        """
        left, pieces = self.each(items), []
        while piece := sorted(itertools.islice(left, _SORTED_AT_ONCE), key=key):
            pieces.append(piece)
        return self.each(heapq.merge(*pieces, key=key))


class Line:
    """Who waits for a turn in the thread of one hub: one has it between two looks at sockets, timers and threads, and
    those whom these have woken go before. Owners by turns, and the work of each in its order.

    loop: the hub's; `loop.iteration` counts the looks.
    """

    def __init__(self) -> None:
        self._owners: OrderedDict[Hashable, deque[Waiter]] = OrderedDict()  # none of them empty
        self.loop = cast(Any, gevent.get_hub().loop)  # of libev, which has more than any loop
        # Fires after the next look, and after the watchers of sockets: of one priority the timers are first.
        self._timer = self.loop.timer(0.0)
        self._timer.priority = self.loop.MINPRI
        # Since the last look: when the first one came, and until when each owner may do without standing.
        self._look, self._since, self._begun = -1, 0.0, dict[Hashable, float]()

    def first_turn(self, owner: Hashable) -> float:
        """Until when (time.monotonic()) this owner may do what comes without standing in line."""
        now = time.monotonic()
        if self._look != self.loop.iteration:
            self._begin_look(now)
        until = self._begun.get(owner)
        if until is None:
            until = self._begun[owner] = max(now + _FIRST_TURN, self._since + _CALM)
        return until

    def pass_by(self, owner: Hashable) -> None:
        """For what is short, but not if many do it at once."""
        now = time.monotonic()
        if self._look != self.loop.iteration:
            self._begin_look(now)
        if now - self._since >= _CALM or self._owners:
            self.stand(owner)

    def _begin_look(self, now: float) -> None:
        self._look, self._since = self.loop.iteration, now
        self._begun.clear()

    def stand(self, owner: Hashable) -> None:
        """Wait for a turn."""
        turn: Waiter[None] = Waiter()
        self._owners.setdefault(owner, deque()).append(turn)
        if not self._timer.active:
            self._timer.start(self._call)
        try:
            turn.get()
        except BaseException:  # killed, or a time-out: the next one must not wait for its sake
            if turn in self._owners.get(owner, ()):
                self._owners[owner].remove(turn)
                if not self._owners[owner]:
                    del self._owners[owner]
            raise

    def _call(self) -> None:
        """Runs in the hub."""
        self._timer.stop()
        if self._owners:
            owner, waiting = self._owners.popitem(last=False)
            turn = waiting.popleft()
            if waiting:
                self._owners[owner] = waiting
            if self._owners:
                self._timer.start(self._call)
            if self._look != self.loop.iteration:
                self._begin_look(time.monotonic())
            self.loop.run_callback(turn.switch, None)  # behind what that has brought


_lines: WeakKeyDictionary[Any, Line] = WeakKeyDictionary()


def _line() -> Line:
    hub = gevent.get_hub()
    line = _lines.get(hub)
    if line is None:
        line = _lines[hub] = Line()
    return line


def in_turns(items: Iterable[T]) -> Iterator[T]:
    """The items, with a turn for everybody else after some milliseconds of work, however many there are."""
    return Work().each(items)


def in_order(items: Iterable[T], key: Callable[[T], Any]) -> Iterator[T]:
    """Like sorted(items, key=key), with a turn for everybody else now and then."""
    return Work().ordered(items, key)
