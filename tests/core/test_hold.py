"""One gateway serves from a folder."""

import os
import subprocess
import sys
import tempfile

import pytest

from chatgate.api import PluginError
from chatgate.running.gateway import Gateway
from chatgate.running.hold import FolderInUse, Hold, holder
from chatgate.testing import config


def test_the_second_one_is_told_who_is_there_and_can_have_it_afterwards(tmp_path):
    first = Hold(tmp_path)
    with pytest.raises(FolderInUse, match=f"process {os.getpid()} serves from .* already"):
        Hold(tmp_path)
    first.release()
    Hold(tmp_path).release()


def test_a_process_that_was_killed_has_let_go(tmp_path):
    code = "import pathlib, sys, time; from chatgate.running.hold import Hold; hold = Hold(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code + "; print(1, flush=True); time.sleep(60)", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(FolderInUse, match=f"process {other.pid} "):
            Hold(tmp_path)
        assert holder(tmp_path) == other.pid
        other.kill()
        other.wait()
        assert holder(tmp_path) is None
        Hold(tmp_path).release()
        assert holder(tmp_path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="changes its user")
def test_a_process_that_changed_its_user_is_found_by_that_user():
    """The system shows to root alone what such a process has open."""
    code = """if True:
        import os, pathlib, sys, time
        from chatgate.running.hold import Hold, holder
        os.setresuid(65534, 65534, 65534)
        if sys.argv[2] == "hold":
            hold = Hold(pathlib.Path(sys.argv[1]))
            print(os.getpid(), flush=True)
            time.sleep(60)
        print(holder(pathlib.Path(sys.argv[1])))
    """
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o777)
        command = [sys.executable, "-c", code, folder]
        with subprocess.Popen([*command, "hold"], stdout=subprocess.PIPE) as other:
            other.stdout.readline()
            assert int(subprocess.check_output([*command, "look"])) == other.pid
            other.kill()


def test_a_second_gateway_does_not_start_and_the_first_goes_on(gateway_factory, tmp_path):
    gateway_factory("tls", "maildb")
    second = Gateway(config(tmp_path, "tls", "maildb"))
    with pytest.raises(PluginError, match="serves from .* already; stop it first"):
        second.start()
    with pytest.raises(PluginError):
        Gateway(config(tmp_path, "tls", "maildb")).start()


def test_what_does_not_serve_works_beside_it(gateway_factory, tmp_path):
    gateway_factory("tls", "maildb")
    beside = Gateway(config(tmp_path, "tls", "maildb"))
    assert beside.store.accounts() == []
    beside.stop()


def test_a_gateway_that_could_not_start_holds_nothing(tmp_path, gateway_factory):
    broken = Gateway(config(tmp_path, "tls"))
    with pytest.raises(PluginError, match="no store"):
        broken.start()
    gateway_factory("tls", "maildb")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / ".serving").mkdir()
    with pytest.raises(PluginError, match="cannot be written: Is a directory"):
        Gateway(config(tmp_path, "tls", "maildb")).start()
