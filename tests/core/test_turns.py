"""Long lists leave turns to others."""

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatgate.api import in_order, in_turns


@pytest.mark.parametrize("each", [in_turns, lambda items: in_order(items, lambda number: -number)])
def test_others_get_turns(each):
    turns = []

    def other():
        while True:
            turns.append(1)
            gevent.sleep(0)

    task = gevent.spawn(other)
    assert sorted(each(range(5000))) == list(range(5000))
    task.kill()
    assert len(turns) >= 10


@given(st.lists(st.tuples(st.integers(0, 3), st.integers()), max_size=10).map(lambda items: items * 101))
def test_in_order_is_sorted(items):
    assert list(in_order(iter(items), lambda item: item[0])) == sorted(items, key=lambda item: item[0])
    assert list(in_turns(iter(items))) == items
