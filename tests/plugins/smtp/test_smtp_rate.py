"""How often an account may send: the rule by itself, and over the wire, where RCPT waits or refuses."""

from collections import Counter

import gevent
import pytest
from chatgate_smtp.driver import Stream
from chatgate_smtp.rate import Rate, Turn
from hypothesis import given
from hypothesis import strategies as st
from smtp_wire import ALICE, BOB, Wire

from chatgate.api import Reply


def waits(rate, count, now):
    """Seconds to wait for so many at once; minus those after which to come again."""
    turns = [rate.take(1, now) for _ in range(count)]
    return [turn.wait if isinstance(turn, Turn) else -turn for turn in turns]


def test_a_burst_goes_through_and_then_the_average():
    rate = Rate(60, 10)
    assert waits(rate, 12, 100.0) == [0] * 10 + [-1, -1]
    assert rate.take(2, 100.0).wait == 0  # others are not concerned
    assert waits(rate, 1, 100.9) == [-1]
    assert waits(rate, 2, 101.0) == [0, -1]
    assert waits(rate, 11, 1000.0) == [0] * 10 + [-1]


def test_who_is_ahead_waits_for_some_seconds():
    rate = Rate(60, 10, hold=3, most=100, most_each=100)
    assert waits(rate, 15, 100.0) == [0] * 10 + [1, 2, 3, -4, -4]
    assert waits(rate, 2, 101.0) == [3, -4]


def test_who_goes_on_for_a_minutes_worth_is_sent_away():
    rate, now, taken = Rate(60, 10, hold=10, most=100, most_each=100), 0.0, 0
    while isinstance(turn := rate.take(1, now), Turn):
        taken, now = taken + 1, now + turn.wait
    assert (taken, turn) == (60, 1)
    assert waits(rate, 1, now + 1) == [0], "and comes back at the average"


def test_so_many_wait_and_no_more():
    rate = Rate(60, 1, hold=100, most=3, most_each=2)
    assert isinstance(rate.take(1, 0.0), Turn) and isinstance(rate.take(2, 0.0), Turn)
    first, second = rate.take(1, 0.0), rate.take(1, 0.0)
    with rate.waiting(first), rate.waiting(second):
        assert isinstance(rate.take(1, 0.0), int)
        with rate.waiting(rate.take(2, 0.0)):
            assert isinstance(rate.take(2, 0.0), int)
        assert isinstance(rate.take(2, 0.0), Turn)
    assert not rate._waiting
    assert isinstance(rate.take(1, 0.0), Turn)


def test_what_was_not_taken_is_given_back():
    rate = Rate(60, 2)
    for _ in range(20):
        rate.give_back(rate.take(1, 100.0), 100.0)
    assert waits(rate, 3, 100.0) == [0, 0, -1]
    rate.forget(1)
    rate.give_back(Turn(1, 0.0, 500.0), 100.0)
    assert waits(rate, 3, 100.0) == [0, 0, -1]


def test_turns_cannot_be_saved_up():
    rate = Rate(60, 3)
    old = [rate.take(1, 100.0 + second) for second in range(10)]
    assert waits(rate, 4, 200.0) == [0, 0, 0, -1]
    for turn in old:
        rate.give_back(turn, 200.0)
    assert waits(rate, 1, 200.0) == [-1]


@given(
    st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=60),
    st.integers(1, 120),
    st.integers(1, 10),
    st.sampled_from([0.0, 3.0, 30.0]),
)
def test_never_more_go_through_than_it_says(tries, per_minute, burst, hold):
    """Counted when they go on, after they waited; those given back are as if they had not been."""
    rate, now, passed = Rate(per_minute, burst, hold, 1000, 1000), 0.0, []
    for pause, kept in tries:
        now += pause
        turn = rate.take(7, now)
        if isinstance(turn, Turn) and kept:
            passed.append(now + turn.wait)
        elif isinstance(turn, Turn):
            rate.give_back(turn, now)
    passed.sort()
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - start) * per_minute / 60 + 1e-6


def test_it_says_how_long_to_wait_and_means_it():
    rate = Rate(7, 2)
    assert waits(rate, 2, 0.0) == [0, 0]
    seconds = rate.take(1, 0.0)
    assert isinstance(seconds, int) and waits(rate, 1, float(seconds)) == [0]


def test_those_at_rest_are_forgotten():
    rate = Rate(60, 1, hold=5, most=10, most_each=10)
    for key in range(10000):
        rate.take(key, key * 0.1)
        rate.take(key, key * 0.1)
        assert len(rate._rest) <= 1024 and len(rate._in_a_row) <= 1024
    rate.forget(9999)
    rate.forget(9999)
    assert 9999 not in rate._rest


# ------------------------------------------------------------------------------------------------ over the wire


