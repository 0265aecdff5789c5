"""The keys of a domain: made, used, rotated, imported, dropped; and what goes wrong with files."""

import json
import os
import stat
import subprocess
import sys

import dkim
import pytest
from chatgate_dkim import pem, record
from chatgate_dkim.keyring import Keyring, published

from chatgate.api import PluginError
from tests.plugins.dkim.sample import NOW, RSA, rsa_key

DAY = 86400


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ring(tmp_path, clock):
    made = Keyring(tmp_path / "dkim" / "example.org", "example.org", clock)
    made.make("chatgate")
    return made


def states(ring):
    return [(key.kind, key.selector, key.state) for key in ring.keys()]


def test_keys_are_made_once_and_for_their_owner_alone(ring):
    assert states(ring) == [("rsa", "chatgate", "signs"), ("ed25519", "chatgate-ed25519", "signs")]
    files = sorted(path.name for path in ring.folder.iterdir())
    assert files == [".lock", "chatgate-ed25519.ed25519.pem", "chatgate.rsa.pem", "keys.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in ring.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(ring.folder.stat().st_mode) == 0o700
    before = [ring.record(key) for key in ring.keys()]
    ring.make("other")
    assert [ring.record(key) for key in ring.keys()] == before


def test_records(ring):
    (name, text), (second, short) = [ring.record(key) for key in ring.keys()]
    assert name == "chatgate._domainkey.example.org" and second == "chatgate-ed25519._domainkey.example.org"
    key = record.parse(text.encode())
    assert (key.kind, key.bits, key.strict) == ("rsa", 2048, True)
    assert record.parse(short.encode()).kind == "ed25519" and len(short) < 255
    assert text.startswith("v=DKIM1;k=rsa;p=") and text.endswith(";s=email;t=s")


def test_the_signers_are_loaded_once_and_again_when_something_changed(ring, monkeypatch):
    loads = []
    load = pem.load
    monkeypatch.setattr(pem, "load", lambda path: loads.append(path.name) or load(path))
    first = ring.signers()
    assert [selector for selector, _ in first] == ["chatgate", "chatgate-ed25519"]
    for _ in range(5):
        assert ring.signers() is first
    assert len(loads) == 2
    other = Keyring(ring.folder, "example.org", ring._clock)  # such as a command beside the gateway
    other.activate(other.rotate("chatgate"))
    assert [selector for selector, _ in ring.signers()] != ["chatgate", "chatgate-ed25519"]


def test_rotation(ring, clock):
    new = ring.rotate("chatgate")
    assert [key.selector for key in new] == ["chatgate-20261128", "chatgate-ed25519-20261128"]
    assert [selector for selector, _ in ring.signers()] == ["chatgate", "chatgate-ed25519"]
    with pytest.raises(PluginError, match="new keys wait for their records in the DNS already, since 2026-11-28"):
        ring.rotate("chatgate")
    clock.now += DAY
    ring.activate(new[:1])
    assert states(ring) == [
        ("rsa", "chatgate", "leaves"),
        ("rsa", "chatgate-20261128", "signs"),
        ("ed25519", "chatgate-ed25519", "signs"),
        ("ed25519", "chatgate-ed25519-20261128", "waits"),
    ]
    assert [selector for selector, _ in ring.signers()] == ["chatgate-20261128", "chatgate-ed25519"]
    ring.activate(new)  # again, and the other
    assert [selector for selector, _ in ring.signers()] == [key.selector for key in new]
    assert not ring.drop(7 * DAY)
    clock.now += 8 * DAY
    assert [key.selector for key in ring.drop(7 * DAY)] == ["chatgate", "chatgate-ed25519"]
    assert [selector for selector, _ in ring.signers()] == [key.selector for key in new]
    assert sorted(path.name for path in ring.folder.glob("*.pem")) == [
        "chatgate-20261128.rsa.pem",
        "chatgate-ed25519-20261128.ed25519.pem",
    ]


def test_two_rotations_on_one_day(ring):
    ring.activate(ring.rotate("chatgate"))
    assert [key.selector for key in ring.rotate("chatgate")] == [
        "chatgate-20261128-2",
        "chatgate-ed25519-20261128-2",
    ]


def test_an_imported_key_keeps_its_selector(ring, tmp_path):
    old = rsa_key()
    (tmp_path / "opendkim.private").write_bytes(old.oracle)
    ring.adopt(tmp_path / "opendkim.private", "opendkim")
    assert [selector for selector, _ in ring.signers()] == ["opendkim", "chatgate-ed25519"]
    name, text = ring.record(ring.keys()[1])
    assert name == "opendkim._domainkey.example.org"
    assert published(text, [b"v=spf1 -all", old.text]) and not published(text, [RSA.text, b"v=DKIM1; p="])
    with pytest.raises(PluginError, match="already"):
        ring.adopt(tmp_path / "opendkim.private", "opendkim")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key in PEM"),
        (None, "No such file"),
    ],
)
def test_a_key_that_cannot_be_used_is_named(ring, content, why):
    path = ring.folder / "chatgate.rsa.pem"
    ring.signers()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(PluginError, match=f"chatgate.rsa.pem: {why}"):
            ring.signers()


