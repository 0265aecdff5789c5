from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from site_fakes import Running, make  # noqa: E402

from chatgate.api import Gateway  # noqa: E402


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a gateway with a site; arguments as for `fakes.make` without the folder."""
    running: list[Gateway] = []

    def begin(*args: Any, **settings: Any) -> Running:
        folder = tmp_path / str(len(running))
        folder.mkdir()
        gateway = make(folder, *args, **settings)
        gateway.start()
        running.append(gateway)
        return Running(gateway)

    yield begin
    for gateway in running:
        gateway.stop()


@pytest.fixture
def site(start: Callable[..., Running]) -> Running:
    """An ordinary gateway: a name, a certificate that an authority signed, standard ports."""
    return start("chat.example.org", signed=True, url="https://chat.example.org")
