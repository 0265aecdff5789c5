"""A host that is down costs one try now and then."""

from __future__ import annotations

import time

import gevent
import pytest
from chatgate_courier.transport import TransportOptions
from chatgate_courier.transport.breaker import Breaker, Memory
from hypothesis import given
from hypothesis import strategies as st
from peers import TROUBLE, World, codes, text

from chatgate.testing import until

OK = {"bob": (250, "2.0.0")}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(TransportOptions(failures_in_a_row=3, pause_seconds=10.0, max_pause_seconds=60.0), clock)


def test_some_failures_in_a_row_open_it(breaker: Breaker, clock: Clock):
    for _ in range(2):
        assert breaker.begin() is False and breaker.failed(False) == 0
    breaker.succeeded()
    for _ in range(2):
        assert breaker.begin() is False and breaker.failed(False) == 0
    assert breaker.begin() is False and 8 <= breaker.failed(False) <= 12
    assert breaker.begin() is None and clock.now + 8 <= breaker.until() <= clock.now + 12


def test_after_the_pause_one_tries_and_the_others_wait(breaker: Breaker, clock: Clock):
    for _ in range(3):
        breaker.failed(False)
    clock.now = breaker.until()
    assert breaker.until() == 0 and breaker.begin() is True
    assert breaker.begin() is None and breaker.until() == clock.now + 10
    assert breaker.succeeded() is True
    assert breaker.begin() is False and breaker.until() == 0


def test_pauses_grow_up_to_a_limit(breaker: Breaker, clock: Clock):
    for _ in range(2):
        breaker.failed(False)
    pauses = [breaker.failed(False)]
    for _ in range(8):
        clock.now = breaker.until()
        assert breaker.begin() is True
        pauses.append(breaker.failed(True))
    assert pauses[1] > pauses[0] and max(pauses) <= 60 and pauses[-1] >= 48


def test_tries_that_began_before_say_nothing_new(breaker: Breaker, clock: Clock):
    began = [breaker.begin() for _ in range(10)]
    assert [bool(breaker.failed(bool(one))) for one in began] == [False, False, True] + [False] * 7


def test_a_probe_that_was_killed_leaves_room_for_another(breaker: Breaker, clock: Clock):
    for _ in range(3):
        breaker.failed(False)
    clock.now = breaker.until()
    probe = breaker.begin()
    breaker.abandoned(bool(probe))
    assert breaker.begin() is True
    clock.now += 901  # one that never came back
    assert breaker.begin() is True


@given(st.lists(st.sampled_from(["begin", "fail", "succeed", "wait", "abandon"]), max_size=60))
def test_there_is_never_more_than_one_probe_and_never_none_for_ever(steps: list[str]):
    clock = Clock()
    breaker = Breaker(TransportOptions(failures_in_a_row=2, pause_seconds=10.0, max_pause_seconds=40.0), clock)
    under_way: list[bool] = []
    for step in steps:
        if step == "begin" and (probe := breaker.begin()) is not None:
            under_way.append(probe)
            assert not probe or sum(under_way) == 1
        elif step == "wait":
            clock.now += 7
        elif under_way:
            probe = under_way.pop()
            if step == "fail":
                breaker.failed(probe)
            elif step == "succeed":
                breaker.succeeded()
                under_way = [False] * len(under_way)
            elif step == "abandon":
                breaker.abandoned(probe)
        assert breaker.until() <= clock.now + 40
    for probe in under_way:
        breaker.abandoned(probe)
    clock.now += 41
    assert breaker.begin() is not None


def test_memory_is_bounded(clock: Clock):
    memory = Memory(TransportOptions(known_hosts=10), clock)
    for i in range(100):
        memory.breaker(f"h{i}")
        memory.mark_smtp_only(f"h{i}")
        memory.learn_hosts(f"d{i}", (f"h{i}",))
    assert len(memory._breakers) == len(memory._smtp_only) == len(memory._hosts) == 10
    assert memory.smtp_only("h99") and not memory.smtp_only("h1")


def test_a_host_that_refuses_connections_is_left_alone_then_tried_once(world: World):
    mx = world.mx()
    port, world.options["failures_in_a_row"] = mx.port, 2
    mx.stop()
    assert world.transports.down_until("peer.test") == 0
    for _ in range(2):
        assert text(world.deliver()) == f"mx.peer.test refuses connections at port {port}"
    ((name, since, domains),) = world.transports.unreachable()
    assert (name, domains) == ("mx.peer.test", ("peer.test",)) and time.time() - 60 < since <= time.time()
    until_then = world.transports.down_until("peer.test")
    assert world.now + 8 <= until_then <= world.now + 12
    outcome = world.deliver()
    assert text(outcome) == "mx.peer.test could not be reached lately, and is left alone for a while"
    assert outcome.until == until_then and codes(outcome) == {"bob": (451, "4.4.1")}
    world.now = until_then
    assert world.transports.down_until("peer.test") == 0
    world._servers.remove(mx)
    world.mx()
    assert codes(world.deliver()) == OK and world.transports.down_until("peer.test") == 0
    assert world.transports.unreachable() == []


def test_while_one_tries_the_others_are_told_to_wait(world: World):
    world.options |= {"failures_in_a_row": 1, "reply_seconds": 0.3}
    mx = world.mx()
    mx.says["greeting"] = lambda c: None
    world.deliver()
    world.now = world.transports.down_until("peer.test")
    outcomes = [gevent.spawn(world.deliver) for _ in range(20)]
    until(lambda: mx.connections == 2)
    assert world.transports.down_until("peer.test") == world.now + 10
    gevent.joinall(outcomes)
    assert mx.connections == 2
    assert sum(text(one.value).startswith("mx.peer.test could not be") for one in outcomes) == 19


def test_one_host_of_two_that_is_up_is_enough(world: World):
    world.options["failures_in_a_row"] = 1
    world.mx("mx2.peer.test", "127.0.0.2")
    world.dns.hosts["mx.peer.test"] = ("127.0.0.1",)
    world.dns.exchanges["peer.test"] = ((10, "mx.peer.test"), (20, "mx2.peer.test"))
    for _ in range(3):
        assert codes(world.deliver()) == OK
    assert world.transports.down_until("peer.test") == 0


def test_refusals_do_not_count(world: World):
    world.options["failures_in_a_row"] = 1
    mx = world.mx()
    for key, said in (("RCPT", b"451 4.7.1 later\r\n"), (".", b"554 5.7.1 no\r\n"), ("greeting", b"421 busy\r\n")):
        mx.says = {key: said}
        world.transports.close()
        world._made = None
        world.deliver()
        assert world.transports.down_until("peer.test") == 0


def test_a_domain_whose_dns_does_not_answer_is_left_alone_too(world: World):
    world.options["failures_in_a_row"] = 2
    world.dns.exchanges["peer.test"] = TROUBLE
    for _ in range(5):
        assert codes(world.deliver()) == {"bob": (451, "4.4.3")}
    assert world.dns.asked["peer.test"] == 2
    assert world.transports.down_until("peer.test") > world.now
    del world.dns.exchanges["peer.test"]
    world.mx()
    world.now = world.transports.down_until("peer.test")
    assert codes(world.deliver()) == OK and world.transports.down_until("peer.test") == 0


def test_retry_after_is_kept_to(world: World):
    from peers import response

    world.web().answer = response("503 Unavailable", "451 4.7.1 later", "Retry-After: 999999")
    assert world.deliver().until == world.now + 3600
