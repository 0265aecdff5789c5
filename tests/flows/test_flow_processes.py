"""One folder, several processes that serve it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from chatgate_maildb.leases import held
from several import LOGIN, Several, until


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Several]:
    with Several(tmp_path / "gate") as made:
        made.make()
        made.start()
        yield made


def test_mail_by_one_process_wakes_idle_in_each_and_a_killed_one_comes_back(gateway: Several) -> None:
    clients = gateway.idling()
    assert len(clients) == 2
    gateway.send()
    for client in clients.values():
        assert client.readline() == b"* 1 EXISTS\r\n"
    leases = {lease.name: lease for lease in held(gateway.folder / "data" / "leases")}
    assert leases.keys() == {"metrics", "sweeper"}
    lease = leases["sweeper"]
    found = re.search(r"process (\d+)", lease.holder)
    assert found is not None
    holder = int(found[1])
    assert holder in clients
    # The one that sweeps dies.
    os.kill(holder, signal.SIGKILL)
    gateway.replaced(holder)
    assert gateway.output().split().count(f"pid={holder}") == 1 and "signal=9" in gateway.output()
    until(
        lambda: [
            one
            for one in held(gateway.folder / "data" / "leases")
            if one.name == "sweeper" and f"process {holder} " not in one.holder
        ]
    )
    gateway.send()
    assert gateway.imap().select()[1] == [b"2"]
    assert gateway.stop() == 0


def test_metrics_are_of_all_processes(gateway: Several) -> None:
    clients = gateway.idling()
    gateway.send()
    shown = gateway.run("metrics")
    assert shown.returncode == 0, shown.stderr
    for line in (
        f"chatgate_imap_idle {len(clients)}.0",
        'chatgate_messages_total{origin="account",outcome="taken"} 1.0',
        "chatgate_accounts 1.0",
        'chatgate_build{python="',
    ):
        assert f"\n{line}" in shown.stdout
    for number in range(2):
        assert f'chatgate_process_resident_bytes{{process="{number}"}}' in shown.stdout
    assert LOGIN[0] not in shown.stdout
    assert "chatgate_imap_idle" not in gateway.run("metrics", "maildb").stdout
    assert gateway.stop() == 0
    ended = gateway.run("metrics")
    assert ended.returncode == 1 and "no gateway serves from" in ended.stderr
    assert not list(gateway.folder.glob(".control-*"))


def test_none_outlives_the_one_that_looks_after_them(gateway: Several) -> None:
    pids = gateway.children()
    gateway.kill()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))
    gateway.start()
    assert len(gateway.children()) == 2
    assert gateway.stop() == 0


def test_what_keeps_one_from_starting_ends_all(gateway: Several) -> None:
    second = gateway.run("serve")
    assert second.returncode == 1 and "serves from" in second.stderr
    assert gateway.stop() == 0
    gateway.set("imap", imaps='["192.0.2.1:1"]')
    failed = gateway.run("serve")
    assert failed.returncode == 1 and failed.stderr.count("cannot listen") == 1
