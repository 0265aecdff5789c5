"""The process as the operator meets it: starting, refusing to start, stopping, reloading."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from local_gateway import IMAPS, SUBMISSIONS, LocalGateway, Make, bodies

from chatgate.testing import pgp_message


def test_serve_says_where_it_listens_and_when_it_is_ready(local_gateway: Make) -> None:
    gateway = local_gateway().start()
    lines = gateway.output().splitlines()
    assert "chatgate: ready" in lines
    listening = "\n".join(lines[: lines.index("chatgate: ready")])
    for port in (IMAPS, SUBMISSIONS):
        assert f"{gateway.host}:{port}" in listening


def test_init_changes_nothing_that_is_there(local_gateway: Make) -> None:
    gateway = local_gateway()
    before = {path: path.read_bytes() for path in gateway.folder.rglob("*") if path.is_file()}
    again = gateway.run("init", "--domain", "_other.test", "--local")
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert {path: path.read_bytes() for path in gateway.folder.rglob("*") if path.is_file()} == before


def test_sigterm_says_goodbye_and_lets_a_transaction_finish(local_gateway: Make) -> None:
    gateway = local_gateway().start()
    alice, bob = gateway.nobody(), gateway.account()
    message = pgp_message(alice[0], bob[0])
    reader = gateway.imap(bob)
    reader.select("INBOX")
    idle = reader._new_tag()
    reader.send(idle + b" IDLE\r\n")
    assert reader.readline().startswith(b"+")
    sender = gateway.submissions(alice)
    sender.mail(alice[0])
    sender.rcpt(bob[0])
    sender.putcmd("DATA")
    assert sender.getreply()[0] == 354
    sender.send(message[:500])
    gateway.signal(signal.SIGTERM)
    reader.waits_for(b"^\\* BYE")
    until_refused(gateway)
    sender.send(message[500:] + b".\r\n")
    code, text = sender.getreply()
    assert code == 250, text
    assert gateway.wait() == 0
    gateway.start()
    reader = gateway.imap(bob)
    reader.select("INBOX")
    (got,) = bodies(reader).values()
    assert got.endswith(message.partition(b"\r\n\r\n")[2])


def until_refused(gateway: LocalGateway) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            gateway.raw(SUBMISSIONS).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)
    raise AssertionError("accepts connections while it stops")


def test_sigterm_does_not_wait_longer_than_it_is_told(local_gateway: Make) -> None:
    gateway = local_gateway(chatgate={"stop_seconds": "1.0"}).start()
    alice = gateway.account()
    sender = gateway.submissions(alice)
    sender.mail(alice[0])
    sender.rcpt(alice[0])
    sender.putcmd("DATA")
    assert sender.getreply()[0] == 354
    begin = time.monotonic()
    assert gateway.stop() == 0
    assert 0.5 < time.monotonic() - begin
    gateway.start()
    assert gateway.imap(alice).select("INBOX") == ("OK", [b"0"])


def test_sigterm_waits_for_no_one_who_says_nothing(local_gateway: Make) -> None:
    """Neither before the TLS handshake nor after it."""
    gateway = local_gateway(chatgate={"stop_seconds": "1000.0"}).start()
    socks = [gateway.raw(port, tls) for port in (IMAPS, SUBMISSIONS) for tls in (False, True)]
    assert gateway.stop() == 0
    for sock in socks:
        sock.close()


def test_sighup_serves_the_new_certificate_and_cuts_nobody_off(local_gateway: Make) -> None:
    gateway, other = local_gateway(), local_gateway()
    gateway.start()
    reader = gateway.imap(gateway.nobody())
    before = gateway.certificate()
    for name in ("cert.pem", "key.pem"):
        shutil.copy(other.folder / "tls" / name, gateway.folder / "tls" / name)
    assert gateway.certificate() == before
    gateway.signal(signal.SIGHUP)
    end = time.monotonic() + 60
    while gateway.certificate() == before:
        assert time.monotonic() < end, "still the old certificate"
        time.sleep(0.05)
    assert gateway.certificate().split() == (other.folder / "tls" / "cert.pem").read_text().split()
    assert reader.noop()[0] == "OK"


def test_sighup_with_a_broken_certificate_goes_on_with_the_old_one(local_gateway: Make) -> None:
    gateway = local_gateway().start()
    before = gateway.certificate()
    (gateway.folder / "tls" / "cert.pem").write_text("no certificate\n")
    said = len(gateway.output())
    gateway.signal(signal.SIGHUP)
    end = time.monotonic() + 60
    while len(gateway.output()) == said:
        assert time.monotonic() < end, "says nothing about it"
        time.sleep(0.05)
    assert "cert.pem" in gateway.output()[said:]
    assert "Traceback" not in gateway.output()
    assert gateway.certificate() == before


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """What it says about why it does not start: one line that begins with our name."""
    (line,) = done.stderr.splitlines()
    assert line.startswith("chatgate: ")
    return line


def test_a_taken_port_is_one_clear_line(local_gateway: Make) -> None:
    gateway = local_gateway()
    with socket.create_server((gateway.host, SUBMISSIONS)):
        done = gateway.run("serve")
    assert done.returncode == 1
    assert f"{gateway.host}:{SUBMISSIONS}" in one_line(done)


def test_a_second_serve_in_the_same_folder_is_one_clear_line(local_gateway: Make) -> None:
    gateway = local_gateway().start()
    alice = gateway.account()
    done = gateway.run("serve")
    assert done.returncode == 1
    one_line(done)
    gateway.imap(alice).logout()


def test_an_unwritable_folder_is_one_clear_line(local_gateway: Make) -> None:
    gateway = local_gateway()
    folders = [gateway.folder, *(path for path in gateway.folder.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    # to root every folder is writable, but for this capability
    done = gateway.run("serve", under=("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ())
    for folder in folders:
        folder.chmod(0o755)
    assert done.returncode == 1, done
    assert str(gateway.folder) in one_line(done)


def test_a_damaged_store_is_one_clear_line(local_gateway: Make) -> None:
    gateway = local_gateway().start()
    alice = gateway.account()
    with gateway.submissions(alice) as sender:
        sender.sendmail(alice[0], alice[0], pgp_message(alice[0], alice[0], 90_000))
    assert gateway.stop() == 0
    assert gateway.run("check").returncode == 0
    (body,) = (path for path in (gateway.folder / "data" / "blobs").rglob("*") if path.is_file())
    body.unlink()
    found = gateway.run("check")
    assert found.returncode == 1
    assert str(body) in found.stdout
    database = gateway.folder / "data" / "mail.db"
    database.write_bytes(os.urandom(database.stat().st_size))
    done = gateway.run("serve")
    assert done.returncode == 1
    assert str(database) in one_line(done)
    done = gateway.run("check")
    assert done.returncode == 1
    assert f"error: maildb: {database} cannot be read: " in done.stdout


def test_init_where_nobody_may_write_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = LocalGateway(tmp_path / "file" / "gateway").run("init", "--domain", "_x.test")
    assert done.returncode == 1
    one_line(done)


def misspelt(gateway: LocalGateway) -> str:
    path = gateway.folder / "conf.d" / "00-chatgate.toml"
    lines = [*path.read_text().splitlines(), "log_levle = 1"]
    path.write_text("\n".join(lines))
    return f"{path}:{len(lines)}: log_levle: no such key; did you mean 'log_level'?"


def wrong_type(gateway: LocalGateway) -> str:
    path = gateway.folder / "conf.d" / "00-chatgate.toml"
    lines = [*path.read_text().splitlines(), 'stop_seconds = "ten"']
    path.write_text("\n".join(lines))
    return f"{path}:{len(lines)}: stop_seconds: must be a number"


def no_such_plugin(gateway: LocalGateway) -> str:
    path = gateway.folder / "conf.d" / "50-imapp.toml"
    path.write_text("")
    return f"{path}: no plugin 'imapp' is installed; did you mean 'imap'?"


def no_toml(gateway: LocalGateway) -> str:
    path = gateway.folder / "conf.d" / "00-chatgate.toml"
    path.write_text('domain = "_x.test\n')
    return f"{path}:1: not TOML: "


@pytest.mark.parametrize("mistake", (misspelt, wrong_type, no_such_plugin, no_toml))
def test_a_wrong_configuration_is_said_with_its_place(
    local_gateway: Make, mistake: Callable[[LocalGateway], str]
) -> None:
    gateway = local_gateway()
    wanted = mistake(gateway)
    done = gateway.run("serve")
    assert done.returncode == 2
    assert one_line(done).removeprefix("chatgate: ").startswith(wanted)


def test_serve_without_a_folder_says_how_to_make_one(tmp_path: Path) -> None:
    done = LocalGateway(tmp_path / "none").run("serve")
    assert done.returncode == 2
    assert "init" in one_line(done)
    assert not (tmp_path / "none").exists()


def test_help_needs_no_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chatgate", "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    for name in ("init", "serve", "check", "plugins"):
        assert f"\n  {name} " in done.stdout


def told(gateway: LocalGateway, number: int = 1) -> list[str]:
    """What it says after another SIGHUP, to the line that sums it up."""
    said = len(gateway.output())
    gateway.signal(signal.SIGHUP)
    end = time.monotonic() + 60
    while "reload: " not in gateway.output()[said:]:
        assert time.monotonic() < end, "says nothing"
        time.sleep(0.02)
    return gateway.output()[said:].splitlines()


def test_sighup_says_what_it_did_and_what_waits(local_gateway: Make) -> None:
    gateway, other = local_gateway(), local_gateway()
    gateway.start()
    (line,) = told(gateway)
    assert line.endswith("reload: the certificate is the same; no setting has changed; nothing waits for a restart")
    for name in ("cert.pem", "key.pem"):
        shutil.copy(other.folder / "tls" / name, gateway.folder / "tls" / name)
    gateway.set("chatgate", log_level='"info"', stop_seconds="3.0")
    gateway.set("smtp", max_recipients="7")
    gateway.run("plugins", "disable", "ping")
    gateway.run("plugins", "enable", "invite")
    (line,) = told(gateway)
    for text in (
        "new certificate",
        "changed: log_level, smtp: max_recipients",
        "restart",
        "smtp: max_recipients",
        "stop_seconds",
    ):
        assert text in line
    assert "ping (disabled)" in line and "invite (enabled)" in line


def test_sighup_survives_whatever_is_wrong_now(local_gateway: Make) -> None:
    gateway = local_gateway().start()
    before = gateway.certificate()
    (gateway.folder / "tls" / "cert.pem").unlink()
    (gateway.folder / "tls" / "cert.pem").mkdir()
    gateway.set("smtp", max_recipients='"many"', nonsense="1")
    lines = told(gateway)
    assert len(lines) == 4, lines  # the certificate, two mistakes, the sum
    assert "the certificate in use is kept; the configuration has mistakes and is not used" in lines[-1]
    shutil.rmtree(gateway.folder / "conf.d")
    assert "no gateway in" in told(gateway)[1]
    assert gateway.certificate() == before
    assert "Traceback" not in gateway.output()


def contents(folder: Path) -> dict[Path, tuple[bytes, int, int]]:
    """Every file with its content, time and permissions."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        stat = path.lstat()
        found[path] = (path.read_bytes() if path.is_file() else b"", stat.st_mtime_ns, stat.st_mode)
    return found


