"""Long work leaves turns to others, and costs no more than it may."""

import time

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatgate.api import TooMuchWork, Work, in_order, in_turns
from chatgate.turns import Line


def compute(seconds: float) -> None:
    """Keep the processor busy for so long, whoever else wants it."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def slowly(items):
    for item in items:
        compute(0.0002)
        yield item


@pytest.mark.parametrize("each", [in_turns, lambda items: in_order(items, lambda number: -number)])
def test_others_get_turns(each):
    turns = []

    def other():
        while True:
            turns.append(1)
            gevent.sleep(1e-6)

    task = gevent.spawn(other)
    assert sorted(each(slowly(range(500)))) == list(range(500))
    task.kill()
    assert len(turns) >= 10


@given(st.lists(st.tuples(st.integers(0, 3), st.integers()), max_size=10).map(lambda items: items * 101))
def test_in_order_is_sorted(items):
    assert list(in_order(iter(items), lambda item: item[0])) == sorted(items, key=lambda item: item[0])
    assert list(in_turns(iter(items))) == items


def test_of_many_one_works_between_two_looks_at_the_sockets():
    loop, seen = gevent.get_hub().loop, []

    def busy(name):
        work = Work()
        first = loop.iteration
        while work.spent < 0.02:
            compute(0.0005)
            if loop.iteration != first:  # its first turn it has at once
                seen.append((loop.iteration, name))
            work.step()

    gevent.joinall([gevent.spawn(busy, name) for name in range(10)], raise_error=True)
    worked: dict[int, set[int]] = {}
    for iteration, name in seen:
        worked.setdefault(iteration, set()).add(name)
    assert len(worked) > 10
    assert all(len(names) == 1 for names in worked.values())


def test_what_is_short_does_not_stand_in_line():
    """However many compute: a command of some microseconds is answered with the next look at its socket."""

    def busy():
        work = Work()
        while True:
            compute(0.0005)
            work.step()

    tasks = [gevent.spawn(busy) for _ in range(20)]
    gevent.sleep(0.02)
    loop = gevent.get_hub().loop
    before = loop.iteration
    work = Work()
    for _ in range(3):
        gevent.sleep(1e-6)
        work.begin()
        work.step()
    assert loop.iteration - before <= 6
    gevent.killall(tasks)


def test_too_much_work():
    work = Work(seconds=0.02)
    steps = 0
    with pytest.raises(TooMuchWork):
        while steps < 10_000:
            compute(0.0005)
            work.step()
            steps += 1
    assert 20 < steps < 80
    work.begin()
    work.step()  # a new one may cost as much again


def test_neither_waiting_nor_the_work_of_others_counts():
    def other():
        while True:
            compute(0.003)
            gevent.sleep(1e-6)

    task = gevent.spawn(other)
    work = Work(seconds=0.1)
    for _ in range(60):
        compute(0.0002)
        work.step()
        gevent.sleep(0.002)
    task.kill()
    work = Work(seconds=0.05)
    task = gevent.spawn(other)
    while work.spent < 0.03:  # it has turns, each time after the other one's
        compute(0.0005)
        work.step()
    task.kill()


def test_one_that_is_killed_in_the_line_keeps_nobody_waiting():
    done = []

    def busy(name):
        work = Work()
        while work.spent < 0.02:
            compute(0.0005)
            work.step()
        done.append(name)

    tasks = [gevent.spawn(busy, name) for name in range(4)]
    gevent.sleep(0.002)
    tasks[1].kill(block=False)
    assert gevent.joinall(tasks, timeout=20) and sorted(done) == [0, 2, 3]


def test_what_is_short_passes_by_unless_many_do():
    loop, line, seen = gevent.get_hub().loop, Line(), []

    def short(number):
        line.pass_by()
        seen.append(loop.iteration)

    gevent.joinall([gevent.spawn(short, number) for number in range(20)], raise_error=True)
    assert len(set(seen)) == 20
    before = loop.iteration
    gevent.sleep(1e-6)
    line.pass_by()
    assert loop.iteration <= before + 2
