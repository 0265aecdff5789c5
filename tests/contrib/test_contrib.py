"""What contrib/ offers to copy really works: installed with pip, enabled by name, in a whole gateway."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chatgate.testing import SHIPPED, imap_client, new_login, pgp_message, port, smtp_client

CONTRIB = Path(__file__).parents[2] / "contrib"


def pip_install(source, target):
    """As an author would, but into a folder of its own. From a copy, as building leaves files behind."""
    copy = target.parent / f"source-{source.name}"
    shutil.copytree(source, copy)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(target), str(copy)], check=True, timeout=120)
    return copy


def environment(*folders):
    root = CONTRIB.parent
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [*folders, root / "plugins", root]))}


def test_the_plugin_template_installs_and_its_own_tests_pass(tmp_path):
    copy = pip_install(CONTRIB / "plugin-template", tmp_path / "site")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(copy / "tests")]
    done = subprocess.run(command, env=environment(tmp_path / "site"), cwd=tmp_path, timeout=120, capture_output=True)
    assert done.returncode == 0, done.stdout.decode()
    assert b"2 passed" in done.stdout


def test_an_installed_plugin_is_enabled_by_name_and_its_options_are_explained(tmp_path):
    pip_install(CONTRIB / "plugin-template", tmp_path / "site")

    def chatgate(*args):
        command = [sys.executable, "-m", "chatgate", "--dir", str(tmp_path / "gw"), *args]
        return subprocess.run(command, env=environment(tmp_path / "site"), check=True, capture_output=True, timeout=60)

    chatgate("init", "--domain", "d.test")
    before = len(list((tmp_path / "gw/conf.d").glob("*.toml"))) - 1  # one is the core's
    chatgate("plugins", "enable", "example")
    assert "# max_recipients = 20" in (tmp_path / "gw/conf.d/45-example.toml").read_text()
    assert f"{before + 1} plugins enabled" in chatgate("check").stdout.decode()


@pytest.fixture
def tally(monkeypatch, gateway_factory):
    monkeypatch.syspath_prepend(CONTRIB / "examples/chatgate_tally")
    from chatgate_tally import Tally

    gateway = gateway_factory(*SHIPPED, Tally)
    gateway.counts = gateway.hub.plugin("tally").counts
    return gateway


def test_the_tally_counts_connections_logins_and_deliveries(tally):
    login = new_login(tally)
    imap = imap_client(tally, login)
    assert "XTALLY" in imap.capability()[1][0].decode()  # by chatgate_capabilities
    with smtp_client(tally, login) as smtp:
        smtp.sendmail(login[0], [login[0]], pgp_message(login[0], login[0]))
    imap.select()
    assert tally.counts == {"connections imaps": 1, "connections submissions": 1, "logins": 2, "deliveries": 1}
    account = tally.store.account(login[0])
    tally.store.delete_account(account.id)
    tally.hub.account_removed(account=account)
    assert tally.counts["accounts removed"] == 1


def test_in_maintenance_every_protocol_says_so_and_closes(tally):
    tally.path("maintenance").touch()
    with pytest.raises(Exception, match="421|maintenance"):
        smtp_client(tally)
    with pytest.raises(Exception, match="maintenance"):
        imap_client(tally)
    tally.path("maintenance").unlink()
    assert port(tally, "submissions") and smtp_client(tally).noop()[0] == 250
