"""A gateway that is run by a program of which nothing is known but how it is started."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_numbers = itertools.count(1)


def run(program: Sequence[str | Path], environ: Mapping[str, str], *arguments: str, code: int = 0) -> str:
    """One command; what it printed."""
    # In a folder where nothing of chatgate is: Python looks there first.
    done = subprocess.run(
        [*program, *arguments],
        env=environ,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def serve_and_ping(program: Sequence[str | Path], environ: Mapping[str, str], folder: Path) -> None:
    """Make a gateway, run it, and send encrypted mail through it."""
    address = f"127.93.0.{next(_numbers)}"
    run(program, environ, "--dir", str(folder), "init", "--domain", address, "--local")
    for path in (folder / "conf.d").glob("*.toml"):
        path.write_text(path.read_text().replace('"127.0.0.1:', f'"{address}:'))
    log = folder.with_name(f"{folder.name}.log")
    with log.open("wb") as output:
        command = [*program, "--dir", str(folder), "serve"]
        process = subprocess.Popen(
            command, env=environ, cwd="/", stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    try:
        end = time.monotonic() + 60
        while "chatgate: ready" not in log.read_text():
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        said = run(program, environ, "--dir", str(folder), "ping", "--count", "1")
        assert "1 messages sent, 1 received, 0% lost" in said
    finally:
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
