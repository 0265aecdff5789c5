"""The real Delta Chat core and cmping against a gateway, each in a network namespace of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from inside import inside, needs, only_where_possible

pytestmark = only_where_possible

HOSTS = {"domain": {"_cg1.test": "127.0.0.2"}, "ip": {}, "local": {}}


@pytest.mark.parametrize("way", HOSTS)
def test_an_evening_with_delta_chat(way: str, tmp_path: Path) -> None:
    needs("deltachat_rpc_client", "deltachat_rpc_server")
    inside(tmp_path, HOSTS[way], "story.py", way, seconds=300)


@pytest.mark.parametrize("way", ("domain", "ip"))
def test_cmping(way: str, tmp_path: Path) -> None:
    needs("deltachat_rpc_client", "deltachat_rpc_server", "cmping")
    output = inside(tmp_path, HOSTS[way], "ping.py", way, seconds=300)
    assert "5 transmitted, 5 received, 0.00% loss" in output


def test_a_group_with_a_member_without_room(tmp_path: Path) -> None:
    needs("deltachat_rpc_client", "deltachat_rpc_server")
    inside(tmp_path, HOSTS["domain"], "group.py", seconds=300)


def test_a_group_with_members_whose_accounts_are_gone(tmp_path: Path) -> None:
    needs("deltachat_rpc_client", "deltachat_rpc_server")
    inside(tmp_path, HOSTS["domain"], "gone.py", seconds=300)


def test_apps_notice_nothing_of_a_gateway_that_is_restored_elsewhere(tmp_path: Path) -> None:
    needs("deltachat_rpc_client", "deltachat_rpc_server")
    inside(tmp_path, HOSTS["domain"], "moved.py", seconds=300)


def test_people_of_several_domains(tmp_path: Path) -> None:
    needs("deltachat_rpc_client", "deltachat_rpc_server")
    inside(tmp_path, {"dom.test": "127.0.0.3", "_cg1.test": "127.0.0.4"}, "domains.py", seconds=300)


def test_operators_are_told_of_trouble_in_a_group(tmp_path: Path) -> None:
    needs("deltachat_rpc_client", "deltachat_rpc_server")
    inside(tmp_path, HOSTS["domain"], "alerts.py", seconds=300)
