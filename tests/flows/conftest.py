"""A gateway as a process of its own, on ports above 1024 of a loopback address of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from local_gateway import NO_RATE, NOTIFICATIONS, LocalGateway, Make  # noqa: E402


@pytest.fixture
def local_gateway(tmp_path: Path) -> Iterator[Make]:
    """Makes folders with `init`; the gateways in them are not started yet, and killed after the test."""
    yield from gateways(tmp_path)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGateway]:
    """One for all tests of a module, running, for clients that are in a hurry."""
    for make in gateways(tmp_path_factory.mktemp("shared")):
        yield make(smtp=NO_RATE).start()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGateway]:
    """One for all tests of a module, not running, for tests that leave it as it was."""
    for make in gateways(tmp_path_factory.mktemp("folder")):
        yield make()


def gateways(folder: Path) -> Iterator[Make]:
    made: list[LocalGateway] = []

    def make(**settings: dict[str, str]) -> LocalGateway:
        gateway = LocalGateway(folder / f"gateway{len(made)}")
        gateway.make()
        gateway.set("push", url=f'"http://{gateway.host}:{NOTIFICATIONS}/notify"')  # never the real one
        for plugin, values in settings.items():
            gateway.set(plugin, **values)
        made.append(gateway)
        return gateway

    yield make
    for gateway in made:
        gateway.__exit__()
