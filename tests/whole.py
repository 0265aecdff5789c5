"""All tests, some groups at a time: much of them is waiting, and the processes they start use a processor each.

Run by `make test`; with arguments it is pytest with these and nothing else. Each group is a pytest of its own, as the
workers of pytest-xdist read their orders in a thread, which stands still once gevent has patched the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).parent.parent
AT_ONCE = min(os.cpu_count() or 1, 4)
# Those that take longest begin first.
FIRST = ("flows", "clients", "plugins/…", "plugins/maildb", "plugins/imap", "growth", "plugins/gate")


class Running(NamedTuple):
    name: str
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    since: float


def groups() -> list[tuple[str, list[str]]]:
    """Every file with tests is in one: those of a folder are together, as they share what they start."""
    found: dict[str, list[str]] = {name: [] for name in FIRST}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        folder = path.parent.relative_to(ROOT / "tests").as_posix()
        name = folder if folder in FIRST else "plugins/…" if folder.startswith("plugins/") else folder
        found.setdefault(name, []).append(str(path.relative_to(ROOT)))
    return list(found.items())


def begin(name: str, files: list[str]) -> Running:
    output = tempfile.TemporaryFile()
    command = [sys.executable, "-m", "pytest", "-q", *files]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    return Running(name, process, output, time.monotonic())


def end(done: Running) -> None:
    done.output.seek(0)
    print(f"==== tests/{done.name}: {time.monotonic() - done.since:.0f} s", flush=True)
    sys.stdout.buffer.write(done.output.read())
    sys.stdout.buffer.flush()


def main() -> int:
    waiting, running, failed = groups(), [], []
    try:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                running.append(begin(*waiting.pop(0)))
            time.sleep(0.1)
            for done in [one for one in running if one.process.poll() is not None]:
                running.remove(done)
                end(done)
                if done.process.returncode:
                    failed.append(done.name)
    finally:
        for one in running:
            one.process.kill()
    print(f"==== failed: {', '.join(failed)}" if failed else "==== all passed")
    return bool(failed)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])
    sys.exit(main())
