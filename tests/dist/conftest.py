"""What `make dist` makes, made once for these tests."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def dist(tmp_path_factory):
    """The folder with the sdist, the wheel and the one file."""
    folder = tmp_path_factory.mktemp("dist")
    command = [ROOT / "contrib/dist/make", sys.executable, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
