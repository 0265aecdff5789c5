"""Servers that ask for addresses to find out which ones there are, and servers that only look like it."""

import pytest
from chatgate_accounts.guesses import TOO_MANY, Guesses

from chatgate.api import Delivery, Envelope, Session

PEER = Session("mx", "203.0.113.5")


@pytest.fixture
def ask(open_gateway):
    gateway = open_gateway(unknown_per_sender=3, unknown_per_client=5)
    gateway.store.create_account("alice@example.org", "")

    def ask(local, sender="m@x.test", session=PEER, origin="peer"):
        envelope = Envelope(sender, origin=origin)
        answer = gateway.intake.resolve(session, envelope, f"{local}@example.org")
        return "yes" if isinstance(answer, Delivery) else f"{answer.code} {answer.enhanced}"

    return ask


def test_a_sender_who_guesses_is_told_nothing_any_more(ask):
    assert [ask(f"guess{number}") for number in range(6)] == ["550 5.1.1"] * 4 + ["450 4.7.1"] * 2
    assert ask("alice") == "450 4.7.1", "whether somebody has it or not"
    assert ask("alice", "other@x.test") == "yes"
    assert ask("alice", session=Session("mx", "198.51.100.1")) == "yes"
    assert ask("alice", session=Session("mxdeliv", "203.0.113.5")) == "450 4.7.1", "by whatever way"
    assert ask("alice", origin="account") == "yes"


def test_guessing_in_many_names_is_the_clients(ask):
    said = [ask(f"guess{number}", f"m{number}@x.test") for number in range(8)]
    assert said == ["550 5.1.1"] * 6 + ["450 4.7.1"] * 2
    assert ask("alice", "who@else.test") == "450 4.7.1"


def test_a_neighbourhood_that_guesses_together(ask):
    said = [ask(f"guess{n}", f"m{n}@x.test", Session("mx", f"203.0.113.{n}")) for n in range(25)]
    assert said == ["550 5.1.1"] * 21 + ["450 4.7.1"] * 4


def test_a_group_with_members_who_are_gone_can_write_as_often_as_it_likes(ask):
    for number in range(200):
        sender = f"member{number % 7}@x.test"
        assert [ask(one, sender) for one in ("gone1", "GONE2", "gone3", "alice")] == ["550 5.1.1"] * 3 + ["yes"]


def test_this_machine_is_no_client(ask):
    for number in range(20):
        assert ask(f"guess{number}", session=Session("mx", "127.0.0.1")) == "550 5.1.1"


def test_no_address_is_kept(open_gateway):
    guesses = Guesses(1, 1)
    guesses.note(PEER, "sender@x.test", "somebody@example.org")
    kept = str([vars(limiter) for limiter in vars(guesses).values()])
    assert "somebody" not in kept and "sender" not in kept and "203.0.113" not in kept
    assert guesses.refusal(PEER, "sender@x.test") is None
    guesses.note(PEER, "sender@x.test", "another@example.org")
    assert guesses.refusal(PEER, "sender@x.test") is TOO_MANY


@pytest.mark.parametrize("name", ["unknown_per_sender", "unknown_per_client"])
def test_limits_are_at_least_one(open_gateway, name):
    with pytest.raises(ValueError, match=name):
        open_gateway(**{name: 0})
