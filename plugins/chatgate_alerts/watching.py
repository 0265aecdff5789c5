"""Which troubles begin, and which are over: nothing here sends, or knows who is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from chatgate.api import Trouble

Kind = Literal["begin", "end", "test"]


class Event(NamedTuple):
    """Something that the operators are to be told. at: Unix seconds. trouble: with `since` always known."""

    kind: Kind
    trouble: Trouble
    at: float


@dataclass
class _Seen:
    """told: the operators know of it. first: when it was seen; gone: since when it was not, if so; both in ticks."""

    trouble: Trouble
    told: bool
    first: float
    gone: float | None = None


class Watching:
    """told: the troubles that the operators know of from an earlier run, which must not be told again."""

    def __init__(self, told: Iterable[Trouble] = ()) -> None:
        self._seen = {one.key: _Seen(one, True, 0.0) for one in told}

    def look(
        self, found: Iterable[Trouble], ticks: float, now: float, begin_seconds: float, end_seconds: float
    ) -> list[Event]:
        """What is to be told, now that these troubles are there. ticks: seconds of a clock that does not leap, by which
        all waiting goes. now: Unix seconds. Whoever cannot keep the events must make a new object: this one takes them
        for told.
        """
        there = {one.key: one for one in found}
        events = []
        for key, trouble in there.items():
            seen = self._seen.get(key)
            if seen is None:
                seen = self._seen[key] = _Seen(_begun(trouble, now), False, ticks)
            seen.gone = None
            if not seen.told:
                seen.trouble = _begun(trouble, seen.trouble.since)
                if ticks - seen.first >= begin_seconds:
                    seen.told = True
                    events.append(Event("begin", seen.trouble, now))
        for key, seen in list(self._seen.items()):
            if key in there:
                continue
            if not seen.told:
                del self._seen[key]  # it passed by itself
            elif seen.gone is None:
                seen.gone = ticks
            if seen.told and seen.gone is not None and ticks - seen.gone >= end_seconds:
                del self._seen[key]
                events.append(Event("end", seen.trouble, now))
        return events

    def told(self) -> list[Trouble]:
        """The troubles that the operators know of and that are not over."""
        return [seen.trouble for seen in self._seen.values() if seen.told]


def _begun(trouble: Trouble, otherwise: float) -> Trouble:
    """With the time at which it began; `otherwise`, where its plugin does not know that."""
    since = trouble.since or otherwise
    return Trouble(trouble.key, trouble.what, since, trouble.do)
