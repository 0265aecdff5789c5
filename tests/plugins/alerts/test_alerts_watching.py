"""Each trouble is told once when it begins and once when it is over, whatever the clock says."""

import pytest
from chatgate_alerts.watching import Watching
from chatgate_alerts.words import Message, message, moment, span
from hypothesis import given, settings
from hypothesis import strategies as st

from chatgate.api import Trouble

NOW = 1_800_000_000.0


def trouble(key="disk", since=0.0, what="the disk is full"):
    return Trouble(key, what, since, "df -h")


def looks(watching, *found, begin=120, end=300, now=NOW):
    """found: at each minute, what is there. The events of each look, as (kind, key)."""
    told = []
    for minute, keys in enumerate(found):
        events = watching.look([trouble(key) for key in keys.split()], 60.0 * minute, now, begin, end)
        told.append([(event.kind, event.trouble.key) for event in events])
    return told


def test_what_lasts_is_told_once_and_once_when_it_is_over():
    told = looks(Watching(), *["disk"] * 5, *[""] * 9)
    assert told == [[], [], [("begin", "disk")], *[[]] * 7, [("end", "disk")], *[[]] * 3]


def test_what_passes_by_itself_is_not_told_and_what_comes_and_goes_is_told_once():
    assert looks(Watching(), "disk", "disk", "", "disk", "disk", "") == [[]] * 6
    told = looks(Watching(), *["disk"] * 3, *["", "disk", "", ""] * 5)
    assert [event for events in told for event in events] == [("begin", "disk")]


def test_after_a_restart_nothing_is_told_again_and_the_end_is():
    watching = Watching([trouble()])
    assert looks(watching, *["disk"] * 9) == [[]] * 9
    assert watching.told() == [trouble()]
    assert looks(Watching([trouble()]), *[""] * 7)[5] == [("end", "disk")]


def test_since_when_is_what_the_plugin_says_or_when_it_was_seen_first():
    watching = Watching()
    for minute in range(3):
        found = [trouble("a", NOW - 999), trouble("b", 0.0, f"{minute} MB are free")]
        events = watching.look(found, 60.0 * minute, NOW + 60 * minute, 120, 300)
    assert [(one.trouble.since, one.trouble.what) for one in events] == [
        (NOW - 999, "the disk is full"),
        (NOW, "2 MB are free"),
    ]


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.sets(st.sampled_from("abc")), st.floats(0, 1000), st.floats(-1e12, 1e12)), max_size=60),
    st.integers(0, 200),
    st.integers(0, 400),
)
def test_begin_and_end_take_turns_whatever_happens_to_the_clock_of_day(steps, begin, end):
    watching, steady, ticks = Watching(), Watching(), 0.0
    seen = {}
    for keys, passed, now in steps:
        ticks += passed
        found = [trouble(key) for key in sorted(keys)]
        events = [(one.kind, one.trouble.key) for one in watching.look(found, ticks, now, begin, end)]
        assert events == [(one.kind, one.trouble.key) for one in steady.look(found, ticks, NOW, begin, end)]
        for kind, key in events:
            assert kind == ("end" if seen.get(key) == "begin" else "begin")
            seen[key] = kind
    assert {one.key for one in watching.told()} == {key for key, kind in seen.items() if kind == "begin"}


def events(*keys, kind="begin"):
    return [(kind, trouble(key, NOW - 7200), NOW) for key in keys]


def made(*given) -> Message:
    from chatgate_alerts.watching import Event

    return message("abc", "example.org", [Event(*one) for one in given])


def test_a_message_says_what_happened_since_when_and_what_to_type():
    (said,) = [made(*events("disk"))]
    assert said.title == "example.org: trouble: disk"
    assert said.text == (
        "example.org\n\n⚠️ The disk is full.\nSince Friday 15 January, 06:00 UTC (2 hours).\nTo do: df -h"
    )
    assert said.facts["events"][0]["since"] == "2027-01-15T06:00:00Z" and said.facts["id"] == "abc"
    over = made(*events("disk", kind="end"))
    assert over.title == "example.org: over: disk" and "✅ Over after 2 hours: the disk is full." in over.text


def test_many_are_put_together_and_the_text_stays_short():
    said = made(*events(*map(str, range(500))), *events("x", kind="end"))
    assert said.title == "example.org: 500 troubles, 1 over" and len(said.text) < 5000
    assert said.text.endswith("and 471 more: chatgate alerts list") and len(said.facts["events"]) == 30


@pytest.mark.parametrize("at", [-1e300, -1.0, 0.0, 1e300])
def test_no_time_is_too_strange_to_be_said(at):
    assert moment(at) and span(at)
