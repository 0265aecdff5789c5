"""Work of which one runs at a time."""

import gevent
import gevent.event
import pytest
from chatgate_maildb.leases import Leases, held

from chatgate.api import Leased, StoreUnavailable
from chatgate.testing import until


class Work:
    """Says who runs, and that nobody else does."""

    def __init__(self):
        self.running, self.runs = [], []

    def of(self, name):
        def run():
            self.running.append(name)
            self.runs.append(name)
            assert len(self.running) == 1, "two at once"
            try:
                gevent.sleep(600)
            finally:
                self.running.remove(name)

        return run


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def leased(tmp_path, work):
    made = []

    def make(name, seconds=0.3, leases=None, run=None, end=None):
        # Each has files of its own, as each process has.
        store = Leases(tmp_path / "leases") if leases is None else leases
        service = Leased("cleaning", run or work.of(name), end, store=lambda: store, seconds=seconds)
        service.store = store
        made.append(service)
        service.start()
        return service

    yield make
    for service in made:
        service.stop(5)


def test_one_at_a_time_and_the_next_when_it_stops(leased, work):
    services = [leased(n) for n in range(4)]
    for _ in range(3):
        until(lambda: work.running)
        gevent.sleep(0.5)  # longer than the lease: it is renewed
        (first,) = work.running
        services[first].stop(5)
        assert not work.running
        until(lambda first=first: work.running and work.running != [first])
    assert len(work.runs) == len(set(work.runs)) == 4


def test_a_stop_gives_it_back_at_once(leased, work, tmp_path):
    service = leased("one", seconds=600)
    until(lambda: work.running)
    ((_, holder),) = held(tmp_path / "leases")
    assert holder == service.holder
    service.stop(5)
    assert held(tmp_path / "leases") == []
    leased("two", seconds=600)
    until(lambda: work.running == ["two"])


class Fickle:
    """A store that answers as the test wants."""

    def __init__(self):
        self.answer, self.released = True, 0

    def lease(self, name, holder, seconds):
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer == "hangs":
            gevent.sleep(600)
        return self.answer

    def release(self, name, holder):
        self.released += 1


@pytest.mark.parametrize("answer", [StoreUnavailable(), "hangs", False])
def test_the_work_ends_when_the_lease_cannot_be_renewed_and_begins_anew(leased, work, caplog, answer):
    store = Fickle()
    leased("one", leases=store)
    until(lambda: work.running)
    store.answer = answer
    until(lambda: not work.running)
    assert "lease lost" in caplog.text and "service ended" not in caplog.text
    if answer != "hangs":
        store.answer = True
        until(lambda: work.running)
        assert work.runs == ["one", "one"]


def test_one_failure_to_renew_ends_nothing(leased, work):
    store = Fickle()
    leased("one", seconds=3, leases=store)
    until(lambda: work.running)
    store.answer = StoreUnavailable()
    gevent.sleep(1.2)
    store.answer = True
    gevent.sleep(2.5)
    assert work.runs == ["one"] and work.running


def test_what_the_work_raises_is_told_and_the_lease_given_back(leased, caplog):
    store, begun = Fickle(), []
    service = leased("one", leases=store, run=lambda: begun.append(1) or 1 / 0)
    service.shortest = 0.01
    until(lambda: store.released)
    assert "service ended service=cleaning error=ZeroDivisionError" in caplog.text


def test_one_that_is_told_to_end_finishes(leased, caplog):
    told, done = gevent.event.Event(), []

    def run():
        told.wait()
        gevent.sleep(0.05)
        done.append(1)

    service = leased("one", run=run, end=told.set)
    waiting = leased("two", run=lambda: done.append("not the second"), end=lambda: None)
    gevent.sleep(0.05)
    waiting.stop(60)  # at once, as it does nothing
    service.stop(60)
    assert done == [1] and not caplog.records
