"""One gateway with all that reads what others send."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import wild  # noqa: E402

from chatgate.running.gateway import Gateway  # noqa: E402
from chatgate.testing import config  # noqa: E402


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    plugins = ("tls", "maildb", "passwordless", "gate", "smtp", "imap", "site", "courier")
    made = Gateway(config(tmp_path_factory.mktemp("growth"), *plugins, **wild.SETTINGS))
    made.start()
    wild.populate(made)
    made.intake.accept = wild.taken(made)  # nothing is stored
    yield made
    made.stop()
