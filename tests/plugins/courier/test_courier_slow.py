"""Servers that take for ever hold up nobody else, however many there are and whoever writes to them."""

import gevent
import pytest
from chatgate_courier.sending import underway
from chatgate_courier.sending.underway import GaveWay, Underway
from gevent.event import Event

from chatgate.testing import until


@pytest.fixture
def steady(monkeypatch):
    """Seconds without jumps, which a test lets go by."""
    monkeypatch.setattr(underway, "_LOOKS", 0.01)
    now = [1000.0]
    return now


def slowly(here, ways, steady, *domains, content=b"A: b\r\n\r\nx"):
    """Messages that their servers never answer; returns when all of them are under way."""
    here.courier.dispatcher._handing.underway._clock = lambda: steady[0]
    for domain in domains:
        ways.gates[domain] = Event()
        here.send(f"zoe@{domain}", content=content)
    until(lambda: ways.now == len(domains))


def test_large_messages_to_servers_that_never_answer_leave_room_for_others(world, ways, clock, steady):
    here = world(octets_at_once=1000)
    slowly(here, ways, steady, "tar.test", content=b"A: b\r\n\r\n" + bytes(900))
    here.send("yan@far.test", sender="bob", content=b"A: b\r\n\r\n" + bytes(900))
    gevent.sleep(0.1)
    assert not ways.got, "it has its time"
    steady[0] += 61
    until(lambda: ways.recipients == ["yan@far.test"])
    here.idle()
    (row,) = here.store.queue()
    assert row.domain == "tar.test" and row.due > clock() and (row.reply.code, row.attempts) == (451, 1)
    assert here.inbox() == []


def test_as_many_domains_as_there_are_places_for_leave_some_to_others(world, ways, clock, steady):
    here = world(domains_at_once=3)
    slowly(here, ways, steady, "a.test", "b.test", "c.test")
    here.send("yan@far.test", "xi@other.test", sender="bob")
    here.forward(3)
    gevent.sleep(0.1)
    assert not ways.got and ways.now == 3
    steady[0] += 61

    def there():
        here.forward(3)
        gevent.sleep(0.02)
        return sorted(ways.recipients) == ["xi@other.test", "yan@far.test"]

    until(there)
    for gate in ways.gates.values():
        gate.set()
    here.forward(100)
    here.empty()


def test_as_much_as_is_taken_at_once_leaves_some_to_others(world, ways, clock, steady):
    here = world(waiting=3, waiting_per_account=100)
    slowly(here, ways, steady, "a.test", "b.test", "c.test")
    here.send("yan@far.test", sender="bob")
    here.forward(3)
    gevent.sleep(0.1)
    assert not ways.got
    steady[0] += 61
    here.forward(3)
    until(lambda: ways.recipients == ["yan@far.test"])


def test_while_there_is_place_nobody_gives_way(world, ways, clock, steady):
    here = world()
    slowly(here, ways, steady, "a.test", "b.test")
    steady[0] += 10_000
    here.send("yan@far.test", sender="bob")
    until(lambda: ways.recipients == ["yan@far.test"])
    assert ways.now == 2


def test_each_try_has_longer_than_the_one_before(steady):
    tries, ended = Underway(100, lambda: steady[0]), []

    def slow(attempts):
        try:
            with tries.place(50, attempts):
                Event().wait()
        except GaveWay:
            ended.append(attempts)

    for attempts in (3, 1):
        gevent.spawn(slow, attempts)
    gevent.sleep(0)
    for seconds, gone in ((59, []), (2, [1]), (118, [1]), (2, [1, 3])):
        steady[0] += seconds
        tries.give_way(1)
        gevent.sleep(0.01)
        assert ended == gone
    with tries.place(1000, 1):
        pass


def test_what_ends_by_itself_at_that_moment_is_not_broken_off(steady):
    tries, ends = Underway(100, lambda: steady[0]), Event()

    def quick():
        with tries.place(50, 1):
            ends.wait()
        gevent.sleep(0.01)
        return "well"

    greenlet = gevent.spawn(quick)
    gevent.sleep(0)
    steady[0] += 61
    ends.set()
    tries.give_way(1)
    assert greenlet.get() == "well"
