import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from courier_fakes import Clock, Ways, World, plugin  # noqa: E402


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ways(clock):
    return Ways(clock)


@pytest.fixture
def world(gateway_factory, clock, ways):
    """Makes a gateway with the courier, whose options are given."""

    def make(*more, core=None, maildb=None, **options) -> World:
        courier = plugin(clock, ways)
        settings = {"courier": options, "maildb": maildb or {}}
        return World(gateway_factory("tls", "maildb", courier, *more, core=core, **settings), clock, ways)

    return make
