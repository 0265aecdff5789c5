"""A search for input that costs more than in proportion to its length.

What makes a reader slow is nearly always something repeated between a beginning and an end, so that is what is tried:
pieces drawn from an alphabet, repeated n and 4 n times. Only the processor's time counts, the least of several runs,
and a suspicion is looked into with longer input and more runs before it is a finding.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence

_SUSPICIOUS = 8.0  # times the cost for four times the length
_NOTICEABLE = 0.002  # seconds under which the clock says little
_STEEP = 1.55  # the exponent from which on it is not in proportion any more


def find(
    cost: Callable[[bytes], object], alphabet: Sequence[bytes], tries: int, short: int = 1500, seed: int = 1
) -> str | None:
    """A description of the first input that is out of proportion, or None. short: octets of the shorter input."""
    draw = random.Random(seed)
    for _ in range(tries):
        begin, unit, end = (b"".join(draw.choices(alphabet, k=draw.randint(*k))) for k in ((0, 2), (1, 4), (0, 2)))

        def made(times: int, begin: bytes = begin, unit: bytes = unit, end: bytes = end) -> bytes:
            return begin + unit * (times * short // len(unit)) + end

        if _suspicious(cost, made) and (power := _exponent(cost, made)) > _STEEP:
            return f"{begin!r} + {unit!r} * n + {end!r}: n ** {power:.2f}"
    return None


def _suspicious(cost: Callable[[bytes], object], made: Callable[[int], bytes]) -> bool:
    long = seconds(cost, made(4), 1)
    return long > _NOTICEABLE and long > _SUSPICIOUS * seconds(cost, made(1), 2)


def _exponent(cost: Callable[[bytes], object], made: Callable[[int], bytes]) -> float:
    """Between n and 8 n; or less, as soon as it takes long."""
    first = seconds(cost, made(1), 4)
    for times in (4, 8):
        last = seconds(cost, made(times), 2)
        if last > 0.5:
            break
    return math.log(last / max(first, 1e-6)) / math.log(times)


def seconds(cost: Callable[[bytes], object], data: bytes, runs: int) -> float:
    """Of the processor, at the least."""
    best = math.inf
    for _ in range(runs):
        began = time.thread_time()
        cost(data)
        best = min(best, time.thread_time() - began)
    return best
