"""Targets, ratios, faults and comparisons as they are shown."""

from dataclasses import asdict

import pytest

from contrib.bench import report
from contrib.bench.report import FIGURES, Faults, Figure, Result


def result(values, faults=None, **changes):
    fields = {"name": "full", "title": "Full", "checked": 10, "generator": 1.0, "others": 0.0} | changes
    return Result(values=values, faults=faults or Faults(), **fields)


def row(text, start):
    return next(line for line in text.splitlines() if line.strip().startswith(start))


@pytest.mark.parametrize(
    ("figure", "value", "expected"),
    [
        (Figure("t", "ms", limit=6), 6.0, True),
        (Figure("t", "ms", limit=6), 6.1, False),
        (Figure("r", "/s", limit=350, more=True), 350.0, True),
        (Figure("r", "/s", limit=350, more=True), 349.0, False),
        (Figure("x", "ms"), 1e9, True),
    ],
)
def test_met(figure, value, expected):
    assert report.met(figure, value) is expected


def test_targets_are_those_that_the_project_set():
    limits = {key: figure.limit for key, figure in FIGURES.items() if figure.limit is not None}
    assert limits == {
        "rest_memory": 70,
        "rate_exists": 6,
        "rate_cpu": 2.5,
        "full_rate": 350,
        "full_cpu": 2.5,
        "burst_last": 150,
        "new_rate": 200,
        "idle_memory": 35,
        "in_plain_rate": 1000,
        "in_dkim_rate": 600,
        "out_https_rate": 500,
        "out_smtp_rate": 400,
        "relay_exists": 8,
    }


def test_a_row_has_ratios_to_target_and_reference():
    text = report.table([result({"full_rate": 700.0, "full_cpu": 5.0})], judged=True)
    assert row(text, "messages").split() == "messages 700 /s ≥ 350 /s 2.00 ok 79 /s 8.86".split()
    assert row(text, "CPU per message").split() == "CPU per message 5 ms ≤ 2.50 ms 2.00 MISSED 22 ms 0.23".split()
    assert "No faults: all of 10 checks passed" in text


def test_a_quick_run_is_not_judged():
    text = report.table([result({"full_rate": 1.0})], judged=False)
    assert "MISSED" not in text and "350" not in text


def test_faults_and_other_load_cannot_be_overlooked():
    faults = Faults()
    for number in range(7):
        faults.add("lost", f"message {number}")
    text = report.table([result({}, faults, others=0.9)], judged=True)
    assert "FAULT: 7 lost" in text and "lost: message 4" in text and "message 5" not in text
    assert "7 FAULTS in 10 checks" in text and "No faults" not in text
    assert "OTHER PROGRAMS kept 0.9 cores busy" in text


def test_compare_says_which_way_is_better():
    before = {"results": [asdict(result({"full_rate": 400.0, "full_cpu": 2.0, "full_exists": 5.0}))]}
    after = {"results": [asdict(result({"full_rate": 500.0, "full_cpu": 2.5}))]}
    text = report.compare(before, after)
    assert row(text, "full: messages").split()[-2:] == ["1.25", "better"]
    assert row(text, "full: CPU per message").split()[-2:] == ["1.25", "worse"]
    assert "EXISTS" not in text


def test_quantile():
    assert report.quantile([], 0.5) == 0.0
    assert report.quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert report.quantile(range(100), 0.99) == 99
