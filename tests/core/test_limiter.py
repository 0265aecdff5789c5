"""How often something may happen: compared with counting every event."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from chatgate.api import Limiter

KEYS = st.sampled_from(["", "a", "b", "c"])
STEPS = st.lists(st.tuples(st.sampled_from(["take", "add", "back"]), KEYS, st.floats(0, 25)), max_size=60)
MOST = st.none() | st.integers(0, 4)


@given(STEPS, MOST, st.none() | st.integers(0, 8))
def test_as_if_all_was_written_down(steps, most, in_all):
    now, windows, taken = [0.0], {}, []
    limiter = Limiter(most, 60, in_all, clock=lambda: now[0])
    for what, key, seconds in steps:
        now[0] += seconds
        window = int(now[0] // 60)
        counted = windows.setdefault(window, Counter())
        free = (in_all is None or counted.total() < in_all) and (not key or most is None or counted[key] < most)
        if what == "take":
            ticket = limiter.take(key)
            assert (ticket is not None) == free
        elif what == "add":
            ticket = limiter.add(key)
        else:
            ticket = None
            if taken:
                old, of = taken.pop()
                limiter.give_back(old, of)
                windows[of][old] -= 1
        if ticket is not None:
            counted[key] += 1
            taken.append((key, ticket))
        over = (in_all is not None and counted.total() > in_all) or bool(
            key and most is not None and counted[key] > most
        )
        assert limiter.over(key) == over


@given(st.lists(st.text("abcdef", min_size=1, max_size=3), max_size=200), st.integers(1, 20))
def test_no_more_keys_are_kept_than_that(keys, most):
    limiter = Limiter(3, 60, keys=most, clock=lambda: 0.0)
    for key in keys:
        limiter.add(key)
        assert len(limiter) <= most


def test_what_is_over_is_forgotten():
    now = [0.0]
    limiter = Limiter(1, 60, clock=lambda: now[0])
    assert limiter.take("a") is not None and limiter.take("a") is None and len(limiter) == 1
    now[0] = 60
    assert not limiter.over("a") and len(limiter) == 0
    assert limiter.take("a") is not None
