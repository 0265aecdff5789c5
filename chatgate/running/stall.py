"""The stall watch: says which code keeps everybody waiting.

One thread runs all greenlets, so code that computes, or waits in a way gevent does not know, stops the whole gateway
and leaves no greenlet to report it. A native thread is not stopped by it.
"""

from __future__ import annotations

import logging
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

import gevent
from gevent import monkey

from chatgate.trouble import Episode

if TYPE_CHECKING:
    from chatgate.hosting.hub import Hub

log = logging.getLogger("chatgate.stall")

# The system's own threads, not the greenlets that gevent puts in their place.
_start = monkey.get_original("_thread", "start_new_thread")
_lock = monkey.get_original("_thread", "allocate_lock")
_ident = monkey.get_original("_thread", "get_ident")
_sleep = monkey.get_original("time", "sleep")

# Seconds from one look to the next while all is well: rare enough to cost an idle gateway nothing. A stall may have
# lasted for that much longer than the log says.
_LOOK = 1.0
# Seconds without another stall after which the operator need not think of it any more.
_LATELY = 1800.0
# Seconds between looks while the hub stands still, to see when it is over.
_NEAR = 0.05


class StallWatch:
    """Make it in the thread of the hub. seconds: how long the hub must stand still to be logged. The hub itself does
    nothing for it: the watching thread sees that the loop's count of turns stays the same while code other than the
    hub's own waiting runs.

    stalls, seconds, longest: how often it stood still since the start, for how long altogether and at worst. lately:
    that it did.
    worst: for how many seconds it then did at worst, and where.
    """

    def __init__(self, hub: Hub, seconds: float) -> None:
        self._places, self._seconds = Places(hub), seconds
        self._loop, self._thread = gevent.get_hub().loop, _ident()
        self._end: Any = None
        self.stalls, self.seconds, self.longest = 0, 0.0, 0.0
        self.lately, self.worst = Episode(_LATELY), (0.0, "")

    def start(self) -> None:
        self._end = _lock()
        self._end.acquire()
        _start(self._watch, (self._end,))

    def stop(self) -> None:
        if self._end is not None:
            self._end.release()
            self._end = None

    def _watch(self, end: Any) -> None:
        """Runs in the native thread, until it can acquire `end`."""
        while not end.acquire(timeout=_LOOK):
            turn, since = self._loop.iteration, time.monotonic()
            if self._running(turn):
                if end.acquire(timeout=self._seconds):
                    return
                self._stand_by(turn, since)

    def _running(self, turn: int) -> FrameType | None:
        """Where code runs, if it is still the same turn of the loop."""
        frame = sys._current_frames().get(self._thread)
        # Where the hub waits, no greenlet's code runs: the gateway is idle, or the machine was busy or asleep.
        waits = frame is None or (frame.f_code.co_name == "run" and frame.f_globals.get("__name__") == "gevent.hub")
        return None if waits or self._loop.iteration != turn else frame

    def _stand_by(self, turn: int, since: float) -> None:
        """Log a stall each time its length has doubled, and when it is over."""
        next_told, found, late = 0.0, "", 0.0
        while frame := self._running(turn):
            late = time.monotonic() - since
            if late >= next_told:
                next_told, found = late * 2, self._places.of(frame)
                _log(f"hub stands still for={late:.1f}s {found}")
            _sleep(_NEAR)
        if found:
            self.stalls += 1
            self.lately.happened()
            self.worst = (late, found) if self.lately.count == 1 else max(self.worst, (late, found))
            self.seconds += late
            self.longest = max(self.longest, late)
            _log(f"hub turns again after={late:.1f}s {found}")


def _log(text: str) -> None:
    # Not log.error(): a lock in it may be held by the thread that stands still.
    log.handle(log.makeRecord(log.name, logging.ERROR, "", 0, text, (), None))


class Places:
    """Describes where code is, as far as an operator needs it: the plugin and hook, its function, and the innermost
    function if that is another. Only names and line numbers of the source, none of the data it works on.
    """

    def __init__(self, hub: Hub) -> None:
        self._hooks, self._packages = {}, {}
        for plugin, hook, function in hub.implementations():
            if code := getattr(function, "__code__", None):
                self._hooks[code] = plugin, hook
                self._packages[_package(function.__globals__)] = plugin

    def of(self, frame: FrameType) -> str:
        frames = []
        left: FrameType | None = frame
        while left is not None:
            frames.append(left)
            left = left.f_back
        own = next((f for f in frames if _package(f.f_globals) in self._packages), frame)
        package = _package(own.f_globals)
        outward = frames[frames.index(own) :]
        asked = (f for f in outward if f.f_code in self._hooks and _package(f.f_globals) == package)
        asking = next(asked, None)
        plugin, hook = self._hooks[asking.f_code] if asking else (self._packages.get(package, "-"), "-")
        inner = "" if own is frame else f" innermost={_function(frame)}"
        return f"plugin={plugin} hook={hook} in={_function(own)}{inner}"


def _package(names: dict[str, Any]) -> str:
    return str(names.get("__name__", "")).partition(".")[0]


def _function(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_qualname}@{code.co_filename}:{frame.f_lineno}"
