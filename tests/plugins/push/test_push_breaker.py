"""The circuit breaker by itself."""

from __future__ import annotations

import pytest
from chatgate_push import PushOptions
from chatgate_push.breaker import Breaker

T = 1_800_000_000.0


@pytest.fixture
def breaker() -> Breaker:
    return Breaker(PushOptions(failures_in_a_row=3, pause_seconds=10.0, max_pause_seconds=30.0))


def fail(breaker: Breaker, now: float) -> float | None:
    assert breaker.seconds(now) == 0
    return breaker.failed(now, breaker.begin())


def test_single_failures_do_not_open_it(breaker):
    for _ in range(20):
        assert fail(breaker, T) is None
        assert fail(breaker, T) is None
        assert not breaker.succeeded()
    assert breaker.seconds(T) == 0 and not breaker.open


def test_failures_in_a_row_open_it_and_after_the_pause_one_probe_goes(breaker):
    assert [fail(breaker, T), fail(breaker, T)] == [None, None]
    assert 8 <= fail(breaker, T) <= 12
    assert breaker.open and 8 <= breaker.seconds(T) <= 12
    assert breaker.seconds(T + 12) == 0
    assert breaker.begin()
    assert breaker.seconds(T + 1000) is None  # until the probe is answered
    assert breaker.succeeded()
    assert breaker.seconds(T) == 0 and not breaker.open


def test_pauses_grow_to_a_limit_and_begin_small_again(breaker):
    now, pauses = T, []
    fail(breaker, now), fail(breaker, now)
    for _ in range(5):
        pauses.append(fail(breaker, now))
        now += pauses[-1]
    for pause, nominal in zip(pauses, (10, 20, 30, 30, 30), strict=True):
        assert nominal * 0.8 <= pause <= nominal * 1.2
    breaker.begin(), breaker.succeeded()
    fail(breaker, now), fail(breaker, now)
    assert fail(breaker, now) <= 12


def test_requests_from_before_the_pause_say_nothing_new_but_that_it_works(breaker):
    for _ in range(3):
        fail(breaker, T)
    until = breaker.seconds(T)
    assert breaker.failed(T + 5, False) is None
    assert breaker.seconds(T) == until
    assert breaker.succeeded()
    assert breaker.seconds(T) == 0