def test_check_writes_nothing(local_gateway: Make) -> None:
    gateway = local_gateway()
    gateway.run("plugins", "enable", "invite")
    (gateway.folder / "tls" / "cert.pem").unlink()
    for name in ("data", "tls"):
        shutil.rmtree(gateway.folder / name)
    before = contents(gateway.folder)
    assert gateway.run("check").returncode == 0, "a folder that was never used"
    assert contents(gateway.folder) == before
    gateway.start()
    alice = gateway.account()
    with gateway.submissions(alice) as sender:
        sender.sendmail(alice[0], alice[0], pgp_message(alice[0], alice[0], 90_000))
    done = gateway.run("check")
    assert done.returncode == 0, done.stdout
    assert gateway.stop() == 0
    before = contents(gateway.folder)
    assert gateway.run("check").returncode == 0
    assert contents(gateway.folder) == before


def test_check_beside_the_remains_of_a_crash_looks_at_all_and_writes_nothing(local_gateway: Make) -> None:
    gateway = local_gateway().start()
    alice = gateway.account()
    with gateway.submissions(alice) as sender:
        sender.sendmail(alice[0], alice[0], pgp_message(alice[0], alice[0], 90_000))
    gateway.kill()

    def mail() -> dict[Path, tuple[bytes, int, int]]:
        # The index of the log of SQLite is no data: it is made anew from the log.
        folder = gateway.folder / "data"
        return {path: facts for path, facts in contents(folder).items() if not path.name.endswith("-shm")}

    before = mail()
    assert any(path.name == "mail.db-wal" and facts[0] for path, facts in before.items())
    assert gateway.run("check").returncode == 0
    assert mail() == before
    (body,) = (path for path in (gateway.folder / "data" / "blobs").rglob("*") if path.is_file())
    body.unlink()
    found = gateway.run("check")
    assert found.returncode == 1 and str(body) in found.stdout, "what only the log knows is looked at, too"


def test_check_of_a_folder_that_can_only_be_read(local_gateway: Make) -> None:
    gateway = local_gateway().start()
    gateway.account()
    assert gateway.stop() == 0
    mount = f'mount --bind {gateway.folder} {gateway.folder} && mount -o remount,ro,bind {gateway.folder} && exec "$@"'
    if os.geteuid() or subprocess.run(["unshare", "-m", "sh", "-c", mount, "sh", "true"]).returncode:
        pytest.skip("needs root and a mount namespace")
    done = gateway.run("check", under=("unshare", "-m", "sh", "-c", mount, "sh"))
    assert done.returncode == 0, done.stdout + done.stderr
