"""The form of a backup: other programs read it, and what is bent, cut off or made up is refused, by name."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import subprocess
import tarfile

import pytest
from chatgate_backup import archive, seal, wrapping
from chatgate_backup.archive import Broken
from chatgate_backup.openpgp import Cipher
from hypothesis import given
from hypothesis import strategies as st

from chatgate.api import PluginError
from tests.plugins.backup.folders import restored

CONTENT = [
    ("BACKUP", b'{"format": 1}'),
    ("conf.d/00-chatgate.toml", b'domain = "_b.test"\n'),
    ("maildb/mail/mail.db", bytes(9000)),
]


def made(files: list[tuple[str, bytes]], manifest: bytes | None = None) -> bytes:
    """A sealed backup of these files, as its maker would write it; manifest: another one than is right."""
    out, listed = io.BytesIO(), io.BytesIO()
    with wrapping.wrapped(out.write, None) as write:
        writer = archive.Writer(write, lambda line: listed.write(line.encode()))
        for name, content in files:
            writer.add(name, len(content), iter([content]))
        right = listed.getvalue() if manifest is None else manifest
        writer.close(len(right), iter([right]))
    return out.getvalue()


def read(octets: bytes) -> list[str]:
    names, met, told = [], [], b""
    for name, _, pieces in archive.Reader(wrapping.unwrapped(io.BytesIO(octets), Cipher())).files():
        content = b"".join(pieces)
        if name == archive.MANIFEST:
            told = content
        else:
            names.append(name)
            met.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    archive.compare(iter(met), iter(told.decode("latin-1").splitlines(True)))
    return names


GOOD = made(CONTENT)


def test_gzip_and_tar_read_it(tmp_path):
    (tmp_path / "backup").write_bytes(GOOD)
    command = "gzip -t < backup && gzip -dc < backup | tar xf - && sha256sum -c MANIFEST"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done
    assert done.stdout.splitlines() == [f"{name}: OK" for name, _ in CONTENT]


def test_every_octet_bent_is_refused():
    assert read(GOOD) == [name for name, _ in CONTENT]
    for place in range(len(GOOD)):
        bent = bytearray(GOOD)
        bent[place] ^= 1 << place % 8
        with pytest.raises(Broken):
            read(bytes(bent))


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_any_bend_is_refused(place, by):
    bent = bytearray(GOOD)
    bent[place] ^= by
    with pytest.raises(Broken):
        read(bytes(bent))


def test_every_cut_is_refused():
    for length in range(len(GOOD)):
        with pytest.raises(Broken):
            read(GOOD[:length])


@given(st.binary(min_size=1, max_size=600))
def test_more_at_the_end_is_refused(more):
    with pytest.raises(Broken):
        read(GOOD + more)


def test_two_backups_in_one_file_are_refused():
    """One that is much larger than what is compressed, so that its end comes while much is left to expand."""
    long = made([*CONTENT[:2], ("maildb/mail/mail.db", bytes(3_000_000))])
    with pytest.raises(Broken, match="something stands behind"):
        read(long + long)


@given(st.binary(max_size=5000))
def test_anything_else_is_refused(octets):
    with pytest.raises((Broken, PluginError)):
        read(wrapping._GZIP + octets)


def test_what_is_bent_is_named():
    files = [*CONTENT, ("maildb/mail/blobs/ab/" + "ab" * 16, random.randbytes(80_000))]
    wrong = "".join(
        f"{hashlib.sha256(content + b'!' * (name == files[2][0])).hexdigest()}  {name}\n" for name, content in files
    )
    with pytest.raises(Broken, match=r"maildb/mail/mail.db: its content is not what was backed up"):
        read(made(files, wrong.encode()))
    whole = made(files)
    with pytest.raises(Broken, match=r"blobs/ab/"):
        read(whole[:-5000])


def sealed_tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A correctly sealed backup around a tar file that somebody else has made."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    out = io.BytesIO()
    with wrapping.wrapped(out.write, None) as write:
        write(inner.getvalue())
    return out.getvalue()


def link(name: str, to: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


KINDS = "SYMTYPE LNKTYPE DIRTYPE FIFOTYPE CHRTYPE GNUTYPE_SPARSE GNUTYPE_LONGNAME XHDTYPE"
NAMES = ("/etc/passwd", "../../etc/passwd", "a/../b", "./a", "a//b", "a/", ".hidden", "a/.b", "", "a\\b", "a b", "ä")


@pytest.mark.parametrize("kind", KINDS.split())
def test_nothing_but_files_is_in_it(kind):
    with pytest.raises(Broken, match="its beginning: not the header of a file"):
        read(sealed_tar((link("BACKUP", "/etc/passwd", getattr(tarfile, kind)), b"")))


@pytest.mark.parametrize("name", NAMES)
def test_names_lead_nowhere_else(name):
    with pytest.raises(ValueError):
        archive.header(name, 1)
    info = tarfile.TarInfo(name)
    info.mode = 0o600
    with pytest.raises(Broken):
        read(sealed_tar((info, b"1")))


INTO = [*CONTENT[:2], ("conf.d/60-maildb.toml", b""), ("conf.d/60-accounts.toml", b"")]


@pytest.mark.parametrize(
    ("files", "why"),
    (
        ([INTO[1], INTO[0]], "conf.d/00-chatgate.toml: stands where"),
        ([INTO[0], INTO[0]], "BACKUP: stands where"),
        ([*INTO, INTO[1]], "conf.d/00-chatgate.toml: is in it twice"),
        ([*INTO, ("maildb/mail/mail.db", b"1"), ("maildb/mail/mail.db", b"1")], "maildb/mail/mail.db: is in it twice"),
        ([*INTO, ("maildb/mail/mail.db", b"1"), ("conf.d/99-x.toml", b"")], "conf.d/99-x.toml: stands where"),
        ([*INTO, ("maildb/mail/%2e%2e/x", b"1")], "no name that a backup can have"),
        ([*INTO, ("maildb/mail/reserve", b"1")], "maildb/mail/reserve: no file of maildb"),
        ([("BACKUP", b"[]")], "BACKUP: not in its form"),
        ([("BACKUP", b'{"format": 0}')], "BACKUP: not in its form"),
        ([("BACKUP", b'{"format": 1, "made": "\\u001b[2J"}')], "BACKUP: not in its form"),
        ([("BACKUP", b'{"format": 1, "chatgate": [1]}')], "BACKUP: not in its form"),
        ([*INTO, ("COUNTS", b'{"maildb/mail": 5}')], "COUNTS: not in its form"),
        ([*INTO, ("COUNTS", b'{"maildb/mail": {"accounts": "5"}}')], "COUNTS: not in its form"),
    ),
)
def test_what_is_out_of_order_or_twice_is_refused_by_name(files, why, tmp_path):
    with pytest.raises(Broken, match=why):
        restored(made(files), tmp_path / "new")


@pytest.mark.parametrize(
    ("files", "why"),
    (
        ([*INTO, ("nobody/mail/x", b"1")], "nobody/mail: no plugin here keeps that"),
        ([("BACKUP", b'{"format": 2, "chatgate": "9.0"}')], "made by a newer program, chatgate 9.0"),
        ([*INTO[:2], ("conf.d/60-nobody.toml", b""), ("maildb/mail/mail.db", b"")], "no plugin 'nobody' is installed"),
    ),
)
def test_what_the_installed_program_does_not_know_is_said(files, why, tmp_path):
    with pytest.raises(PluginError, match=why):
        restored(made(files), tmp_path / "new")


def test_a_bomb_fills_no_disk(tmp_path, monkeypatch):
    """Zeros, of which a few octets make many: each file is weighed before it is written."""
    bomb = made([*INTO, ("maildb/mail/mail.db", bytes(10_000_000))])
    monkeypatch.setattr("chatgate_backup.restoring.free_octets", lambda path: 55_000_000)
    with pytest.raises(PluginError, match="no room for maildb/mail/mail.db, of 10000000 octets"):
        restored(bomb, tmp_path / "new")
    assert (tmp_path / "new/data/mail.db").stat().st_size == 0


def test_nor_does_one_in_the_manifest(tmp_path, monkeypatch):
    monkeypatch.setattr("chatgate_backup.restoring.free_octets", lambda path: 55_000_000)
    with pytest.raises(PluginError, match="no room for MANIFEST, of 10000000 octets"):
        restored(made(INTO, bytes(10_000_000)), tmp_path / "new")


def test_sizes_beyond_eight_gigabytes_have_a_header_of_their_own():
    for size in (0, 1, (1 << 33) - 1, 1 << 33, 1 << 40):
        assert tarfile.TarInfo.frombuf(archive.header("a", size), "ascii", "strict").size == size


def test_a_seal_is_of_what_is_before_it():
    digest = hashlib.sha256(b"x").digest()
    assert gzip.decompress(gzip.compress(b"x") + seal.gzip(digest)) == b"x"
    assert b"".join(seal.opened(iter([b"x" + seal.gzip(digest)]), seal.gzip)) == b"x"
    with pytest.raises(seal.Unsealed):
        list(seal.opened(iter([b"y", seal.gzip(digest)]), seal.gzip))
