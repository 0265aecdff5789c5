"""Jobs that let others go first: they come last, but they come, and an end finds them as it finds the others."""

import sqlite3

import gevent
import gevent.event
import pytest
from chatgate_maildb import writer as writer_module

from chatgate.api import StoreUnavailable
from chatgate.testing import until


class Held:
    """The writer with a job in a commit that ends when it is let go; then `order` tells who came when."""

    def __init__(self, writer, monkeypatch):
        self.writer, self.order, self.errors = writer, [], []
        self.gate, commit = gevent.event.Event(), writer._commit

        def held():
            self.gate.wait()
            if self.errors:
                raise self.errors.pop()
            commit()

        monkeypatch.setattr(writer, "_commit", held)
        monkeypatch.setattr(writer_module, "_PATIENCE", 60.0)
        self.first = self.ask("first", False)
        until(lambda: self.order)
        assert self.order == ["first"]

    def ask(self, name, patient=True):
        """Asked for, and in the line unless its turn has come."""
        lines = self.writer._queue, self.writer._patient
        before = sum(map(len, lines))
        task = gevent.spawn(self.writer.run, lambda tx: self.order.append(name), patient)
        until(lambda: sum(map(len, lines)) > before or name in self.order)
        return task


@pytest.fixture
def held(store, monkeypatch):
    held = Held(store.writer, monkeypatch)
    yield held
    held.gate.set()


def test_deliveries_go_first(held):
    tasks = [held.first, held.ask("patient 1"), held.ask("patient 2"), held.ask("a", False), held.ask("b", False)]
    held.gate.set()
    gevent.joinall(tasks, raise_error=True)
    assert held.order == ["first", "a", "b", "patient 1", "patient 2"]


def test_the_patient_get_their_turn_amid_endless_deliveries(store):
    waiting = True

    def deliver():
        while waiting:
            store.writer.run(lambda tx: None)

    busy = [gevent.spawn(deliver) for _ in range(3)]
    gevent.sleep(0.01)
    with gevent.Timeout(60):
        store.writer.run(lambda tx: None, patient=True)
    waiting = False
    gevent.joinall(busy)


def test_who_is_interrupted_while_it_waits_takes_its_job_back(held):
    killed, last = held.ask("killed"), held.ask("last")
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        held.writer.run(lambda tx: held.order.append("timed out"), patient=True)
    killed.kill()
    held.gate.set()
    last.get(timeout=60)
    assert held.order == ["first", "last"]


def test_who_is_killed_amid_the_commit_dies_after_it(held):
    held.gate.set()
    held.first.get(timeout=60)
    held.gate.clear()
    patient = held.ask("patient")
    until(lambda: held.order[-1] == "patient")
    patient.kill(block=False)
    gevent.sleep(0.001)
    assert not patient.dead
    held.gate.set()
    assert isinstance(patient.get(timeout=60), gevent.GreenletExit)


def test_a_commit_that_fails_is_not_theirs_while_they_wait(held):
    patient = held.ask("patient")
    held.errors.append(sqlite3.OperationalError("disk I/O error"))
    held.gate.set()
    patient.get(timeout=60)
    assert isinstance(held.first.exception, StoreUnavailable) and held.order == ["first", "patient"]


def test_a_transaction_that_cannot_begin_is_told_to_all_who_wait(open_gateway):
    one, two = open_gateway(busy_seconds=0.01).store, open_gateway().store
    later = []
    one.writer.later(lambda tx: later.append(1))

    def hold(tx):
        tasks = [gevent.spawn(one.writer.run, lambda tx: None, patient) for patient in (True, False, True)]
        gevent.joinall(tasks, timeout=60)
        return [type(task.exception) for task in tasks]

    assert two.writer.run(hold) == [StoreUnavailable] * 3 and later == []
    one.writer.run(lambda tx: None, patient=True)
    assert later == [1]


def test_close_waits_for_all(held, store):
    tasks = [held.ask(n, patient=n % 2 == 0) for n in range(10)]
    held.writer.later(lambda tx: held.order.append("later"))
    held.gate.set()
    store.close()
    gevent.joinall(tasks, raise_error=True)
    assert held.order == ["first", 1, 3, 5, 7, 9, "later", 0, 2, 4, 6, 8]
