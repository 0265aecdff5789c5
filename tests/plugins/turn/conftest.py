import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import turn_fakes  # noqa: E402


@pytest.fixture
def fake():
    """A TURN server that begins to answer with `start()`; its attributes say how."""
    server = turn_fakes.FakeTurn()
    yield server
    server.stop()
