"""A service of one greenlet goes on, whatever ends it."""

import sys

import gevent
import gevent.event
import pytest

from chatgate.api import Background


class Eager(Background):
    shortest, longest = 0.01, 0.04


def throws(error):
    raise error


@pytest.mark.parametrize(
    "end",
    [
        lambda: None,
        lambda: sys.exit(3),
        lambda: throws(RuntimeError("secret")),
        lambda: throws(gevent.GreenletExit()),
        lambda: throws(KeyboardInterrupt()),
        lambda: gevent.Timeout(0.001).start() or gevent.sleep(9),
    ],
)
def test_what_ends_is_named_and_begun_anew_until_it_is_stopped(end, caplog):
    begun = []
    service = Eager("thinker", lambda: begun.append(1) or end())
    service.start()
    with gevent.Timeout(60):
        while len(begun) < 4:
            gevent.sleep(0.005)
    service.stop(5)
    count = len(begun)
    gevent.sleep(0.1)
    assert len(begun) == count, "it is over"
    assert "service ended service=thinker" in caplog.text and "secret" not in caplog.text


def test_one_that_can_be_told_to_end_is_not_cut_off(caplog):
    told, done = gevent.event.Event(), []

    def run():
        told.wait()
        gevent.sleep(0.05)
        done.append(1)

    service = Eager("thinker", run, told.set)
    service.start()
    gevent.sleep(0)
    service.stop(30)
    gevent.sleep(0.1)
    assert done == [1] and not caplog.records


def test_one_that_does_not_end_when_told_is(caplog):
    ends = []

    def run():
        try:
            gevent.sleep(600)
        finally:
            ends.append(1)

    service = Eager("thinker", run, lambda: None)
    service.start()
    gevent.sleep(0)
    service.stop(0.05)
    assert ends == [1]


def test_the_waits_grow_to_a_bound_and_begin_anew_after_a_good_while(caplog, monkeypatch):
    """By the log; the clock and the waits are made up."""
    now, waits = [0.0], []
    lasts = iter([0.0] * 12 + [500.0, 0.0])

    def run():
        now[0] += next(lasts)
        raise RuntimeError

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 14:
            raise gevent.GreenletExit

    monkeypatch.setattr("chatgate.running.background.time.monotonic", lambda: now[0])
    monkeypatch.setattr("chatgate.running.background.gevent.sleep", sleep)
    with pytest.raises(gevent.GreenletExit):
        Background("x", run)._keep_running()
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 1, 2]


def test_at_stop_it_is_killed_where_it_waits(caplog):
    ended = []

    def run():
        try:
            gevent.sleep(1000)
        finally:
            ended.append(1)

    service = Eager("sleeper", run)
    service.start()
    gevent.sleep(0.01)
    service.stop(5)
    assert ended == [1] and not caplog.records
