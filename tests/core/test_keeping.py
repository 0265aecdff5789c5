"""What a backup reads of a plugin's files."""

import os

import pytest

from chatgate.hosting.keeping import KeptFiles


def read(kept, room):
    with kept.opened(room, mail=True) as copy:
        return sorted((name, path.read_bytes()) for name, path in copy.files), copy.octets


def test_a_folder_with_all_that_is_in_it_but_hidden_files(tmp_path):
    folder, elsewhere = tmp_path / "keys", tmp_path / "elsewhere"
    (folder / "b" / ".hidden").mkdir(parents=True)
    elsewhere.write_bytes(b"linked")
    (folder / "one").write_bytes(b"1")
    (folder / "b" / "two").write_bytes(b"22")
    (folder / "link").symlink_to(elsewhere)
    (folder / "nowhere").symlink_to(tmp_path / "gone")
    for name in (".half", "b/.hidden/three"):
        (folder / name).write_bytes(b"not this")
    os.mkfifo(folder / "pipe")  # reading it would wait for ever
    kept = KeptFiles("dkim", folder)
    assert read(kept, tmp_path) == ([("b/two", b"22"), ("link", b"linked"), ("one", b"1")], 9)
    assert kept.place("b/two") == folder / "b" / "two"


def test_a_file(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_bytes(b"a = 1")
    kept = KeptFiles("rules", path)
    assert read(kept, tmp_path) == ([("", b"a = 1")], 5) and kept.place("") == path


@pytest.mark.parametrize("name", ["none", "none/at/all"])
def test_what_does_not_exist_is_kept_as_nothing(tmp_path, name):
    kept = KeptFiles("none", tmp_path / name)
    assert read(kept, tmp_path) == ([], 0)
    # Plain files need nothing done to them, neither when restored nor by another version.
    assert (kept.counts(True), kept.proof(True, True), kept.resume()) == ({}, [], None)
    assert kept.change() is None and kept.way_back(None) is None and kept.way_back(3) is None
    assert not (tmp_path / name).exists()
