"""What is wrong with a gateway, as it says itself."""

import time

import pytest

from chatgate import trouble
from chatgate.api import Background, Episode, Trouble, hookimpl
from chatgate.hosting.confd import LeftOut
from chatgate.testing import until

STORE = ("tls", "maildb")


@pytest.fixture
def clock(monkeypatch):
    """Both clocks of an Episode; they can be set apart, as by a leap of the time of day."""

    class Clock:
        ticks, wall = 5000.0, 1_800_000_000.0

        def go(self, seconds):
            self.ticks += seconds
            self.wall += seconds

    one = Clock()
    monkeypatch.setattr(trouble, "ticks", lambda: one.ticks)
    monkeypatch.setattr(trouble.time, "time", lambda: one.wall)
    return one


def test_an_episode_lasts_until_all_goes_well_for_a_while(clock):
    one = Episode(600)
    assert one.since() is None
    one.happened()
    clock.go(500)
    one.happened()
    clock.go(600)
    assert (one.count, one.since()) == (2, clock.wall - 1100)
    clock.go(1)
    assert one.since() is None
    one.happened()
    assert (one.count, one.since()) == (1, clock.wall)
    one.ended()
    assert one.since() is None


def test_a_clock_that_leaps_neither_ends_an_episode_nor_makes_it_older(clock):
    one = Episode(600)
    one.happened()
    for leap in (10**7, -(10**8)):
        clock.wall += leap
        clock.go(10)
        assert one.since() == clock.wall - (clock.ticks - 5000)


@pytest.mark.parametrize(
    "bent",
    [
        {"key": ""},
        {"key": "a b"},
        {"key": "x" * 201},
        {"what": ""},
        {"what": "a\nb"},
        {"do": "\x1b[2J"},
        {"do": "x" * 501},
    ],
)
def test_a_trouble_is_one_line_with_a_key(bent):
    with pytest.raises(ValueError):
        Trouble(**{"key": "disk", "what": "it is full", "since": 0.0, "do": "df -h", **bent})


class Owner:
    def __init__(self, *said):
        self.said = said

    @hookimpl
    def chatgate_troubles(self, gateway):
        return [one() if callable(one) else one for one in self.said]


def of(owner, name="owner"):
    def made(gateway, options):
        return owner

    made.__name__ = name
    return made


def keys(gateway):
    return [one.key for one in gateway.troubles()]


def fails():
    raise RuntimeError("secret words")


def test_all_plugins_are_asked_and_a_key_is_there_once(gateway_factory):
    first, again = Trouble("disk", "first", 5, "df"), Trouble("disk", "second", 5, "df")
    gateway = gateway_factory(*STORE, "gate", of(Owner(first)), of(Owner(again, Trouble("x", "y", 0, "z")), "other"))
    assert [one.key for one in gateway.troubles()] == ["disk", "x"] and first in gateway.troubles()


@pytest.mark.parametrize("answer", [fails, lambda: "disk"])
def test_a_plugin_that_cannot_say_what_is_wrong_is_what_is_wrong(gateway_factory, answer, caplog):
    gateway = gateway_factory(
        *STORE, "gate", of(Owner(answer)), of(Owner(Trouble("disk", "full", 0, "df -h")), "other")
    )
    assert keys(gateway) == ["disk"]
    name, found = gateway.troubles()[0].key, gateway.troubles()[0]
    assert name.startswith("plugin:") and "chatgate_troubles" in found.what and "--grep 'hook failed" in found.do
    assert "disk" in keys(gateway) and "secret" not in str(gateway.troubles())


def test_a_plugin_is_in_trouble_until_it_does_well_for_a_while(gateway_factory, clock):
    class Fails:
        @hookimpl
        def chatgate_account_removed(self, account):
            raise RuntimeError("secret words")

    gateway = gateway_factory(*STORE, "gate", of(Fails()))
    for _ in range(3):
        gateway.hub.account_removed(account=None)
        clock.go(60)
    (found,) = gateway.troubles()
    assert found.key.startswith("plugin:") and found.since == clock.wall - 180
    assert "failed 3 times" in found.what and "chatgate_account_removed" in found.what
    clock.go(900)
    assert gateway.troubles() == []


def test_a_plugin_that_was_left_out_and_a_gateway_without_a_gate(gateway_factory):
    gateway = gateway_factory(*STORE)
    assert keys(gateway) == ["gate"]
    gateway.left_out.append(LeftOut("radio", "70-radio.toml:\n no such thing " + "x" * 900))
    assert keys(gateway) == ["gate", "plugin:radio"]


def test_a_service_that_ends_again_and_again(gateway_factory):
    class Short(Background):
        shortest = 0.01

    class Serves:
        @hookimpl
        def chatgate_services(self):
            return [Short("radio", lambda: None)]

    gateway = gateway_factory(*STORE, "gate", of(Serves()))
    (found,) = until(gateway.troubles)
    assert found.key == "service:radio" and time.time() - 60 < found.since <= time.time()


def test_a_gateway_that_stood_still(gateway_factory):
    gateway = gateway_factory(*STORE, "gate")

    class Watch:
        lately, worst = Episode(), (3.21, "plugin=radio hook=filter in=listen@radio.py:3")

    gateway.watch = Watch()
    assert gateway.troubles() == []
    for _ in range(2):
        Watch.lately.happened()
        assert gateway.troubles() == []
    Watch.lately.happened()
    (found,) = gateway.troubles()
    assert found.key == "stall" and "3 times, for up to 3.2 s (plugin radio)" in found.what
    Watch.lately, Watch.worst = Episode(), (9.0, "")
    Watch.lately.happened()
    assert "for up to 9.0 s: everybody" in gateway.troubles()[0].what
