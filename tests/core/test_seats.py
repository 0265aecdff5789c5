"""Room for connections: who has to give up a place."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatgate.network.seats import Seat, Seats


class House:
    """Seats with a clock of their own, and who is still in them."""

    def __init__(self, strangers=4, known=4, per_client=3, patience=0.0):
        self.now = 0.0
        self.seats = Seats("test", strangers, known, per_client, patience, lambda: self.now)
        self.inside = {}

    def come(self, name, peer):
        seat = Seat(peer, lambda: self.inside.pop(name))
        if self.seats.take(seat):
            self.inside[name] = seat
            return True
        return False

    def leave(self, name):
        self.seats.leave(self.inside.pop(name))


def test_one_neighbourhood_cannot_take_all_places():
    house = House()
    for number in range(8):
        assert house.come(f"evil {number}", f"192.0.2.{number}")
    assert house.come("honest", "198.51.100.1")
    for number in range(8, 99):
        assert house.come(f"evil {number}", f"192.0.2.{number}")
    assert sorted(house.inside) == ["evil 96", "evil 97", "evil 98", "honest"]


def test_one_client_displaces_its_own():
    house = House()
    house.come("honest", "192.0.2.2")
    for number in range(9):
        assert house.come(f"evil {number}", "192.0.2.1")
    assert sorted(house.inside) == ["evil 6", "evil 7", "evil 8", "honest"]


def test_people_who_are_logged_in_are_not_displaced():
    house = House(known=3)
    for number in range(3):
        house.come(number, f"192.0.2.{number}")
        house.seats.log_in(house.inside[number])
    for number in range(3, 99):
        assert house.come(number, f"192.0.2.{number}")
    assert sorted(house.inside) == [0, 1, 2, 95, 96, 97, 98]
    assert house.seats.taken == (4, 3)


def test_who_logs_in_when_the_house_is_full_is_the_newest_stranger():
    house = House(known=1)
    for number in range(4):
        house.come(number, "198.51.100.1" if number else "192.0.2.1")
    house.seats.log_in(house.inside[3])
    house.seats.log_in(house.inside[1])
    house.seats.log_in(house.inside[1])
    assert house.seats.taken == (3, 1)
    assert house.come(4, "192.0.2.4") and house.come(5, "203.0.113.5")
    assert sorted(house.inside) == [1, 3, 4, 5] or sorted(house.inside) == [0, 1, 3, 4, 5]
    house.leave(3)
    house.seats.log_in(house.inside[1])
    assert house.seats.taken[1] == 1


def test_where_nobody_logs_in_a_place_is_sure_for_a_while():
    house = House(patience=30.0)
    for number in range(3):
        assert house.come(number, "192.0.2.1")
    assert not house.come("same client", "192.0.2.1")
    assert house.come(3, "198.51.100.1")
    assert not house.come("same neighbourhood", "192.0.2.9")
    assert house.come("other neighbourhood", "203.0.113.1"), "one has three places and others have none"
    assert 0 not in house.inside
    house.now = 31.0
    assert house.come("later", "192.0.2.9") and 1 not in house.inside


def test_this_machine_has_no_limit_of_its_own():
    house = House(strangers=10)
    for number in range(10):
        assert house.come(number, "127.0.0.1" if number % 2 else "")
    assert len(house.inside) == 10
    assert house.come("another", "192.0.2.1") and 0 not in house.inside


def test_the_operator_hears_of_it_once_a_minute(caplog):
    house = House(strangers=1, per_client=1, patience=30.0)
    for number in range(100):
        house.come(number, "192.0.2.1")
    assert len(caplog.records) == 1 and "service=test" in caplog.text and "192.0" not in caplog.text
    house.now = 61.0
    house.come(100, "192.0.2.1")
    assert len(caplog.records) == 2 and "refused=98" in caplog.records[1].getMessage()


PEERS = st.sampled_from(["", "192.0.2.1", "192.0.2.2", "198.51.100.1", "203.0.113.1", "2001:db8::1", "2001:db8:0:1::1"])
STEPS = st.lists(st.tuples(st.sampled_from(["come", "come", "come", "leave", "log in"]), PEERS, st.integers(0, 99)))


@given(STEPS, st.integers(1, 4), st.sampled_from([0.0, 2.5]))
def test_whatever_happens_the_books_are_right(steps, per_client, patience):
    house = House(strangers=5, known=3, per_client=per_client, patience=patience)
    for number, (step, peer, which) in enumerate(steps):
        house.now += 1.0
        names = list(house.inside)
        if step == "come":
            before = set(house.inside)
            came = house.come(number, peer)
            assert len(before - set(house.inside)) <= came  # at most one goes for one that comes
        elif names and step == "leave":
            house.leave(names[which % len(names)])
        elif names:
            house.seats.log_in(house.inside[names[which % len(names)]])
        strangers = [seat for seat in house.inside.values() if not seat.known]
        known = [seat for seat in house.inside.values() if seat.known]
        assert house.seats.taken == (len(strangers), len(known))
        assert len(strangers) <= 5 and len(known) <= 3
        for room in (strangers, known):
            counts = Counter(seat.client for seat in room if seat.client)
            assert not counts or max(counts.values()) <= per_client
        weights = Counter(seat.network for seat in strangers)
        assert house.seats._strangers.heaviest == max(weights.values(), default=0)
    for name in list(house.inside):
        house.leave(name)
    assert house.seats.taken == (0, 0) and not house.seats._strangers._by_weight and not house.seats._known


@pytest.mark.parametrize("known", [False, True])
def test_leaving_twice_is_leaving_once(known):
    house = House()
    house.come(1, "192.0.2.1")
    seat = house.inside[1]
    if known:
        house.seats.log_in(seat)
    house.leave(1)
    house.seats.leave(seat)
    house.seats.log_in(seat)
    assert house.seats.taken == (0, 0)
