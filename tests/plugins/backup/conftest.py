"""A gateway folder with accounts and mail, small and large."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chatgate.api import Gateway
from tests.plugins.backup.folders import LARGE, Folder, put


@pytest.fixture
def folder(tmp_path: Path, new_folder: Callable[[str], Folder]) -> Folder:
    return new_folder("gateway")


@pytest.fixture
def new_folder(tmp_path: Path) -> Callable[[str], Folder]:
    def make(name: str) -> Folder:
        made = Folder(tmp_path / name)
        done = made.run("init", "--domain", "_b.test", "--local")
        assert done.exit_code == 0, done.output
        gateway = Gateway.of(made.path)
        gateway.read_only = False
        put(gateway.store, "alice@_b.test", 3)
        put(gateway.store, "bob@_b.test", 2, LARGE)
        gateway.stop()
        return made

    return make
