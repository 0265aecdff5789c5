"""A lost database does not look like a fresh server, whose addresses anybody may take."""

import shutil

import pytest
from chatgate_maildb import belongs, integrity
from chatgate_maildb.blobs import Blobs

from chatgate.api import PluginError
from tests.plugins.maildb.conftest import People


@pytest.fixture
def used(open_gateway, tmp_path):
    """A folder with an account and a large message, closed."""
    gateway = open_gateway()
    alice = People(gateway.store).alice
    gateway.store.store(b"x" * 100_000, [alice.inbox])
    gateway.stop()
    return tmp_path / "data"


def lose(folder, how):
    (folder / "mail.db").unlink() if how == "missing" else (folder / "mail.db").write_bytes(b"")


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_lost_database_is_not_begun_anew(open_gateway, used, how):
    lose(used, how)
    for _ in range(2):
        with pytest.raises(PluginError, match=f"mail.db is {how}, but .* restore it from a backup, or move"):
            _ = open_gateway().store


@pytest.mark.parametrize("trace", ["blobs", "mail.db-wal", "wake"])
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_folders_of_older_versions_show_it_too(open_gateway, used, how, trace):
    """They have no note of their database."""
    (used / "mail.db.id").unlink()
    if trace != "blobs":
        shutil.rmtree(used / "blobs")
        (used / trace).write_bytes(b"x")
    lose(used, how)
    with pytest.raises(PluginError, match=f"{trace} shows that there was one"):
        _ = open_gateway().store
    if trace != "blobs":
        assert (used / trace).read_bytes() == b"x"


def test_check_says_it(open_gateway, used):
    lose(used, "empty")
    assert any("mail.db is empty" in problem.text for problem in open_gateway().check() if problem.level == "error")


def test_a_database_from_elsewhere(open_gateway, used, tmp_path):
    mine = (used / "mail.db").read_bytes()
    used.rename(tmp_path / "away")
    other = open_gateway()
    assert other.store.account("alice@example.org") is None  # moved away: begun anew
    other.stop()
    (used / "mail.db").write_bytes(mine)
    with pytest.raises(PluginError, match="another database than the one that was here"):
        _ = open_gateway().store
    (used / "mail.db.id").unlink()
    assert open_gateway().store.account("alice@example.org")


def test_a_backup_and_a_first_start_that_was_killed_are_no_strangers(open_gateway, used):
    copy = (used / "mail.db").read_bytes()
    lose(used, "missing")
    (used / "mail.db").write_bytes(copy)
    gateway = open_gateway()
    assert gateway.store.account("alice@example.org")
    gateway.stop()
    shutil.rmtree(used)
    used.mkdir()
    (used / "mail.db").touch()
    assert open_gateway().store.accounts() == []


def test_a_folder_that_cannot_be_looked_into_is_one_line(tmp_path):
    """As one without the permission to enter it; tests may run as root, who has it."""
    folder = tmp_path / ("x" * 300)
    with pytest.raises(PluginError, match="^maildb: .* cannot be read: File name too long$"):
        belongs.check_there(folder)
    assert integrity.of_other_domains(folder, ["example.org"]) == 0
    assert "cannot be read" in integrity.look(folder, Blobs(folder / "blobs"))[0]
