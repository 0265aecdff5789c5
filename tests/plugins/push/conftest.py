from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from chatgate_tls import selfsigned  # noqa: E402
from push_fakes import Clock, Memory, Plugin, Service  # noqa: E402


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Self-signed, for 127.0.0.1: chain and key."""
    folder = tmp_path_factory.mktemp("tls")
    selfsigned.make(folder / "chain.pem", folder / "key.pem", ["127.0.0.1"])
    return folder / "chain.pem", folder / "key.pem"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory() -> Memory | None:
    """Where the tokens are, if not in the file."""
    return None


@pytest.fixture
def push(tmp_path: Path, service: Service, memory: Memory | None) -> Iterator[Callable[..., Plugin]]:
    """Starts the plugin: push(clock=…, max_tokens=3). All of one test share a folder; stop one before the next."""
    made: list[Plugin] = []

    def make(url: str = "", **options: Any) -> Plugin:
        made.append(Plugin(tmp_path, url or service.url, memory=memory, **options).start())
        return made[-1]

    yield make
    for plugin in made:
        plugin.stop()
