"""The benchmark runs, and nothing is lost or doubled in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_a_second_of_it():
    command = [sys.executable, "-m", "contrib.bench.push", "--rate", "200", "--seconds", "1"]
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    environ = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "200 of 200 notifications accepted" in done.stdout
