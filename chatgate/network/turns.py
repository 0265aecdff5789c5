"""Giving other greenlets turns during long work in the hub's thread, by time, as clients decide what an item costs."""

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

# Seconds of one turn, for which everybody else waits.
_TURN = 0.002
# Seconds that work may take, when it has just begun or has waited for something, before it stands in line: short work
# never does. All work that one owner begins between two looks at the sockets shares them.
_FIRST_TURN = 0.001
# Seconds after a look in which nobody stands in line: ten people who log in at the same moment need not, and the
# processor works better on many things at once than on one after the other with a look between.
_CALM = 0.010

_SORTED_AT_ONCE = 500


def give_turn() -> None:
    """Let every other greenlet run that can. This is not sleep(0), with which gevent looks at sockets, timers and
    finished threads only once in fifty turns.
    """
    gevent.sleep(1e-6)


class TooMuchWork(Exception):
    """A piece of work has used up the seconds that its `Work` may have. A protocol plugin catches it and refuses what
    was asked, for good: the same would take as long again.
    """


class Abandoned(OSError):
    """The client for whom the work is done has closed its connection: nobody waits for the answer. Raised by
    `Work.step`.
    """


class Client(Protocol):
    """The client that a greenlet works for. owner: who counts as one when turns are shared out, however many
    connections it has. gone: has the client left, so that nobody takes the result?
    """

    @property
    def owner(self) -> Hashable: ...

    def gone(self) -> bool: ...


class _Nobody:
    """Stands for the client in the gateway's own greenlets."""

    owner: Hashable = None

    def gone(self) -> bool:
        return False


_NOBODY = _Nobody()

# By greenlet, as long as the connection lasts.
clients: dict[Any, Client] = {}


class Work:
    """Long work in small steps, with a limit on its cost, for the client of the greenlet that makes this object.

        work = Work(seconds=30)
        for message in messages:
            work.step()
            …

    Call `step` at least every few milliseconds. All long work of a process stands in one line: between two turns
    everybody else runs, so it does not matter to them how much long work there is. The line goes from owner to owner,
    so it does not matter to other owners how many connections one has.

    seconds: of computing that it may use in total. Time in which others compute, and waiting, do not count. spent:
    seconds used, up to the end of the last turn.
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
        """Begin a new piece of work, which may use the full `seconds` again. The present turn goes on if not over."""
        self.spent = 0.0
        if self._line.loop.iteration != self._iteration:
            self._first(self._client.owner)

    def step(self) -> None:
        """Give others their turn if this one is over; costs next to nothing if it is not.

        Raises TooMuchWork, Abandoned, or the exception given to `end`.
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
        """Have `step` raise this exception when the work next gets a turn. May be called from any greenlet."""
        self._end = why

    def turn(self) -> None:
        """Like `step`, but raises nothing: for work that is too far on to be given up."""
        if time.monotonic() >= self._until:
            self._end_turn()

    def _end_turn(self) -> None:
        used = time.thread_time() - self._cpu if self._cpu else _FIRST_TURN
        owner, until = self._client.owner, 0.0
        if self._line.loop.iteration == self._iteration:
            self.spent += used
        else:  # the greenlet has waited in between, so most of that time was not its own
            self.spent += min(used, _FIRST_TURN)
            until = self._first(owner)  # over already where others of the same owner have had it
        if until <= time.monotonic():
            self._line.stand(owner)
            self._iteration = self._line.loop.iteration
            self._cpu, self._until = time.thread_time(), time.monotonic() + _TURN

    def _first(self, owner: Hashable) -> float:
        """Take a turn without standing in line; returns until when. Its processor time is not measured, as most work
        ends before the turn does, and asking for processor time is expensive.
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
        """The items, with a `turn` before each: for work that is too far on to be given up."""
        for item in items:
            if time.monotonic() >= self._until:  # as in `turn`, which would cost more than that
                self._end_turn()
            yield item

    def ordered(self, items: Iterable[T], key: Callable[[T], Any]) -> Iterator[T]:
        """Like sorted(items, key=key), which would stop the hub for a second with some 100 000 items, but in steps.
        Raises TooMuchWork.
        """
        left, pieces = self.each(items), []
        while piece := sorted(itertools.islice(left, _SORTED_AT_ONCE), key=key):
            pieces.append(piece)
        return self.each(heapq.merge(*pieces, key=key))


class Line:
    """The line of work that waits for a turn in the thread of one hub. One turn is given between two looks at sockets,
    timers and threads, after the greenlets that these have woken. Owners take turns; the work of each goes in order.

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
        """Until when (time.monotonic()) this owner may work without standing in line."""
        now = time.monotonic()
        if self._look != self.loop.iteration:
            self._begin_look(now)
        until = self._begun.get(owner)
        if until is None:
            until = self._begun[owner] = max(now + _FIRST_TURN, self._since + _CALM)
        return until

    def pass_by(self, owner: Hashable) -> None:
        """For short work: wait for a turn only if many do such work at once."""
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
        except BaseException:  # killed, or a time-out: the next one must not wait for this one
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
    """The items, with a turn for everybody else after every few milliseconds of work, however many there are."""
    return Work().each(items)


def in_order(items: Iterable[T], key: Callable[[T], Any]) -> Iterator[T]:
    """Like sorted(items, key=key), with a turn for everybody else now and then."""
    return Work().ordered(items, key)
