"""Accounts from their invitation to their end, with the real Delta Chat core in a network namespace."""

from __future__ import annotations

from pathlib import Path

import pytest
from inside import inside, needs, only_where_possible

pytestmark = only_where_possible

# The second name is unreachable: where the core asks it for servers, it need not wait for a resolver.
HOSTS = {"domain": {"_cg1.test": "127.0.0.2", "autoconfig._cg1.test": "192.0.2.1"}, "ip": {}}


@pytest.mark.parametrize("way", HOSTS)
def test_what_is_kept_and_what_goes(way: str, tmp_path: Path) -> None:
    needs("deltachat_rpc_client", "deltachat_rpc_server")
    inside(tmp_path, HOSTS[way], "lifecycle.py", way, seconds=300)
