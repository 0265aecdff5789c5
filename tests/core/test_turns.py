"""Long work leaves turns to others, and costs no more than it may."""

import time

import gevent
import pytest
from gevent.event import Event
from gevent.socket import socketpair
from hypothesis import given
from hypothesis import strategies as st

from chatgate.api import Abandoned, TooMuchWork, Work, in_order, in_turns
from chatgate.network.turns import Line, clients


def compute(seconds: float) -> None:
    """Keep the processor busy for so long, whoever else wants it."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def work_through(done, name, seconds=0.02):
    work = Work()
    while work.spent < seconds:
        compute(0.0005)
        work.step()
    done.append(name)


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


@given(st.lists(st.tuples(st.integers(0, 3), st.integers()), max_size=4).map(lambda items: items * 101))
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


def test_work_that_is_ended_from_elsewhere():
    """A step tells it; where it is too late to give up nobody hears."""
    done = []

    def long():
        work = Work()
        gevent.spawn(work.end, LookupError("over"))
        for _ in range(100):
            compute(0.0005)
            work.turn()
        for step in range(1000):
            done.append(step)
            compute(0.0005)
            work.step()

    with pytest.raises(LookupError, match="over"):
        long()
    assert len(done) < 100


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

    tasks = [gevent.spawn(work_through, done, name) for name in range(4)]
    gevent.sleep(0.002)
    tasks[1].kill(block=False)
    assert gevent.joinall(tasks, timeout=60) and sorted(done) == [0, 2, 3]


class Owned:
    """A client."""

    def __init__(self, owner):
        self.owner, self.closed = owner, False

    def gone(self):
        return self.closed


def spawn_for(client, function, *arguments):
    def run():
        clients[greenlet] = client
        try:
            function(*arguments)
        finally:
            del clients[greenlet]

    greenlet = gevent.spawn(run)
    return greenlet


def test_owners_have_their_turns_by_turns():
    """However many connections one account has, another one's long command has every second turn."""
    seen = []

    def busy(owner, seconds):
        work = Work()
        while work.spent < seconds:
            compute(0.0005)
            before = work.spent
            work.step()
            if work.spent > before:
                seen.append(owner)

    many = [spawn_for(Owned("many"), busy, "many", 10.0) for _ in range(20)]
    gevent.sleep(0.05)
    began = len(seen)
    one = spawn_for(Owned("one"), busy, "one", 0.03)
    one.join(30)
    gevent.killall(many)
    turns = seen[began:]
    assert turns.count("one") > 8
    assert turns.count("many") <= turns.count("one") + 5


def test_all_that_an_owner_begins_at_the_same_moment_shares_one_first_turn():
    loop = gevent.get_hub().loop

    def before_the_next_look():
        seen = []

        def begin(owner):
            work = Work()
            for _ in range(8):
                compute(0.0005)
                seen.append((owner, loop.iteration))
                work.step()

        names = ["one"] * 10 + ["other"]
        gevent.joinall([spawn_for(Owned(name), begin, name) for name in names], timeout=60, raise_error=True)
        assert len(seen) == 88
        return [owner for owner, iteration in seen if iteration == seen[0][1]]

    tries = [before_the_next_look() for _ in range(5)]
    # Some in the calm, and each at least one step: it did not know before.
    assert max(owners.count("one") for owners in tries) <= 50
    assert max(owners.count("other") for owners in tries) >= 2  # the machine may stop us amid its turn, too


def test_of_many_of_one_owner_who_are_woken_at_the_same_moment_most_stand():
    """Five hundred connections whose time is over, say."""
    loop, seen, woken = gevent.get_hub().loop, [], Event()

    def wait():
        work = Work()
        woken.wait()
        work.turn()
        seen.append(loop.iteration)
        compute(0.001)

    tasks = [spawn_for(Owned("one"), wait) for _ in range(60)]
    gevent.sleep(1e-3)
    woken.set()
    gevent.joinall(tasks, timeout=30, raise_error=True)
    assert len(seen) == 60
    assert max(map(seen.count, seen)) <= 30  # some ten in the calm, then one for each look


