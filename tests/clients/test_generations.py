"""Cores of several years against one gateway: their users have not all updated."""

from __future__ import annotations

from pathlib import Path

import pytest
from fetch_cores import VERSIONS, program
from inside import inside, needs, only_where_possible

pytestmark = only_where_possible


def test_old_cores_and_the_newest(tmp_path: Path) -> None:
    needs("deltachat_rpc_client", "deltachat_rpc_server")
    there = [version for version in VERSIONS if program(version).exists()]
    if not there:
        pytest.skip("no older cores here; `python tests/clients/fetch_cores.py` fetches them")
    inside(tmp_path, {"_cg1.test": "127.0.0.2"}, "generations.py", ",".join(there), seconds=300)
