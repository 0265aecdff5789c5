"""The gateway as its operator meets it: a folder and a process. Used by tests/flows and tests/clients."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self


class GatewayProcess:
    """`python -m chatgate --dir FOLDER …`. What a run prints goes to FOLDER-N.log, one file a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs: list[Path] = []
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """One command to its end; stdout and stderr as text. under: a program that starts it."""
        command = [*under, *self._command(*arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def init(self, *arguments: str) -> None:
        done = self.run("init", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    def set(self, plugin: str, **settings: str) -> None:
        """Add lines `key = value` (value in TOML) to the plugin's conf.d file."""
        (path,) = (self.folder / "conf.d").glob(f"[0-9][0-9]-{plugin}.toml")
        lines = [f"{key} = {value}\n" for key, value in settings.items()]
        kept = [line for line in path.read_text().splitlines(True) if line.partition(" ")[0] not in settings]
        path.write_text("".join([*kept, *lines]))

    def start(self, seconds: float = 60, under: tuple[str, ...] = (), passing: Sequence[int] = ()) -> Self:
        """Serve, and wait for the ready line. under: as for `run`; it must exec what it starts. passing: descriptors
        that it gets.
        """
        assert self.process is None, "runs already"
        self.logs.append(self.folder.with_name(f"{self.folder.name}-{len(self.logs)}.log"))
        with self.logs[-1].open("wb") as log:
            command = [*under, *self._command("serve")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, pass_fds=passing)
        end = time.monotonic() + seconds
        while "chatgate: ready" not in self.output():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                code = self.wait()
                raise AssertionError(f"not ready, exit code {code}:\n{self.output()}")
            time.sleep(0.02)
        return self

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, seconds: float = 60) -> int:
        """The exit code. Killed, and a failure, when it does not end by itself."""
        assert self.process is not None
        process, self.process = self.process, None
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"did not end within {seconds} s:\n{self.output()}") from None

    def stop(self) -> int:
        """As systemd does."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """As a power cut does, as far as a process can tell."""
        self.signal(signal.SIGKILL)
        self.wait()

    def output(self, run: int = -1) -> str:
        """What that run printed so far, stdout and stderr."""
        return self.logs[run].read_text("utf-8", "replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.kill()

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "chatgate", "--dir", str(self.folder), *arguments]
