"""Small files are written as a whole or not at all."""

import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from chatgate.api import replace_file, sync_folder
from chatgate.running import replacing

FULL = OSError(28, "No space left on device")


def names(folder):
    return sorted(os.listdir(folder))


def test_the_new_one_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "made" / "file"
    replace_file(path, b"one")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with path.open("rb") as reading:
        replace_file(path, b"two")
        assert reading.read() == b"one"  # who has it open keeps the old one
    assert path.read_bytes() == b"two" and names(path.parent) == ["file"]


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_nobody_may_read_it_at_any_moment_who_may_not_read_it_at_the_end(tmp_path, monkeypatch, mode):
    seen, sync = [], os.fsync

    def look(descriptor):
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    umask = os.umask(0)
    try:
        (tmp_path / "key").touch(mode=0o666)
        replace_file(tmp_path / "key", b"secret", mode=mode)
    finally:
        os.umask(umask)
    assert seen[0] == mode == stat.S_IMODE((tmp_path / "key").stat().st_mode)


def test_the_file_is_on_disk_before_it_has_its_name_and_its_name_before_it_returns(tmp_path, monkeypatch):
    path, done = tmp_path / "file", []

    def sync(descriptor):
        what = os.fstat(descriptor)
        done.append("folder" if stat.S_ISDIR(what.st_mode) else f"file of {what.st_size}, named {path.exists()}")

    monkeypatch.setattr(os, "fsync", sync)
    replace_file(path, b"12345")
    assert done == ["file of 5, named False", "folder"]
    replace_file(path, b"1", durable=False)
    assert len(done) == 2


@pytest.mark.parametrize("at", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_one_and_nothing_else(tmp_path, monkeypatch, at):
    path = tmp_path / "file"
    replace_file(path, b"old")

    def full(*_):
        raise FULL

    with monkeypatch.context() as patched:
        if at == "write":
            opened = open

            def without_room(*given):
                file = opened(*given)
                file.close()
                return opened("/dev/full", "wb")

            patched.setattr("builtins.open", without_room)
        else:
            patched.setattr(os, at, full)
        with pytest.raises(OSError, match="No space left"):
            replace_file(path, b"new")
    assert path.read_bytes() == b"old" and names(tmp_path) == ["file"]


def test_one_that_is_there_is_kept_where_a_new_one_is_wanted(tmp_path):
    path = tmp_path / "secret"
    replace_file(path, b"mine", only_new=True)
    with pytest.raises(FileExistsError):
        replace_file(path, b"other", only_new=True)
    assert path.read_bytes() == b"mine" and names(tmp_path) == ["secret"]


def test_writers_at_once_leave_what_one_of_them_wrote(tmp_path):
    path, wrong = tmp_path / "file", []
    contents = [bytes([number]) * 5000 for number in range(8)]
    replace_file(path, contents[0])

    def write(content):
        try:
            for _ in range(20):
                replace_file(path, content, durable=False)
                if path.read_bytes() not in contents:
                    wrong.append("half a file")
        except OSError as error:
            wrong.append(error)

    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert not wrong and names(tmp_path) == ["file"]


KILLED = """\
import importlib.util, os, signal, sys
from pathlib import Path
found = importlib.util.spec_from_file_location("replacing", sys.argv[1])  # alone: it is forked without gevent
replacing = importlib.util.module_from_spec(found)
found.loader.exec_module(replacing)
path, steps, at = Path(sys.argv[2]), 0, 0
def counted(real):
    def step(*args, **how):
        global steps
        steps += 1
        if steps == at: os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **how)
    return step
real = {name: getattr(os, name) for name in ("open", "fsync", "replace")}
replacing.replace_file(path, b"old" * 1000)
for at in range(1, 7):
    child = os.fork()
    if not child:
        for name in real: setattr(os, name, counted(real[name]))
        replacing.replace_file(path, b"new!" * 3000)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.WIFSIGNALED(status), path.read_bytes() in (b"old" * 1000, b"new!" * 3000))
"""


def test_killed_at_each_step_the_old_file_or_the_new_one_is_there(tmp_path):
    arguments = [sys.executable, "-c", KILLED, replacing.__file__, str(tmp_path / "file")]
    said = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.splitlines()
    # open, fsync and replace of the file; open and fsync of the folder.
    assert said == ["True True"] * 5 + ["False True"]
    left = [name for name in names(tmp_path) if name != "file"]
    assert len(left) == 2  # killed before fsync, and before replace
    # What may be another's who writes now is left alone, what is old is removed.
    then = time.time() - 2 * replacing._LEFT
    for name in (".file.0123.new", ".other.0123.new", "file.old"):
        (tmp_path / name).touch()
    for name in (*left, ".other.0123.new", "file.old"):
        os.utime(tmp_path / name, (then, then))
    replace_file(tmp_path / "file", b"whole")
    assert names(tmp_path) == sorted([".file.0123.new", ".other.0123.new", "file.old", "file"])


def test_a_file_system_that_cannot_sync_folders_is_none_the_worse(tmp_path, monkeypatch):
    def no_such_thing(descriptor):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", no_such_thing)
    sync_folder(tmp_path)
    monkeypatch.undo()
    with pytest.raises(OSError):
        sync_folder(tmp_path / "none")
