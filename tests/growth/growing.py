"""A search for input that costs more than in proportion to its length, in time or in memory.

What makes a program slow is nearly always something that is repeated: one piece, or two that are looked at with each
other. So that is what is tried: one or two pieces of an ordinary input, or of words that mean something to it, are
repeated n and 4 n times. Only the processor's time of this thread counts, the least of several runs, and a suspicion is
looked into with more runs, twice, before it is a finding.
"""

from __future__ import annotations

import math
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

_SUSPICIOUS = 6.0  # times the cost for four times the length
_STEEP = 9.0  # the same, of the best of several runs
_NOTICEABLE = 0.003  # seconds under which the clock says little
_LARGE = 1 << 20  # octets under which memory says little
_RUNS = 3
_LONG = 0.2  # seconds of which one run says enough

Cost = Callable[[bytes], object]
# Takes how often the pieces are repeated.
Made = Callable[[int], bytes]


class Prey(NamedTuple):
    """cost: what is looked at; it is called with input like `seeds`, ordinary ones, and like `words` in any order.
    short: octets of the shorter input; the longer one has four times as many.
    """

    cost: Cost
    seeds: Sequence[bytes]
    words: Sequence[bytes]
    short: int = 4000


def inputs(prey: Prey, draw: random.Random) -> Iterator[tuple[str, Made]]:
    """What to try, without end: a description, and the input for a number of repetitions."""
    while True:
        if draw.random() < 0.6:
            seed = draw.choice(prey.seeds)
            at = sorted(draw.randint(0, len(seed)) for _ in range(4))
            # Short pieces more often than long ones.
            at[1] = min(at[1], at[0] + draw.randint(1, 12))
            at[3] = min(at[3], at[2] + draw.randint(1, 12))
            parts = [seed[start:end] for start, end in zip([0, *at], [*at, len(seed)], strict=True)]
            for place in (1, 3):
                if not parts[place] or draw.random() < 0.5:
                    parts[place] = _words(prey, draw, 1, 2)
        else:
            parts = [_words(prey, draw, least, most) for least, most in ((0, 2), (1, 3), (0, 2), (1, 2), (0, 2))]
        if draw.random() < 0.6:
            parts[3] = b""

        def made(times: int, parts: Sequence[bytes] = parts) -> bytes:
            begin, one, middle, other, end = parts
            count = max(1, times * prey.short // (len(one) + len(other)))
            return begin + one * count + middle + other * count + end

        yield f"{parts[0]!r} + {parts[1]!r} * n + {parts[2]!r} + {parts[3]!r} * n + {parts[4]!r}", made


def _words(prey: Prey, draw: random.Random, least: int, most: int) -> bytes:
    return b"".join(draw.choices(prey.words, k=draw.randint(least, most)))


def slow(prey: Prey, tries: int, seed: int = 1) -> str | None:
    """A description of the first input found that takes time out of proportion, or None."""
    for (what, made), _ in zip(inputs(prey, random.Random(seed)), range(tries), strict=False):
        if times := steep(prey.cost, made):
            return f"{what}: {times:.0f} times the time for 4 times the length"
    return None


def steep(cost: Cost, made: Made) -> float:
    """How many times the time of `made(1)` does `made(4)` take? 0.0 where that is in proportion, or hardly any."""
    long = made(4)
    once = seconds(cost, long, 1)
    if once < _NOTICEABLE or once < _SUSPICIOUS * seconds(cost, made(1), 2):
        return 0.0
    runs = 1 if once > _LONG else _RUNS
    times = min(seconds(cost, long, runs) / max(seconds(cost, made(1), 2 * runs), 1e-6) for _ in "12")
    return times if times > _STEEP else 0.0


def greedy(prey: Prey, tries: int, seed: int = 1) -> str | None:
    """The same of memory, at its peak."""
    for (what, made), _ in zip(inputs(prey, random.Random(seed)), range(tries), strict=False):
        long = octets(prey.cost, made(4))
        if long > _LARGE and (ratio := long / max(octets(prey.cost, made(1)), 1)) > _STEEP:
            return f"{what}: {ratio:.0f} times the memory for 4 times the length, {long} octets"
    return None


def seconds(cost: Cost, data: bytes, runs: int) -> float:
    """Of the processor, at the least."""
    best = math.inf
    for _ in range(runs):
        began = time.thread_time()
        cost(data)
        best = min(best, time.thread_time() - began)
    return best


def octets(cost: Cost, data: bytes) -> int:
    tracemalloc.start()
    try:
        cost(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
