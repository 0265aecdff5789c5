"""When the disk will be full, from its history."""

import pytest
from chatgate_sweeper.forecast import Forecast, reaches
from hypothesis import given
from hypothesis import strategies as st

NOW, HOUR, DAY, GB = 1_800_000_000.0, 3600.0, 86400.0, 1e9


def falling(hours, per_day, now=10 * GB, wave=0.0):
    """A value that falls so much in a day, with a swing by day and night."""
    return [
        (NOW - hour * HOUR, now + per_day * hour / 24 + (wave if hour // 12 % 2 else -wave))
        for hour in range(hours, -1, -1)
    ]


@pytest.mark.parametrize("hours", [6, 24, 72])
def test_a_straight_line_is_drawn_on(hours):
    assert reaches(falling(hours, 3 * GB), GB, NOW) == pytest.approx(NOW + 3 * DAY)


def test_day_and_night_do_not_matter_much():
    assert reaches(falling(72, 3 * GB, wave=0.3 * GB), GB, NOW) == pytest.approx(NOW + 3 * DAY, abs=DAY / 2)


@pytest.mark.parametrize(
    "points",
    [[], falling(5, 3 * GB), falling(72, 0.0), falling(72, -GB), falling(72, 3 * GB, now=0.5 * GB), [(NOW, GB)] * 9],
)
def test_nothing_is_said_where_nothing_is_known_or_nothing_falls(points):
    assert reaches(points, GB, NOW) == 0.0


def test_what_a_clock_that_was_ahead_has_left_does_not_count():
    assert reaches([*falling(72, 3 * GB), (NOW + 900 * DAY, 5.0)], GB, NOW) == pytest.approx(NOW + 3 * DAY)


@given(st.lists(st.tuples(st.floats(NOW - 9 * DAY, NOW + DAY), st.floats(0, 1e15)), max_size=50))
def test_any_history_is_taken(points):
    assert reaches(sorted(points), GB, NOW) >= 0.0


class History:
    asked = 0

    def __init__(self, points):
        self.points = points

    def series(self, name, labels=None, since=0.0):
        assert name == "chatgate_maildb_free_bytes" and since == NOW - 3 * DAY
        self.asked += 1
        return self.points


def test_the_operator_is_told_days_ahead_and_the_history_is_not_read_each_time(gateway, disk, monkeypatch):
    history, plugin = History(falling(72, 3 * GB)), gateway.hub.plugin("sweeper")
    real = gateway.hub.plugin
    monkeypatch.setattr(gateway.hub, "plugin", lambda name: history if name == "metrics" else real(name))
    plugin.forecast = Forecast(gateway, lambda: NOW)
    for _ in range(3):
        (found,) = (one for one in gateway.troubles() if one.key != "gate")
        assert found.key == "disk:soon" and "full by about Monday 18 January" in found.what
    assert history.asked == 1
    object.__setattr__(plugin.options, "full_within_days", 2.0)
    assert [one.key for one in gateway.troubles()] == ["gate"]
    disk.free = 900_000_000
    assert "disk:soon" not in [one.key for one in gateway.troubles()]
