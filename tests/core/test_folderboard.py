"""Wake-ups between processes, here between boards of one process: each has a socket of its own."""

import os
import socket
import struct

import gevent
import pytest

from chatgate.network.listeners import BindError
from chatgate.running import folderboard
from chatgate.running.folderboard import FolderBoard
from chatgate.testing import until


@pytest.fixture
def board():
    """Makes boards of a folder that listen."""
    made = []

    def make(folder):
        one = FolderBoard(folder)
        one.others.bind()
        one.others.start()
        made.append(one)
        return one

    yield make
    for one in made:
        one.others.stop(1)


def sockets(folder):
    return sorted(os.listdir(folder / "awake"))


def test_the_watchers_of_all_processes_are_woken_once(board, tmp_path):
    one, other, third = (board(tmp_path) for _ in range(3))
    woken = []
    for name, each in (("one", one), ("other", other), ("third", third)):
        each.watch(7, lambda name=name: woken.append(name))
    one.post(7)
    assert woken == ["one"]  # its own at once
    until(lambda: len(woken) == 3)
    one.post(8)
    other.post(9)
    gevent.sleep(0.02)
    assert sorted(woken) == ["one", "other", "third"]


def test_a_command_that_listens_to_nothing_is_heard(board, tmp_path):
    woken = []
    board(tmp_path).watch(-3, lambda: woken.append(-3))
    FolderBoard(tmp_path).post(-3)
    until(lambda: woken == [-3])


def test_many_keys_go_in_few_datagrams_and_arrive_through_a_full_socket(tmp_path, monkeypatch):
    """Nobody reads yet: the system takes so many datagrams, and the rest is sent when there is room."""
    monkeypatch.setattr(folderboard, "_AT_ONCE", 10)
    heard, listening, sending = [], FolderBoard(tmp_path), FolderBoard(tmp_path)
    listening.others.bind()
    for key in range(5000):
        sending.post(key)
        listening.watch(key, lambda key=key: heard.append(key))
    gevent.sleep(0)
    assert heard == []
    listening.others.start()
    until(lambda: len(heard) == 5000)
    assert sorted(heard) == list(range(5000))
    listening.others.stop(1)


def test_what_is_kept_for_a_process_that_hangs_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(folderboard, "_MOST", 50)
    listening, sending = FolderBoard(tmp_path), FolderBoard(tmp_path)
    listening.others.bind()
    for key in range(1000):
        sending.post(key)
    assert [len(keys) for keys in sending.others._unsent.values()] == [50]
    listening.others.stop(1)


def test_sockets_come_and_go_with_their_processes(board, tmp_path):
    (tmp_path / "wake").touch()  # of an earlier version
    one = board(tmp_path)
    (name,) = sockets(tmp_path)
    assert not (tmp_path / "wake").exists()
    # One that was killed leaves its socket.
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(str(tmp_path / "awake" / "dead"))
    dead.close()
    other = board(tmp_path)
    assert "dead" not in sockets(tmp_path) and len(sockets(tmp_path)) == 2
    other.others.stop(1)
    assert sockets(tmp_path) == [name]
    one.post(1)  # to nobody
    one.others.stop(1)
    one.others.stop(1)
    assert sockets(tmp_path) == []


def test_nonsense_at_the_socket_and_a_watcher_that_fails_harm_nobody(board, tmp_path, caplog):
    one, woken = board(tmp_path), []
    one.watch(5, lambda: 1 / 0)
    one.watch(6, lambda: woken.append(6))
    (name,) = sockets(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        for datagram in (b"", b"abc", struct.pack("=q", 5) + b"half", struct.pack("=2q", 5, 6)):
            sock.sendto(datagram, str(tmp_path / "awake" / name))
    until(lambda: woken == [6])
    assert "ZeroDivisionError" in caplog.text


def test_a_folder_with_a_long_path_has_sockets_too(board, tmp_path):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    one, other, woken = board(folder), board(folder), []
    one.watch(1, lambda: woken.append(1))
    other.post(1)
    until(lambda: woken == [1])


def test_where_no_socket_can_be_made_it_is_said(tmp_path):
    (tmp_path / "awake").write_text("a file")
    with pytest.raises(BindError, match="a socket in .*awake cannot be made: "):
        FolderBoard(tmp_path).others.bind()