@pytest.fixture
def pauses(monkeypatch):
    """Seconds that answers were held back for, which are not waited."""
    found = []
    monkeypatch.setattr(Stream, "pause", lambda self, seconds: found.append(round(seconds)))
    return found


def send(client, count, code="250", sender=ALICE):
    for _ in range(count):
        client.start_mail(sender)
        assert client.ask("Subject: x", "", "x", ".")[:3] == code


def test_six_photos_in_a_chat(started, pauses):
    """Each is two messages, and the answers to the last two are held back: none is refused."""
    gateway, fake = started(max_user_send_burst_size=10)
    with Wire(gateway).hello().login() as client:
        send(client, 12)
    assert pauses == [1, 2] and len(fake.mails) == 12


def test_it_is_rcpt_that_refuses(started, pauses):
    gateway, _ = started(max_user_send_burst_size=2, hold_seconds=0.0)
    with Wire(gateway).hello().login() as client:
        for _ in range(2):
            client.start_mail(ALICE, BOB, "carol@example.org", "dave@example.org")  # one message, however many get it
            assert client.ask(".").startswith("250 ")
        assert client.refused(ALICE) == "450 4.7.1 Too much mail from <alice@example.org>, wait 1 s"
        with Wire(gateway).hello().login("bob@example.org") as other:
            send(other, 1, sender="bob@example.org")
        assert client.refused("bob@example.org").startswith("553 5.7.1 ")
        client.send(f"MAIL FROM:<{ALICE}>", *[f"RCPT TO:<{BOB}>"] * 3, "DATA", "NOOP")
        assert [reply[:9] for reply in client.replies(6)] == [
            "250 2.1.0",
            "450 4.7.1",
            "450 4.7.1",
            "450 4.7.1",
            "554 5.5.1",
            "250 2.0.0",
        ]
    with Wire(gateway, "mx").hello().start_tls() as server:
        for _ in range(5):
            assert server.ask("MAIL FROM:<alice@example.org>", "RSET") == "250 2.1.0 OK"
            server.reply()
    assert pauses == []


def test_a_refused_message_does_not_count(started, pauses):
    gateway, fake = started(max_user_send_burst_size=2, hold_seconds=0.0, max_errors=1000)
    fake.answers["filter"] = lambda session, envelope: Reply(523, "", "Encryption Needed")
    with Wire(gateway).hello().login() as client:
        send(client, 5, code="523")
        for _ in range(5):
            client.send(f"MAIL FROM:<{ALICE}>", f"RCPT TO:<{BOB}>", "RSET")
            assert [reply[:3] for reply in client.replies(3)] == ["250"] * 3
        for _ in range(5):  # gone in the middle
            with Wire(gateway).hello().login() as other:
                other.start_mail()
                other.send("half a")
        gevent.sleep(0.05)
        del fake.answers["filter"]
        send(client, 2)
        assert client.refused(ALICE).startswith("450 ")


def test_a_message_waits_its_turn_with_all_that_was_sent_behind_it(started):
    """For real: a pipelining client notices nothing but the time."""
    gateway, fake = started(max_user_send_burst_size=1, max_user_send_per_minute=600)
    with Wire(gateway).hello().login() as client:
        for _ in range(3):
            client.send(f"MAIL FROM:<{ALICE}>", f"RCPT TO:<{BOB}>", "DATA", "Subject: x", "", "x", ".")
        codes = Counter(reply[:3] for reply in client.replies(12))
    assert codes == {"250": 9, "354": 3} and len(fake.mails) == 3


def test_the_gateway_can_stop_while_somebody_waits(started):
    gateway, fake = started(max_user_send_burst_size=1, max_user_send_per_minute=1, hold_seconds=100.0)
    with Wire(gateway).hello().login() as client:
        send(client, 1)
        client.send(f"MAIL FROM:<{ALICE}>", f"RCPT TO:<{BOB}>", "DATA")
        assert client.reply()[0] == 250
        gevent.sleep(0.02)
        gateway.stop()
        assert client.reply() == (421, "4.3.2 Shutting down, try again later")
        assert client.ended()
    smtp = gateway.hub.plugin("smtp")
    assert not smtp.rate._waiting


def test_who_went_away_while_waiting_is_let_go(started, monkeypatch):
    gateway, _ = started(max_user_send_burst_size=1, max_user_send_per_minute=600, hold_seconds=100.0)
    with Wire(gateway).hello().login() as client:
        send(client, 1)
        client.send(f"MAIL FROM:<{ALICE}>", f"RCPT TO:<{BOB}>")
        assert client.reply()[0] == 250
    rate = gateway.hub.plugin("smtp").rate
    with gevent.Timeout(60):
        while rate._waiting:
            gevent.sleep(0.01)
