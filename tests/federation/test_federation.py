"""Gateways of several domains and a server of another kind, with real DNS, TLS and Delta Chat, in a namespace."""

from __future__ import annotations

from pathlib import Path

import pytest
from fetch_postfix import missing
from inside import inside, needs, only_where_possible

pytestmark = only_where_possible

HERE = Path(__file__).parent


def test_delta_chat_on_five_domains(tmp_path: Path) -> None:
    needs("deltachat_rpc_client", "deltachat_rpc_server")
    inside(tmp_path, {}, str(HERE / "chat.py"), seconds=300)


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_postfix_and_opendkim(tmp_path: Path) -> None:
    inside(tmp_path, {}, str(HERE / "foreign.py"), seconds=300)


def test_sigkill_loses_nothing(tmp_path: Path) -> None:
    inside(tmp_path, {}, str(HERE / "crash.py"), seconds=400)
