"""Whoever keeps the hub from turning is named, by a thread that does not need it."""

import sys
import time

import gevent
import pytest
from gevent import monkey

from chatgate.api import hookimpl
from chatgate.hosting.hub import Hub
from chatgate.running import stall

native = monkey.get_original("time", "sleep")


@pytest.fixture
def watch(monkeypatch):
    monkeypatch.setattr(stall, "_LOOK", 0.05)
    monkeypatch.setattr(stall, "_NEAR", 0.005)
    made = []

    def make(*plugins, seconds=0.5):
        hub = Hub()
        hub.load([(f"plugin{n}", plugin) for n, plugin in enumerate(plugins)])
        made.append(stall.StallWatch(hub, seconds))
        made[-1].start()
        gevent.sleep(0.1)
        return made[-1], hub

    yield make
    for one in made:
        one.stop()


def until(true, seconds=60):
    """Without giving up the thread."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        native(0.001)


def calmly(true, seconds=60):
    with gevent.Timeout(seconds):
        while not true():
            gevent.sleep(0.01)


class Computes:
    def __init__(self, caplog):
        self._caplog = caplog

    @hookimpl
    def chatgate_account_removed(self, account):
        content = "words of a client"
        until(lambda: self._caplog.text.count("hook=account_removed") >= 3 and content)


def test_code_that_does_not_give_up_the_thread_is_named_while_it_runs_and_afterwards(watch, caplog):
    one, hub = watch(Computes(caplog))
    hub.account_removed(account="alice@example.org")
    calmly(lambda: "turns again" in caplog.text)

    def told():
        place = "plugin=plugin0 hook=account_removed in="
        return [line for line in caplog.messages if place in line and "test_stall.py:" in line]

    lines = told()
    assert "turns again" in lines[-1]
    waits = [float(line.partition("for=")[2].partition("s ")[0]) for line in lines if "stands still" in line]
    rounding = 3 * 0.05
    assert all(later >= 2 * sooner - rounding for sooner, later in zip(waits, waits[1:], strict=False)), waits
    assert one.stalls and one.longest > 1.0 and one.lately.since() and one.worst[0] > 1.0
    assert one.worst[1].startswith("plugin=plugin0 hook=account_removed")
    assert "words" not in caplog.text and "alice" not in caplog.text
    hub.account_removed(account=None)  # has nothing to wait for any more
    gevent.sleep(0.3)
    assert told() == lines


def test_a_second_stall_is_seen_as_soon_as_the_first(watch, caplog):
    def told():
        lines = [line for line in caplog.messages if "stands still" in line]
        return [float(line.partition("for=")[2].partition("s ")[0]) for line in lines]

    watch(seconds=0.1)
    until(lambda: told() and told()[-1] >= 1.0)
    calmly(lambda: "turns again" in caplog.text)
    caplog.clear()
    until(told)
    assert told()[0] < 2.0, "as if it were the first one, which goes on"
    calmly(lambda: "turns again" in caplog.text)


def test_a_hub_that_waits_or_works_in_turns_is_not_blamed(watch, caplog):
    one, _ = watch(seconds=0.6)  # a machine that stands still for so long would be blamed
    gevent.sleep(0.8)
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        sum(range(1000))
        gevent.sleep(1e-6)
    assert one.stalls == 0 and not caplog.records


def test_what_is_in_no_hook_is_named_by_the_package_of_its_plugin():
    names = {"__name__": "chatgate_example.inner", "hookimpl": hookimpl, "sys": sys}
    source = """
class Example:
    @hookimpl
    def chatgate_expire(self):
        return found(lambda: sys._getframe())

def found(function):
    return function()
"""
    exec(compile(source, "inner.py", "exec"), names)
    hub = Hub()
    hub.load([("example", names["Example"]())])
    places = stall.Places(hub)
    said = places.of(names["found"](lambda: sys._getframe()))
    assert said.startswith("plugin=example hook=- in=found@inner.py:8 innermost=") and "<lambda>@" in said
    assert "example" not in places.of(sys._getframe())
    assert "hook=- in=test_" in places.of(sys._getframe())


def test_the_thread_ends_with_the_watch(watch):
    before = set(sys._current_frames())
    one, _ = watch()
    assert len(set(sys._current_frames()) - before) == 1
    one.stop()
    until(lambda: not set(sys._current_frames()) - before)
    one.stop()


def test_the_thread_ends_though_it_is_about_to_complain(watch):
    before = set(sys._current_frames())
    one, _ = watch(seconds=20)
    native(0.2)  # it has seen that this code runs, and waits for whether it goes on
    one.stop()
    until(lambda: not set(sys._current_frames()) - before)
