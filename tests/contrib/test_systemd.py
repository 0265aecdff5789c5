"""The unit and the deploy hook, by systemd's own judgement and by trying them; systemd need not run for that."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONTRIB = Path(__file__).parents[2] / "contrib"
UNIT = CONTRIB / "systemd/chatgate.service"
SOCKETS = CONTRIB / "systemd/chatgate.socket"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


def analyze(*arguments):
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@needs_systemd
def test_the_exposure_is_small():
    code, text = analyze("security", "--offline=true", "--no-pager", str(UNIT))
    assert code == 0, text
    assert float(re.search(r"exposure level for chatgate.service: ([0-9.]+)", text)[1]) <= 2.0


@needs_systemd
def test_nothing_in_the_unit_is_unknown_or_missing(tmp_path):
    """Where the gateway is installed; no other program is needed."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/chatgate/bin/chatgate", sys.executable))
    sockets = tmp_path / SOCKETS.name
    shutil.copy(SOCKETS, sockets)
    assert analyze("verify", "--man=no", str(copy), str(sockets)) == (0, "")


def test_the_sockets_are_those_of_the_default_listeners():
    """Both families apart: `chatgate.network.listeners` refuses one socket for both."""
    unit = SOCKETS.read_text()
    ports = set()
    for name in ("smtp", "imap", "site"):
        (path,) = (CONTRIB.parent / "conf.d").glob(f"??-{name}.toml")
        ports |= set(re.findall(r'"\*:(\d+)"', path.read_text()))
    listed = re.findall(r"^ListenStream=(.*)", unit, re.M)
    assert len(ports) == 7 and sorted(listed) == sorted(f"{a}:{port}" for port in ports for a in ("0.0.0.0", "[::]"))
    assert "\nBindIPv6Only=ipv6-only\n" in unit


def test_a_gateway_that_can_start_is_started_again_and_again_and_one_with_a_mistake_is_not():
    settings = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if re.match(r"\w+=", line))
    assert "ExecStartPre" not in settings and settings["ExecReload"] == "/opt/chatgate/bin/chatgate reload"
    assert (settings["StartLimitIntervalSec"], settings["Restart"]) == ("0", "on-failure")
    assert settings["RestartPreventExitStatus"] == "2" and int(settings["RestartSec"]) >= 1
    commands = [line.split("=", 1)[1] for line in UNIT.read_text().splitlines() if line.startswith("Exec")]
    assert {command.split()[0] for command in commands} == {"/opt/chatgate/bin/chatgate"}


def test_what_plugins_read_below_proc_is_not_hidden():
    """proc_meminfo(5) for policy's min_free_memory, the boot's id for the sweeper's clock, proc_locks(5) for reload."""
    assert not re.search(r"^ProcSubset=pid", UNIT.read_text(), re.M)


def test_the_deploy_hook_copies_a_renewed_certificate_to_the_gateway(tmp_path):
    live, folder, programs = tmp_path / "live/chat.example.org", tmp_path / "gw", tmp_path / "bin"
    for made in (live, folder / "tls", programs):
        made.mkdir(parents=True)
    for name in ("privkey", "fullchain"):
        (live / f"{name}.pem").write_text(name)
    (programs / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\n')
    (programs / "systemctl").chmod(0o755)
    environ = {"CHATGATE_DIR": str(folder), "PATH": f"{programs}:{os.environ['PATH']}"}
    for lineage in (live, live.with_name("other.example.org")):
        subprocess.run([CONTRIB / "certbot/chatgate"], env=environ | {"RENEWED_LINEAGE": str(lineage)}, check=True)
    files = {path.name: (path.read_text(), oct(path.stat().st_mode & 0o777)) for path in (folder / "tls").iterdir()}
    assert files == {"key.pem": ("privkey", "0o600"), "cert.pem": ("fullchain", "0o600")}
    assert (tmp_path / "told").read_text() == "try-reload-or-restart chatgate\n"
