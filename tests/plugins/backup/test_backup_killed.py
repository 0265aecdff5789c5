"""SIGKILL at any step of a backup or a restore: nothing half, and the next one works."""

from __future__ import annotations

import os
import subprocess
import sys

from chatgate_backup.wrapping import whole

from tests.plugins.backup.folders import Folder

# A step is whatever Python tells its audit hooks of that has to do with files and databases.
KILLED = """
from gevent import monkey
monkey.patch_all()
import os, signal, sys
from chatgate.cli import cli
STEPS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.truncate", "sqlite3.connect"}
at, folder, count = int(sys.argv[1]), sys.argv[2], 0
def hook(event, arguments):
    global count
    if event in STEPS and folder in str(arguments):
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
try:
    cli(sys.argv[3:], prog_name="chatgate")
finally:
    print(count, file=sys.stderr)
"""


def killed(at: int, watched: str, *arguments: str) -> tuple[int, int]:
    """Exit code and, where it was not killed, the number of steps."""
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, str(at), watched, *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -9), done
    return done.returncode, int(done.stderr.split()[-1]) if done.returncode == 0 else 0


def test_a_backup_killed_anywhere(folder, tmp_path):
    target = tmp_path / "b"
    code, steps = killed(0, str(tmp_path), "--dir", str(folder.path), "backup", str(target))
    assert code == 0 and steps > 20
    target.unlink()
    there = {path.name for path in folder.path.iterdir()}
    for at in (steps // 2, steps - 4):
        code, _ = killed(at, str(tmp_path), "--dir", str(folder.path), "backup", str(target))
        if target.exists():
            with target.open("rb") as file:
                assert whole(file)
            target.unlink()
    assert folder.run("backup", str(target)).exit_code == 0
    assert {path.name for path in folder.path.iterdir()} == there, "what was left has gone"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "gateway"]
    assert folder.run("restore", str(target), "--verify").exit_code == 0


def test_a_restore_killed_anywhere(folder, tmp_path):
    assert folder.run("backup", str(tmp_path / "b")).exit_code == 0
    other = Folder(tmp_path / "other")
    arguments = ["--dir", str(other.path), "restore", str(tmp_path / "b"), "--no-dns"]
    code, steps = killed(0, str(other.path), *arguments)
    assert code == 0 and steps > 20
    for at in (steps // 2, steps - 4):
        subprocess.run(["rm", "-rf", str(other.path)], check=True)
        killed(at, str(other.path), *arguments)
        if not (other.path / "conf.d").exists():
            done = other.run("restore", str(tmp_path / "b"), "--no-dns")
            assert done.exit_code == 0, done.output
        assert other.run("check").exit_code == 0
        assert {path.name for path in other.path.iterdir()} - {".restoring"} == {"conf.d", "data", "tls"}
