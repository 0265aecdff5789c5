"""The one that looks after several processes, where a whole gateway cannot show it."""

import errno

import pytest

from chatgate.running import processes


@pytest.fixture
def several():
    return processes.Processes(2, 1.0, 0.0, lambda: None, lambda: None, lambda: None)


def test_a_machine_that_can_start_no_process_is_asked_again(several, monkeypatch, caplog):
    def fork():
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(processes.gevent.os, "fork_gevent", fork)
    several._due[1] = 0.0
    assert several._begin() is None and several._due[1] > 0
    waits = []
    for _ in range(9):
        several._due[1] = 0.0
        several._begin()
        waits.append(several._waits[1])
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert "process cannot be started process=1: Resource temporarily unavailable" in caplog.text