def test_a_key_of_another_kind(ring, tmp_path):
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    for private, how, why in (
        (ec.generate_private_key(ec.SECP256R1()), NoEncryption(), "neither RSA nor Ed25519"),
        (RSA.private, BestAvailableEncryption(b"secret"), "encrypted"),
    ):
        (tmp_path / "key.pem").write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))
        with pytest.raises(PluginError, match=why):
            ring.adopt(tmp_path / "key.pem", "other")
    assert len(ring.keys()) == 2


@pytest.mark.parametrize(
    "state",
    [
        "",
        "[]",
        "{}",
        '{"keys": 1}',
        '{"keys": [{"kind": "rsa"}]}',
        json.dumps({"keys": [dict(kind="rsa", selector="../x", state="signs", since=1)]}),
    ],
)
def test_a_state_that_cannot_be_read(ring, state):
    (ring.folder / "keys.json").write_text(state)
    for ask in (ring.keys, ring.signers, lambda: ring.make("x"), lambda: ring.rotate("x")):
        with pytest.raises(PluginError, match="keys.json: not as this program writes it"):
            ask()
    assert (ring.folder / "keys.json").read_text() == state


def test_nothing_is_signed_without_a_key(tmp_path, clock):
    ring = Keyring(tmp_path / "none", "example.org", clock)
    assert not ring.exists
    with pytest.raises(PluginError, match="keys.json: No such file"):
        ring.signers()


def test_a_folder_that_cannot_be_written(tmp_path, clock):
    (tmp_path / "file").write_text("")
    with pytest.raises(PluginError, match="file: Not a directory|file: File exists"):
        Keyring(tmp_path / "file", "example.org", clock).make("chatgate")


def test_the_oracle_takes_our_keys(ring):
    content = b"From: a@example.org\r\n\r\nHello\r\n"
    texts = {name.encode() + b".": text.encode() for name, text in map(ring.record, ring.keys())}
    made = dkim.sign(content, b"chatgate", b"example.org", (ring.folder / "chatgate.rsa.pem").read_bytes())
    assert dkim.verify(made + content, dnsfunc=lambda name, timeout=5: texts[name])
    assert os.path.exists(ring.path(ring.keys()[0]))


def test_keys_without_a_state_are_kept(ring, tmp_path, clock):
    """As from a backup that left keys.json out, or put there from another server."""
    records = [ring.record(key) for key in ring.keys()]
    (ring.folder / "keys.json").unlink()
    pem.save(ring.folder / "zzz.rsa.pem", RSA.private)
    ring.make("chatgate")
    assert states(ring) == [
        ("rsa", "chatgate", "signs"),
        ("rsa", "zzz", "leaves"),
        ("ed25519", "chatgate-ed25519", "signs"),
    ]
    assert [ring.record(key) for key in ring.keys() if key.state == "signs"] == records
    other = Keyring(tmp_path / "other", "example.org", clock)
    other.folder.mkdir()
    pem.save(other.folder / "opendkim.rsa.pem", RSA.private)
    other.make("chatgate")
    assert states(other) == [("rsa", "opendkim", "signs"), ("ed25519", "chatgate-ed25519", "signs")]


def test_several_processes_that_start_at_once_make_one_set_of_keys(tmp_path):
    script = (
        "import sys; from pathlib import Path; from chatgate_dkim.keyring import Keyring;"
        "ring = Keyring(Path(sys.argv[1]), 'example.org'); ring.make('chatgate'); ring.signers();"
        "print([ring.record(key) for key in ring.keys()])"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "keys")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {process.communicate(timeout=60)[0] for process in started}
    assert len(said) == 1 and said.pop().count("_domainkey.example.org") == 2
