"""The readers of the benchmark see what is wrong: a benchmark that cannot fail proves nothing."""

from collections import deque
from types import SimpleNamespace

import pytest

from contrib.bench.mail import Copy, Reader, Tally
from contrib.bench.payload import Messages


@pytest.fixture
def tally():
    made = Tally(Messages((4096,)))
    for number in range(3):
        copy = made.copies[number, 0] = Copy()
        copy.sent, copy.accepted = 1.0, 2.0
    return made


@pytest.fixture
def take(tally):
    box = SimpleNamespace(arrivals=deque([5.0]), announced=None)
    reader = Reader(box, 0, tally)
    return lambda content: reader._take(content, 6.0)


def content(tally, number):
    return tally.messages.message(number, "s@example.org", ["r@example.org"])


def test_a_good_copy(tally, take):
    copy = take(b"Received: by example.org\r\n" + content(tally, 1))
    assert copy is tally.copies[1, 0] and (copy.exists, copy.fetched) == (5.0, 6.0)
    assert tally.faults.counts == {}


@pytest.mark.parametrize(
    "harm",
    [
        lambda text: text[:-3] + b"x\r\n",
        lambda text: text[:-2],
        lambda text: text + b"\r\n",
        lambda text: text.replace(b"\r\n--", b"\n--", 2),
    ],
    ids=["an octet", "cut", "more", "line ends"],
)
def test_a_changed_body(tally, take, harm):
    header, _, body = content(tally, 1).partition(b"\r\n\r\n")
    take(header + b"\r\n\r\n" + harm(body))
    assert tally.faults.counts == {"corrupt": 1}


def test_twice(tally, take):
    take(content(tally, 1))
    assert take(content(tally, 1)) is None
    assert tally.faults.counts == {"delivered twice": 1}


def test_a_stranger(tally, take):
    take(content(Tally(Messages((4096,))), 1))
    take(content(tally, 99))
    assert tally.faults.counts == {"not for this mailbox": 2}


def test_lost_is_what_was_accepted_and_never_came(tally, take):
    take(content(tally, 1))
    tally.copies[2, 0].accepted = 0.0  # refused: a fault of its own, but no promise was broken
    tally.close()
    assert tally.faults.counts == {"lost": 1} and tally.faults.samples == ["lost: message 0 for reader 0"]
