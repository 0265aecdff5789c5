"""What root's commands leave in the folder of a service that runs as somebody else."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_gateway import SUBMISSIONS, LocalGateway

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    """In a folder that belongs to nobody, who can get there; a test's own folder is closed to other users."""
    around = Path(tempfile.mkdtemp(prefix="owner-"))
    around.chmod(0o755)
    (around / "gw").mkdir()
    os.chown(around / "gw", NOBODY.pw_uid, NOBODY.pw_gid)
    with LocalGateway(around / "gw") as made:
        yield made
    shutil.rmtree(around)


def owners(gateway: LocalGateway) -> set[int]:
    return {path.lstat().st_uid for path in (gateway.folder, *gateway.folder.rglob("*"))}


def test_every_command_of_root_acts_as_the_owner(gateway: LocalGateway) -> None:
    gateway.init("--domain", gateway.domain, "--local", "--listen", gateway.host)
    gateway.set("push", url='"http://127.0.0.1:9/"')
    for command in (
        ["check"],
        ["accounts", "create", "someuser1"],
        ["accounts", "list"],
        ["sweep"],
        ["plugins", "enable", "invite"],
        ["invite", "create"],
        ["plugins", "disable", "invite"],
    ):
        done = gateway.run(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert owners(gateway) == {NOBODY.pw_uid}, command
    gateway.start()
    assert gateway.process is not None
    status = Path(f"/proc/{gateway.process.pid}/status").read_text().splitlines()
    facts = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    assert set(facts["Uid"].split()) == {str(NOBODY.pw_uid)}
    assert set(facts["Gid"].split()) == {str(NOBODY.pw_gid)}
    assert "0" not in facts["Groups"].split()
    # Ports below 1024; and reading, where Python itself is for root alone.
    assert int(facts["CapPrm"], 16) in (1 << 10, 1 << 10 | 1 << 2)
    gateway.account()
    assert gateway.stop() == 0
    assert owners(gateway) == {NOBODY.pw_uid}


def test_root_still_serves_on_ports_below_1024(gateway: LocalGateway) -> None:
    gateway.init("--domain", gateway.domain, "--local", "--listen", gateway.host)
    gateway.set("push", url='"http://127.0.0.1:9/"')
    gateway.set("smtp", submissions=f'["{gateway.host}:465", "{gateway.host}:{SUBMISSIONS}"]')
    gateway.start()
    gateway.raw(465).close()


def test_a_new_folder_belongs_to_who_makes_it(tmp_path: Path) -> None:
    gateway = LocalGateway(tmp_path / "gw")
    gateway.init("--domain", gateway.domain)
    assert owners(gateway) == {0}


def test_a_folder_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    gateway = LocalGateway(tmp_path / "gw")
    gateway.init("--domain", gateway.domain)
    gateway.folder.chmod(0)
    # without what makes root read everything
    done = gateway.run("accounts", "list", under=("setpriv", "--bounding-set=-dac_override,-dac_read_search"))
    gateway.folder.chmod(0o700)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == f"chatgate: cannot read {gateway.folder}/conf.d: Permission denied\n"
