"""What was found, for as long as it holds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, NamedTuple

from chatgate_resolver import readers
from chatgate_resolver.answers import Answer, NoRecords, NoSuchName, Problem, Trouble


class Found(NamedTuple):
    """The end of a question. kind: Answer, or the class of the exception, whose text is `text`. until: by the clock of
    the resolver. An exception that is raised time and again would gather tracebacks; so each time a new one is made.
    """

    kind: type
    until: float
    values: tuple[Any, ...] = ()
    text: str = ""
    secure: bool = False

    def answer(self, now: float) -> Answer[Any]:
        """Raises Problem."""
        if self.kind is Answer:
            return Answer(self.values, max(0.0, self.until - now), self.secure)
        raise self.problem()

    def problem(self) -> Problem:
        if self.kind is Trouble:
            return Trouble(self.text)
        return (NoSuchName if self.kind is NoSuchName else NoRecords)(self.text, self.secure)

    @property
    def weight(self) -> int:
        return 1 + sum(map(readers.octets, self.values)) // 1000


class Cache:
    """The answers asked for last. size: the sum of their weights at most."""

    def __init__(self, size: int) -> None:
        self._size, self._weight = size, 0
        self._kept: OrderedDict[Hashable, Found] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, now: float) -> Found | None:
        found = self._kept.get(key)
        if found is None:
            return None
        if found.until <= now:
            self._remove(key)
            return None
        self._kept.move_to_end(key)
        return found

    def put(self, key: Hashable, found: Found) -> None:
        self._remove(key)
        if found.weight > self._size:
            return
        self._kept[key] = found
        self._weight += found.weight
        while self._weight > self._size:
            self._remove(next(iter(self._kept)))

    def _remove(self, key: Hashable) -> None:
        if (old := self._kept.pop(key, None)) is not None:
            self._weight -= old.weight
