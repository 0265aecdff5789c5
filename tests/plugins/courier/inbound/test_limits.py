"""What one peer may take, counted by the address that a proxy names, and for both ways together."""

import pytest

from chatgate.testing import SHIPPED, pgp_message, until
from tests.incoming import DOORS, Mxdeliv, Port25, connected

ALICE, BOB = "alice@a.example", "bob@example.org"
GREEDY, OTHER = "203.0.113.9", "198.51.100.7"


@pytest.fixture
def make(gateway_factory):
    def made(**settings):
        core = {"proxy_protocol_from": ("127.0.0.1",)}
        gateway = gateway_factory(*SHIPPED, "courier", core=core, **settings)
        gateway.store.create_account(BOB, "")
        return gateway

    return made


def test_one_peer_does_not_get_all_connections(make):
    gateway = make(smtp={"max_connections": 4, "max_connections_per_address": 2})
    held = [Port25(gateway, GREEDY) for _ in range(2)]
    third = connected(gateway, "mx", GREEDY)
    assert third.recv(100) == b"421 4.7.0 Too many connections, try again later\r\n"
    other = Port25(gateway, OTHER)
    assert other(ALICE, [BOB], pgp_message(ALICE, BOB))[0][:4] == "250 "
    assert held[0](ALICE, [BOB], pgp_message(ALICE, BOB))[0][:4] == "250 ", "what it has it keeps"
    held[1].close()
    until(lambda: next(one for one in gateway.services if one.name == "mx").connections == 2)
    assert Port25(gateway, GREEDY)(ALICE, [BOB], pgp_message(ALICE, BOB))[0][:4] == "250 "


@pytest.mark.parametrize("first", DOORS)
def test_guesses_by_one_way_count_for_the_other(make, first):
    gateway = make(accounts={"unknown_per_sender": 3, "unknown_per_client": 1000})
    guessing = DOORS[first](gateway, GREEDY)
    content = pgp_message(ALICE, BOB)
    assert guessing("m@x.test", [f"guess{number}@example.org" for number in range(4)], content)[3][:9] == "550 5.1.1"
    for name, made in DOORS.items():
        door = made(gateway, GREEDY)
        answers = door("m@x.test", [BOB, "guess9@example.org"], content)
        assert answers == ["450 4.7.1 Too many unknown recipients from you, try again in an hour"] * 2, name
        if isinstance(door, Mxdeliv):
            assert door.status == 503 and door.headers["Retry-After"]
        assert door(ALICE, [BOB], content)[0][:4] == "250 ", "nobody else of that server is meant"
        assert made(gateway, OTHER)("m@x.test", [BOB], content)[0][:4] == "250 "
