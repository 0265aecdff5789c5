"""Runs in a mount namespace of its own, and tries backups and restores of a gateway on a full disk.

Prints one line for each thing that was tried; the test compares them.
"""

from gevent import monkey

monkey.patch_all()

# ruff: noqa: E402
import os
import re
import subprocess
import sys
from pathlib import Path

from chatgate_filedb import damaged
from click.testing import CliRunner

from chatgate.api import Gateway
from chatgate.cli import cli
from tests.plugins.backup.folders import LARGE, put

small, outside = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(small)], check=True)
folder = small / "gateway"


def run(*arguments: object) -> None:
    done = CliRunner().invoke(cli, ["--dir", *map(str, arguments)])
    said = re.sub(r"(\.verify)-[0-9a-f]+", r"\1", done.stderr.replace(str(small), ""))
    print(f"{done.exit_code} {said}".strip())


def filled(left: int) -> None:
    """Leave so many octets of the disk."""
    (small / "ballast").unlink(missing_ok=True)
    free = os.statvfs(small)
    with open(small / "ballast", "wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, free.f_bavail * free.f_frsize - left)


run(folder, "init", "--domain", "_b.test", "--local")
gateway = Gateway.of(folder)
gateway.read_only = False
put(gateway.store, "alice@_b.test", 10, 20_000)
put(gateway.store, "bob@_b.test", 3, LARGE)
gateway.stop()
before = sorted(folder.rglob("*"))

filled(40_000_000)
run(folder, "backup", small / "b")
run(folder, "backup", "--room", outside, outside / "b")
filled(0)
run(folder, "backup", outside / "c")
run(folder, "backup", "--room", outside, outside / "c")
run(folder, "backup", "--room", outside, small / "c")
run(small / "new", "restore", outside / "b", "--no-dns")
run(folder, "restore", outside / "c", "--verify")
run(folder, "restore", outside / "c", "--verify", "--room", outside)
(small / "ballast").unlink()
print(sorted(path.name for path in small.iterdir()), sorted(path.name for path in outside.iterdir()))
print(sorted({path.name for path in folder.rglob("*")} - {path.name for path in before}))
print(damaged(folder / "data/mail.db"))
