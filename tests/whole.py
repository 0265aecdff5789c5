"""All tests, some groups at a time: much of them is waiting, and the processes they start use a processor each.

Run by `make test`; with arguments it is pytest with these and nothing else. Each group is a pytest of its own, as the
workers of pytest-xdist read their orders in a thread, which stands still once gevent has patched the process.

Which lines of the core ran is noted in its own tests, and must be FLOOR per cent of all. The other groups start
gateways and commands, whose memory and time they look at, and a tracer would double their time.
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
# One more than there are processors, as much of each is waiting.
AT_ONCE = min((os.cpu_count() or 1) + 1, 4)
# Those that take longest begin first. The name of a group is that of a folder, or what paths of files begin with.
FIRST = (
    "plugins/…",
    "flows",
    "clients",
    "federation",
    "flows/test_flow_p",
    "plugins/s",
    "clients/test_lifecycle",
    "docker",
    "dist",
    "guide",
    "core",
    "plugins/courier",
    "plugins/movein",
    "plugins/backup",
    "plugins/maildb",
    "plugins/push",
    "plugins/imap",
    "growth",
    "plugins/gate",
)

# Per cent of the lines of the core, without its kit for tests. A little below what is measured: raise it when that has
# grown. What runs only in a gateway or command of its own process is not seen.
FLOOR = 90.0
# The lines that did not run, file by file: for people.
REPORT = ROOT / ".coverage.txt"


class Running(NamedTuple):
    name: str
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    since: float


def groups() -> list[tuple[str, list[str]]]:
    """Every file with tests is in one: most of those in a folder are together, as they share what they start."""
    found: dict[str, list[str]] = {name: [] for name in FIRST}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        inside = path.relative_to(ROOT / "tests")
        folder = "/".join(inside.parts[:-1][:2])  # with the folders in it
        other = "plugins/…" if folder.startswith("plugins/") else folder
        name = max((name for name in FIRST if inside.as_posix().startswith(name)), key=len, default=other)
        found.setdefault(name, []).append(str(path.relative_to(ROOT)))
    return list(found.items())


def begin(name: str, files: list[str], notes: Path) -> Running:
    """notes: a folder for a file about the lines that ran."""
    output = tempfile.TemporaryFile()
    command = [sys.executable, "-m", "pytest", "-q", *files]
    if name == "core":
        noted = f"--data-file={notes / 'core'}"
        command[1:1] = ["-m", "coverage", "run", "--source=chatgate", "--concurrency=gevent", noted]
    # Hundreds of gateways and commands are started: the source is compiled by the first of them.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    )
    return Running(name, process, output, time.monotonic())


def end(done: Running) -> None:
    done.output.seek(0)
    print(f"==== tests/{done.name}: {time.monotonic() - done.since:.0f} s", flush=True)
    sys.stdout.buffer.write(done.output.read())
    sys.stdout.buffer.flush()


def covered(notes: Path) -> int:
    """Writes REPORT. Returns 2 if less than FLOOR of the lines ran."""
    command = [sys.executable, "-m", "coverage", "report", f"--data-file={notes / 'core'}", "--omit=chatgate/testing/*"]
    with REPORT.open("w") as report:
        command += ["--show-missing", f"--fail-under={FLOOR}"]
        return subprocess.run(command, cwd=ROOT, stdout=report).returncode


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="chatgate-tests-") as folder:
        notes = Path(folder)
        if failed := run(notes):
            print(f"==== failed: {', '.join(failed)}")
            return 1
        below = covered(notes)
    print(f"==== all tests passed; {REPORT.name} has the lines of the core that they did not run")
    if below:
        print(f"==== failed: {FLOOR} % of the core's lines must run in its tests")
    return below


def run(notes: Path) -> list[str]:
    """All groups; the names of those that failed."""
    waiting, running, failed = groups(), list[Running](), list[str]()
    try:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                running.append(begin(*waiting.pop(0), notes))
            time.sleep(0.1)
            for done in [one for one in running if one.process.poll() is not None]:
                running.remove(done)
                end(done)
                if done.process.returncode:
                    failed.append(done.name)
    finally:
        for one in running:
            one.process.kill()
    return failed


if __name__ == "__main__":
    if len(sys.argv) > 1:
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])
    sys.exit(main())