def test_what_the_sockets_have_brought_goes_before_the_next_turn():
    ours, theirs = socketpair()
    seen = []

    def busy():
        work = Work()
        while True:
            compute(0.0005)
            before = work.spent
            if not len(seen) % 10:
                theirs.send(b"x")
                seen.append("sent")
            work.step()
            if work.spent > before:
                seen.append("turn")

    def read():  # as a connection does that may be woken by other things, too
        woken = Event()
        watcher = gevent.get_hub().loop.io(ours.fileno(), 1)
        watcher.start(woken.set)
        while True:
            woken.wait()
            woken.clear()
            ours.recv(1)
            seen.append("read")

    tasks = [gevent.spawn(read), *(gevent.spawn(busy) for _ in range(5))]
    while seen.count("read") < 10:
        gevent.sleep(1e-3)
    gevent.killall(tasks)
    ours.close(), theirs.close()
    at = [place for place, what in enumerate(seen) if what == "sent"][:10]
    assert all(seen[place + 1 : place + 3] == ["read", "turn"] for place in at[1:]), seen


def test_for_a_client_that_is_gone_nothing_more_is_done():
    client, steps, done = Owned("a"), [], []

    def search():
        work = Work()
        with pytest.raises(Abandoned):
            while True:
                compute(0.0005)
                work.step()
                steps.append(1)
        for _ in range(10):  # what must be finished is
            compute(0.0005)
            work.turn()
        done.append(1)

    task = spawn_for(client, search)
    while len(steps) < 10:
        gevent.sleep(1e-3)
    client.closed = True
    before = len(steps)
    assert task.join(30) is None and done and len(steps) < before + 20


def test_a_step_that_fails_gives_its_turn_on():
    done = []

    ends = (0.02, 0.005, 0.02, 0.02)
    tasks = [spawn_for(Owned(name % 2), work_through, done, name, end) for name, end in enumerate(ends)]
    assert gevent.joinall(tasks, timeout=20)
    assert sorted(done) == [0, 1, 2, 3]


def test_a_full_line_can_be_ended():
    def busy():
        work = Work()
        while True:
            compute(0.0005)
            work.step()

    tasks = [spawn_for(Owned(name % 3), busy) for name in range(60)]
    gevent.sleep(0.05)
    gevent.killall(tasks, timeout=20)
    assert all(task.dead for task in tasks) and not clients
    work, before = Work(), gevent.get_hub().loop.iteration
    while work.spent < 0.01:  # and the line is as good as new
        compute(0.0005)
        work.step()
    assert gevent.get_hub().loop.iteration - before < 60


def test_what_is_short_passes_by_unless_many_do():
    loop, line, seen = gevent.get_hub().loop, Line(), []

    def short(owner):
        line.pass_by(owner)
        compute(0.001)
        seen.append((loop.iteration, owner))

    owners = ["many"] * 30 + ["one"]
    gevent.joinall([gevent.spawn(short, owner) for owner in owners], raise_error=True)
    looks = [iteration for iteration, _ in seen]
    at_once = looks.count(looks[0])
    assert at_once <= 20  # some ten in the calm
    assert len(set(looks)) == 31 - at_once + 1
    assert "one" in [owner for _, owner in seen[: at_once + 3]]
    gevent.sleep(1e-6)
    before = loop.iteration
    line.pass_by("one")
    assert loop.iteration == before


def test_who_comes_later_does_not_pass_those_who_stand():
    line, seen = Line(), []

    def short(name):
        line.pass_by("a")
        seen.append(name)

    def newcomers():
        for number in range(10, 30):
            gevent.spawn(short, number)
            gevent.sleep(1e-6)

    tasks = [gevent.spawn(short, number) for number in range(10)]
    gevent.joinall([*tasks, gevent.spawn(newcomers)], raise_error=True)
    while len(seen) < 30:
        gevent.sleep(1e-3)
    assert seen == list(range(30))
