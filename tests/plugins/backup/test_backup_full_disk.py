"""A disk that is full, or nearly so: nothing is left there, and with room elsewhere a backup is made."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("full_disk.py")


def test_a_real_full_disk(tmp_path):
    unshare = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() or not shutil.which("unshare") or subprocess.run([*unshare, "true"]).returncode:
        pytest.skip("needs a mount namespace of its own")
    (tmp_path / "small").mkdir()
    (tmp_path / "out").mkdir()
    done = subprocess.run(
        [*unshare, sys.executable, str(SCRIPT), str(tmp_path / "small"), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    copy = (
        "1 chatgate: /gateway/data/mail.db: the disk has no room for a copy of it, of 0 MB, and 50 MB must stay free; "
    )
    copy += "--room names a folder on a disk with more room"
    assert done.stdout.splitlines() == [
        "0",
        copy,
        "0",
        copy,
        "0",
        "1 chatgate: : the disk is nearly full; nothing was left there",
        "1 chatgate: /new/.restoring: the disk has no room for a backup",
        "1 chatgate: /gateway/.verify: the disk has no room for a backup",
        "0",
        "['gateway'] ['b', 'c']",
        "['.held', 'mail.db-shm']",  # SQLite's own, which goes with the next one that opens the database
        "[]",
    ]
