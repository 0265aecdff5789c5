"""Encrypted backups, with a real GnuPG."""

from __future__ import annotations

import random
import subprocess

import gnupg
import pytest
from chatgate_backup.archive import Broken
from chatgate_backup.openpgp import Cipher

from chatgate.api import PluginError
from tests.plugins.backup.folders import Folder, restored

KEY = """Key-Type: EDDSA
Key-Curve: ed25519
Key-Usage: sign
Subkey-Type: ECDH
Subkey-Curve: cv25519
Subkey-Usage: encrypt
Name-Real: backup
Name-Email: backup@example.org
Passphrase: open sesame
%commit
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """public.asc, secret.asc and passphrase."""
    folder = tmp_path_factory.mktemp("k")
    (folder / "home").mkdir(mode=0o700)
    gpg = gnupg.GPG(gnupghome=str(folder / "home"))
    fingerprint = gpg.gen_key(KEY).fingerprint
    (folder / "public.asc").write_text(gpg.export_keys(fingerprint))
    (folder / "secret.asc").write_text(gpg.export_keys(fingerprint, True, passphrase="open sesame"))
    (folder / "passphrase").write_text("open sesame\n")
    yield folder
    subprocess.run(["gpgconf", "--homedir", str(folder / "home"), "--kill", "all"], check=False)


def test_there_and_back(folder, tmp_path, keys):
    done = folder.run("backup", str(tmp_path / "b"), "--to", str(keys / "public.asc"))
    assert done.exit_code == 0, done.output
    octets = (tmp_path / "b").read_bytes()
    assert b"conf.d" not in octets and b"\x1f\x8b" != octets[:2]
    other = Folder(tmp_path / "other")
    secret = ["--key", str(keys / "secret.asc"), "--passphrase-file", str(keys / "passphrase")]
    done = other.run("restore", str(tmp_path / "b"), *secret, "--no-dns")
    assert done.exit_code == 0, done.output
    done = Folder(tmp_path / "third").run("restore", str(tmp_path / "b"), "--key", str(keys / "public.asc"))
    assert done.exit_code == 1 and "there is no secret key for it here" in done.stderr


def test_a_key_that_is_none_is_told_before_anything_is_written(folder, tmp_path):
    (tmp_path / "none.asc").write_text("hello")
    done = folder.run("backup", str(tmp_path / "b"), "--to", str(tmp_path / "none.asc"))
    assert done.exit_code == 1 and "there is no OpenPGP key in this file" in done.stderr
    assert not list(tmp_path.glob("*b*.part")) and not (tmp_path / "b").exists()


def test_what_is_bent_or_cut_is_refused(folder, tmp_path, keys):
    with Cipher(str(keys / "public.asc")) as cipher:
        octets, _ = folder.backed_up(cipher, mail=False)
    places = [
        0,
        1,
        2,
        3,
        4,
        12,
        13,
        14,
        15,
        16,
        *random.sample(range(len(octets)), 4),
        len(octets) - 34,
        len(octets) - 1,
    ]
    with Cipher(str(keys / "secret.asc"), keys / "passphrase") as cipher:
        for number, place in enumerate(places):
            bent = bytearray(octets)
            bent[place] ^= 1 << place % 8
            with pytest.raises((Broken, PluginError)):
                restored(bytes(bent), tmp_path / f"bent{number}", cipher)
        for number, length in enumerate((0, 100, len(octets) - 34)):
            with pytest.raises((Broken, PluginError)):
                restored(octets[:length], tmp_path / f"cut{number}", cipher)
        restored(octets, tmp_path / "whole", cipher)
