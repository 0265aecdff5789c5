import sys
from pathlib import Path

import pytest

from chatgate.running.gateway import Gateway
from chatgate.testing import config

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from dashboard import ALL, LISTEN, PASSWORD  # noqa: E402


@pytest.fixture(scope="session")
def gateway(tmp_path_factory):
    """One with all pages, for all tests that do not need one of their own."""
    gateway = Gateway(config(tmp_path_factory.mktemp("gateway"), *ALL, admin=LISTEN, domains={"b.example": {}}))
    gateway.start()
    gateway.hub.plugin("admin").keys.set_password(PASSWORD)
    yield gateway
    gateway.stop()
