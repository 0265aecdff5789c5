"""The history: a sample a minute, one an hour, in a file that stays small."""

import os

import pytest
from chatgate_metrics.history import History, rates
from hypothesis import given, settings
from hypothesis import strategies as st

from chatgate.api import Distribution, Metric

T = 1_800_000_000


@pytest.fixture
def history(tmp_path):
    one = History(tmp_path / "data/metrics.db", 86400, 90 * 86400, 50)
    yield one
    one.file.close()


def sample(n, **more):
    queue = Metric("chatgate_queue", "q", "gauge", ("age",), {("hour",): n, ("day",): 2 * n, **more})
    return [queue, Metric.single("chatgate_sent", "s", "counter", n)]


def test_what_was_noted_is_read_by_name_and_labels(history):
    for n in range(3):
        history.note(T + 60 * n, sample(n))
    assert history.read("chatgate_queue", {"age": "day"}, 0) == [(T, 0), (T + 60, 2), (T + 120, 4)]
    assert history.read("chatgate_queue", {}, T + 61) == [(T + 120, 6)]
    assert history.read("chatgate_sent_total", {}, 0) == [(T, 0), (T + 60, 1), (T + 120, 2)]
    assert history.read("chatgate_sent", {}, 0) == history.read("chatgate_queue", {"age": "year"}, 0) == []


def test_a_series_that_comes_later_or_goes_has_gaps(history):
    history.note(T, sample(1))
    history.note(T + 60, [Metric.single("chatgate_new", "n", "gauge", 7), *sample(2)])
    history.note(T + 120, [])
    assert history.read("chatgate_new", {}, 0) == [(T + 60, 7)]
    assert history.read("chatgate_sent_total", {}, 0) == [(T, 1), (T + 60, 2)]


def test_a_histogram_is_kept_as_prometheus_has_it(history):
    took = Distribution((0.5, 1))
    for value in (0.1, 0.7, 9):
        took.add(value)
    history.note(T, [Metric.single("chatgate_took_seconds", "t", "histogram", took, "seconds")])
    assert history.read("chatgate_took_seconds_bucket", {"le": "1.0"}, 0) == [(T, 2)]
    assert history.read("chatgate_took_seconds_count", {}, 0) == [(T, 3)]
    assert history.read("chatgate_took_seconds_sum", {}, 0)[0][1] == pytest.approx(9.8)


def test_old_samples_make_room_and_hours_last_longer(tmp_path):
    history = History(tmp_path / "metrics.db", 7200, 48 * 3600, 50)
    for n in range(120):  # every half hour of sixty hours
        history.note(T + 1800 * n, sample(n))
    end = T + 1800 * 119
    points = history.read("chatgate_sent_total", {}, 0)
    assert [time for time, _ in points[-4:]] == [end - 5400, end - 3600, end - 1800, end] and points[-1][1] == 119
    assert {b[0] - a[0] for a, b in zip(points, points[1:-4], strict=False)} == {3600}
    assert points[0][0] > end - 48 * 3600 and len(points) == len(set(points)) < 52
    history.file.close()


def test_the_file_stays_small(history):
    many = Metric("chatgate_many", "m", "gauge", ("n",), {(str(n),): n * 1.1 for n in range(1000)})
    for n in range(30):
        history.note(T + 60 * n, [many])
    count = history.file.run(lambda db: db.execute_sql("SELECT count(*) FROM series").fetchone()[0])
    assert count == 50  # max_series
    history.file.close()
    assert os.path.getsize(history.file.path) < 100_000


def test_a_clock_that_was_ahead_leaves_nothing_behind(history):
    history.note(T + 10**8, sample(1))
    history.note(T, sample(2))
    assert history.read("chatgate_sent_total", {}, 0) == [(T, 2)]


def test_a_damaged_file_is_replaced_while_serving(tmp_path):
    path = tmp_path / "metrics.db"
    path.write_bytes(b"no database" * 1000)
    history = History(path, 3600, 86400, 50)
    history.file.bind()
    history.note(T, sample(1))
    assert history.read("chatgate_sent_total", {}, 0) == [(T, 1)]
    history.file.close()


@given(st.lists(st.tuples(st.integers(1, 600), st.floats(0, 1e9)), max_size=20))
@settings(max_examples=50)
def test_a_rate_is_never_negative_whatever_restarts(steps):
    time, points = T, []
    for step, value in steps:
        time += step
        points.append((time, value))
    found = rates(points)
    assert len(found) == max(0, len(points) - 1) and all(rate >= 0 for _, rate in found)


def test_a_counter_that_began_anew_grew_by_what_it_has():
    assert rates([(0, 10), (10, 20), (20, 5)]) == [(10, 1), (20, 0.5)]
