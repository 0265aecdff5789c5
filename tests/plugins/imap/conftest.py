"""One gateway with the imap plugin for all tests of this folder; each test gets an account of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chatgate.running.gateway import Gateway
from chatgate.testing import config

sys.path.insert(0, str(Path(__file__).parent))

from imap_trace import Client, Theatre  # noqa: E402

FAST = {"scrypt_cost": 10, "refusal_seconds": 0.0, "name_min_length": 1, "name_max_length": 40}


def start(folder: Path, *plugins: Any, **settings: Any) -> Gateway:
    """A gateway with everything IMAP needs and no more; logins without TLS are taken."""
    imap = {"plaintext_login": True, "login_failure_seconds": 0.0} | settings.pop("imap", {})
    made = Gateway(
        config(folder, "tls", "maildb", "passwordless", "imap", *plugins, passwordless=FAST, imap=imap, **settings)
    )
    made.start()
    return made


@pytest.fixture(scope="session")
def imap_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    made = start(
        tmp_path_factory.mktemp("imap"),
    )
    yield made
    made.stop()


@pytest.fixture
def own_gateway(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """For tests that need other settings: `own_gateway(imap={…})`."""
    running: list[Gateway] = []

    def make(*plugins: Any, **settings: Any) -> Gateway:
        running.append(start(tmp_path, *plugins, **settings))
        return running[-1]

    yield make
    for made in running:
        made.stop()


@pytest.fixture
def stage(imap_gateway: Gateway) -> Iterator[Theatre]:
    """Connections to one fresh account; `stage.play(script)` runs a protocol trace."""
    theatre = Theatre(imap_gateway)
    yield theatre
    theatre.close()


@pytest.fixture
def client(stage: Theatre) -> Client:
    """A logged-in connection."""
    return stage["1"]
