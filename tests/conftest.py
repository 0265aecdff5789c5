"""The checkout's plugins are importable, installed or not. chatgate.testing, loaded by pytest, does the rest."""

import logging
import sys
from pathlib import Path

import gevent
import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["chatgate.testing"] if "chatgate.testing" not in sys.modules else []

_ROOT = Path(__file__).parent.parent
for _folder in (_ROOT / "plugins", _ROOT):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))

# What is a stopwatch in hypothesis is off: 0.2 s for an example, and how fast examples are drawn. A gateway that serves
# all examples of a test is what these tests want.
settings.register_profile(
    "chatgate",
    settings(),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("chatgate")


@pytest.fixture(autouse=True)
def logging_as_it_was():
    """A command run in this process sets up logging for good, as it should; the next test wants pytest's again."""
    root, hub = logging.root, gevent.get_hub()
    handlers, levels = (
        root.handlers[:],
        {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict},
    )
    yield
    root.handlers[:] = handlers
    root.setLevel(logging.WARNING)
    for name in logging.root.manager.loggerDict:
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))
    hub.__dict__.pop("print_exception", None)


@pytest.fixture
def short_turns(monkeypatch):
    """So that the same work takes several turns on a fast machine, too."""
    for name in ("_TURN", "_FIRST_TURN", "_CALM"):
        monkeypatch.setattr(f"chatgate.network.turns.{name}", 0.0002)
