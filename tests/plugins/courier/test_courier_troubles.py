"""What the operator is told of the queue and of servers that are down."""

from types import SimpleNamespace

from chatgate_courier.options import CourierOptions
from chatgate_courier.transport import Transports
from chatgate_courier.troubles import troubles

HOUR, NOW = 3600.0, 1_800_000_000.0


class Down(Transports):
    def __init__(self, *names):
        self.names = list(names)

    def unreachable(self):
        return self.names


def told(down=(), due=None, count=0):
    store = SimpleNamespace(next_due=lambda: due, count_queue=lambda: count)
    options = CourierOptions(unreachable_seconds=2 * HOUR, many_waiting=3, late_seconds=900.0)
    found = troubles(SimpleNamespace(store=store), options, Down(*down), NOW)
    return {one.key: one for one in found}


def test_a_server_that_is_down_for_long_is_named_with_what_to_type():
    down = [("mx.peer.test", NOW - 2 * HOUR - 1, ("peer.test",)), ("@gone.test", NOW - HOUR, ())]
    (found,) = told(down).values()
    assert found.key == "breaker:mx.peer.test" and found.since == NOW - 2 * HOUR - 1
    assert "mx.peer.test cannot be reached" in found.what
    assert found.do == "chatgate doctor peer.test; chatgate queue list --domain peer.test"
    (found,) = told([("@gone.test", NOW - 3 * HOUR, ())]).values()
    assert "the DNS does not answer for gone.test" in found.what and "doctor gone.test" in found.do


def test_those_that_are_down_for_longest_are_named_when_there_are_many():
    many = [(f"h{n:03}.test", NOW - 9 * HOUR - n, ()) for n in range(500)]
    assert sorted(told(many)) == [f"breaker:h{n:03}.test" for n in range(480, 500)]


def test_a_queue_that_is_long_and_one_that_is_not_worked_on():
    assert told(due=NOW + 99, count=3) == told(due=NOW - 900) == {}
    assert told(count=4)["queue:long"].what.startswith("4 messages")
    late = told(due=NOW - 1000)["queue:late"]
    assert late.since == NOW - 1000 and "17 min ago" in late.what


def test_a_gateway_with_the_courier_asks_it(world):
    made = world("gate")
    assert made.gateway.troubles() == []
