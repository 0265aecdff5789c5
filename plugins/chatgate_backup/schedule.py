"""Backups by themselves: made and proven by a process of their own, old ones removed after that."""

from __future__ import annotations

import logging
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import gevent

from chatgate.api import Gateway, Metric, Problem, Trouble, raised_at, replace_file
from chatgate_backup.options import BackupOptions

log = logging.getLogger("chatgate.backup")

_FORM, _NAME = "chatgate-%Y%m%dT%H%M%SZ.backup", re.compile(r"chatgate-\d{8}T\d{6}Z\.backup")
_LOOKS = 60.0  # seconds between looks at the clock at most
_LATER = 3600.0  # seconds after which a backup that failed is tried again, or a tenth of `every_hours`
_FAILED = "failed"  # a file in the folder, with the reason
_TRY = "mend that, then try: chatgate backup FILE; it is tried again by itself within an hour"


class Schedule:
    """run: runs `chatgate` with these arguments; returns what it said if it failed, else "". clock: Unix seconds, which
    may jump. steady: seconds that do not.
    """

    def __init__(
        self,
        gateway: Gateway,
        options: BackupOptions,
        run: Callable[[list[str]], str] | None = None,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway, self._options, self._clock, self._steady = gateway, options, clock, steady
        self._run = run or self._process
        self.folder = gateway.path(options.folder)
        self._seconds = options.every_hours * 3600
        self._latest = math.inf  # when the next one is made, by the steady clock, whatever the other one says

    def service(self) -> None:
        """For a `Leased`: does not return."""
        while True:
            gevent.sleep(self.turn())

    def turn(self) -> float:
        """Make one if it is time; returns the seconds until the next look."""
        # What was made while the clock was ahead seems to be new for as long: the wait that was found first counts.
        due = min(self._due(), self._latest - self._steady())
        if due <= 0:
            self._latest = math.inf
            self.make()
            due = min(self._seconds, max(_LOOKS, self._due()))
        self._latest = min(self._latest, self._steady() + due)
        return min(due, _LOOKS)

    def _due(self) -> float:
        """Seconds until the next one. A clock that was ahead does not put it off for more than the usual time."""
        now, ages = self._clock(), []
        if made := self.made():
            ages.append(self._seconds - (now - made[-1].stat().st_mtime))
        if (failed := self.folder / _FAILED).exists():
            ages.append(min(_LATER, self._seconds / 10) - (now - failed.stat().st_mtime))
        return min(max(ages, default=0.0), self._seconds)

    def made(self) -> list[Path]:
        """Those that are there, oldest first. One from a time to come counts as older than all others: the clock was
        ahead when it was made, and nobody knows by how much.
        """
        if not self.folder.is_dir():
            return []
        now = time.strftime(_FORM, time.gmtime(self._clock() + _LOOKS))
        names = [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name) and path.is_file()]
        return sorted(names, key=lambda path: (path.name <= now, path.name))

    def make(self) -> bool:
        """Make one, prove it, remove the oldest. False: it failed, which the log says, and `check`."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            error = self._made()
            self._note(error)
        except OSError as failed:
            error = f"{failed.strerror} at {raised_at(failed.__traceback__)}"
        if error:
            log.error("no backup was made: %s", error)
        return not error

    def _made(self) -> str:
        options = self._options
        target = self.folder / time.strftime(_FORM, time.gmtime(self._clock()))
        room = ["--room", str(self._gateway.path(options.room))] if options.room else []
        key = self._gateway.path(options.to)
        to = ["--to", str(key) if key.is_file() else options.to] if options.to else []
        if error := self._run(["backup", str(target), *to, *room, *["--without-mail"] * options.without_mail]):
            return error
        if not options.to and (error := self._run(["restore", str(target), "--verify", "--no-dns", *room])):
            target.unlink(missing_ok=True)
            return f"it was made but cannot be restored: {error}"
        for old in self.made()[: -options.keep]:
            old.unlink(missing_ok=True)
        return ""

    def _note(self, error: str) -> None:
        failed = self.folder / _FAILED
        if not error:
            failed.unlink(missing_ok=True)
            return
        replace_file(failed, f"{error}\n".encode())

    def problems(self) -> list[Problem]:
        """For `check`."""
        if not self._seconds:
            return []
        try:
            made, failed = self.made(), self.folder / _FAILED
            if failed.exists():
                return [Problem("error", f"backup: the last one was not made: {failed.read_text('utf-8').strip()}")]
        except OSError as error:
            return [Problem("error", f"backup: {self.folder} cannot be read: {error.strerror}")]
        if not made:
            return [Problem("warning", f"backup: there is none in {self.folder} yet")]
        late = self._clock() - made[-1].stat().st_mtime
        if late > 2 * self._seconds:
            return [Problem("warning", f"backup: the last one is {late / 3600:.0f} hours old")]
        return []

    def metrics(self) -> list[Metric]:
        """When the last one was made, how large it is, whether the last attempt failed. Raises OSError."""
        made = self.made()
        last = made[-1].stat() if made else None
        failed = int((self.folder / _FAILED).exists())
        when, what = "When the last backup was made, in Unix seconds; 0: never", "Its size"
        return [
            Metric(
                "chatgate_backup_last_seconds", when, "gauge", (), {(): last.st_mtime if last else 0}, "seconds", "one"
            ),
            Metric("chatgate_backup_size_bytes", what, "gauge", (), {(): last.st_size if last else 0}, "bytes", "one"),
            Metric("chatgate_backup_failed", "Did the last attempt fail?", "gauge", (), {(): failed}, across="one"),
        ]

    def troubles(self) -> list[Trouble]:
        """The last one was not made, or is too long ago."""
        if not self._seconds:
            return []
        made, failed = self.made(), self.folder / _FAILED
        if failed.exists():
            reason = " ".join(failed.read_text("utf-8").split())[:300]
            due = made[-1].stat().st_mtime + self._seconds if made else math.inf
            what = f"the last backup was not made: {reason or 'the log says why'}"
            return [Trouble("backup", what, min(due, failed.stat().st_mtime), _TRY)]
        if made and (late := self._clock() - made[-1].stat().st_mtime) > 2 * self._seconds:
            what = f"the last backup is {late / 3600:.0f} hours old, though one is due every {self._seconds / 3600:g}"
            return [Trouble("backup", what, made[-1].stat().st_mtime + self._seconds, _TRY)]
        return []

    def _process(self, arguments: list[str]) -> str:
        """In a process of its own, so that mail need not wait, and with what others leave of processor and disk."""
        program = Path(sys.argv[0])
        start = ["-m", "chatgate"] if program.name in ("__main__.py", "-m", "-c") else [str(program)]
        command = [sys.executable, *start, "--dir", str(self._gateway.path()), *arguments]
        with subprocess.Popen(
            ["nice", "-n", "19", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"},
        ) as process:
            try:
                said = process.communicate()[1].decode("utf-8", "replace")
            except BaseException:  # the gateway stops, or another process has the lease now
                process.terminate()
                raise
        if process.returncode == 0:
            return ""
        lines = [line.partition("chatgate: ")[2] or line for line in said.splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {process.returncode}"
