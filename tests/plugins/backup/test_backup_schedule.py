"""Backups by themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from chatgate_backup.options import BackupOptions
from chatgate_backup.schedule import Schedule

from chatgate.api import Gateway

HOUR = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.steady = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.steady += seconds


class Runs:
    """In place of processes: each command line, and how it fails."""

    def __init__(self, clock: Clock) -> None:
        self.lines: list[list[str]] = []
        self.fails: dict[str, str] = {}
        self._clock = clock

    def __call__(self, line: list[str]) -> str:
        self.lines.append(line)
        if line[0] == "backup" and not self.fails.get("backup"):
            path = Path(line[1])
            path.write_text("x")
            os.utime(path, (self._clock.now, self._clock.now))
        return self.fails.get(line[0], "")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def runs(clock):
    return Runs(clock)


@pytest.fixture
def schedule(folder, runs, clock):
    return Schedule(Gateway.of(folder.path), BackupOptions(every_hours=24.0, keep=2), runs, clock, lambda: clock.steady)


def names(schedule):
    return [path.name for path in schedule.made()]


def test_so_many_are_kept(schedule, clock, runs):
    for _ in range(4):
        assert schedule._due() == 0 and schedule.make()
        assert schedule._due() == 24 * HOUR
        clock.now += 24 * HOUR
    assert len(names(schedule)) == 2 and len(runs.lines) == 8
    assert [line[0] for line in runs.lines[:2]] == ["backup", "restore"]
    assert schedule.problems() == []


@pytest.mark.parametrize("step", ("backup", "restore"))
def test_an_old_one_goes_only_when_a_new_one_is_proven(schedule, clock, runs, caplog, step):
    for _ in range(2):
        assert schedule.make()
        clock.now += 24 * HOUR
    before = names(schedule)
    runs.fails[step] = "the disk is nearly full"
    for _ in range(3):
        assert not schedule.make()
        clock.now += HOUR
    assert names(schedule) == before
    (problem,) = schedule.problems()
    assert problem.level == "error" and "the disk is nearly full" in problem.text
    (trouble,) = schedule.troubles()
    assert trouble.key == "backup" and "the disk is nearly full" in trouble.what
    assert "the disk is nearly full" in caplog.text
    os.utime(schedule.folder / "failed", (clock.now, clock.now))
    assert schedule._due() == HOUR, "a failed one is tried again"
    runs.fails.clear()
    assert schedule.make() and schedule.problems() == schedule.troubles() == [] and len(names(schedule)) == 2


def test_a_late_one_is_told(schedule, clock):
    assert [problem.level for problem in schedule.problems()] == ["warning"] and not schedule.troubles()
    schedule.make()
    made = clock.now
    clock.now += 49 * HOUR
    assert "49 hours old" in schedule.problems()[0].text
    (trouble,) = schedule.troubles()
    assert (trouble.key, trouble.since) == ("backup", made + 24 * HOUR) and "49 hours old" in trouble.what


def test_a_clock_that_was_ahead_does_not_put_it_off(schedule, clock, runs):
    """The next one comes after the usual time, and not when the clock is again where it was."""
    schedule.make()
    clock.now -= 1000 * HOUR
    runs.lines.clear()
    for _ in range(24 * 60 - 1):
        assert schedule.turn() == 60
        clock.pass_by(60)
    assert not runs.lines
    for _ in range(3):
        clock.pass_by(60)
        schedule.turn()
    assert [line[0] for line in runs.lines] == ["backup", "restore"]


def test_what_was_made_while_the_clock_was_ahead_does_not_outlive_what_came_later(schedule, clock):
    for _ in range(2):
        schedule.make()
        clock.now += HOUR
    ahead = set(names(schedule))
    clock.now -= 1000 * HOUR
    for left in (1, 0, 0):
        assert schedule.make() and len(ahead & set(names(schedule))) == left
        clock.now += HOUR
    assert schedule._due() == 23 * HOUR


def test_it_really_makes_and_proves_one(folder):
    schedule = Schedule(Gateway.of(folder.path), BackupOptions(keep=1))
    (folder.path / "backups").mkdir()
    (folder.path / "backups/chatgate-20200101T000000Z.backup").write_text("an old one")
    (folder.path / "backups/mine.txt").write_text("not one of ours")
    assert schedule.make(), schedule.problems()
    (made,) = schedule.made()
    assert made.stat().st_size > 1000 and (folder.path / "backups/mine.txt").exists()


def test_what_fails_is_told_in_the_process_s_own_words(folder):
    schedule = Schedule(Gateway.of(folder.path), BackupOptions(to="/nobody"))
    assert not schedule.make() and schedule.made() == []
    assert "/nobody: no OpenPGP key of that name" in schedule.problems()[0].text
