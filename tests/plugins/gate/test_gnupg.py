"""Messages of real OpenPGP software, and its second opinion."""

import os
import stat

import gevent
import pytest
from chatgate_gate import Kind, inspect
from chatgate_gate.check import MAX_HEADER
from chatgate_gate.openpgp import dearmored, packets
from chatgate_gate.second_opinion import SecondOpinion, Unavailable

from tests.plugins.gate import mails
from tests.plugins.gate.mails import mail

ECC, RSA = "ecc@example.org", "rsa@example.org"
TEXT = b"Content-Type: text/plain\r\n\r\nMeet me at eight at the station.\r\n"


def wire(result) -> bytes:
    assert result.ok, result.status
    return result.data.replace(b"\n", b"\r\n")


MADE = {
    "X25519": lambda gpg: gpg.encrypt(TEXT, [ECC], always_trust=True),
    "RSA": lambda gpg: gpg.encrypt(TEXT, [RSA], always_trust=True),
    "two recipients": lambda gpg: gpg.encrypt(TEXT, [ECC, RSA], always_trust=True),
    "hidden recipient": lambda gpg: gpg.encrypt(TEXT, [ECC], always_trust=True, extra_args=["--throw-keyids"]),
    "signed too": lambda gpg: gpg.encrypt(TEXT, [RSA], sign=ECC, always_trust=True),
    "passphrase": lambda gpg: gpg.encrypt(TEXT, None, symmetric="AES256", passphrase="secret"),
    "passphrase and key": lambda gpg: gpg.encrypt(
        TEXT, [ECC], symmetric="AES256", passphrase="secret", always_trust=True
    ),
    "not compressed": lambda gpg: gpg.encrypt(TEXT, [ECC], always_trust=True, extra_args=["-z", "0"]),
    "partial lengths": lambda gpg: gpg.encrypt(os.urandom(300_000), [ECC], always_trust=True),
    "as RFC 4880": lambda gpg: gpg.encrypt(TEXT, [RSA], always_trust=True, extra_args=["--rfc4880"]),
}


@pytest.fixture(scope="module")
def made(gpg):
    cache = {}

    def make(name):
        if name not in cache:
            cache[name] = wire(MADE[name](gpg))
        return cache[name]

    return make


@pytest.mark.parametrize("incoming", [True, False])
@pytest.mark.parametrize("name", MADE)
def test_messages_of_gnupg_pass(made, name, incoming):
    verdict = inspect(mail(made(name)), incoming=incoming)
    assert (verdict.kind, verdict.reason) == (Kind.ENCRYPTED, "")


def test_partial_lengths_are_really_there(made):
    octets = dearmored(made("partial lengths"), headers_allowed=False)
    last = packets(octets)[-1]
    assert 224 <= octets.read(last.offset + 1, 1)[0] < 255


def test_a_version_line_of_gnupg(gpg):
    armor = wire(gpg.encrypt(TEXT, [ECC], always_trust=True, extra_args=["--emit-version"]))
    assert b"\r\nVersion: GnuPG" in armor
    assert inspect(mail(armor), incoming=True).kind is Kind.ENCRYPTED
    assert inspect(mail(armor), incoming=False).kind is Kind.CLEARTEXT


def test_a_comment_of_gnupg(gpg):
    armor = wire(gpg.encrypt(TEXT, [ECC], always_trust=True, extra_args=["--comment", "meet me"]))
    assert b"\r\nComment: meet me" in armor
    assert inspect(mail(armor), incoming=True).kind is Kind.CLEARTEXT


def test_what_gnupg_does_not_encrypt_is_refused(gpg):
    signed = gpg.sign(TEXT, keyid=ECC, clearsign=False)
    clear = gpg.sign(TEXT, keyid=ECC)
    detached = gpg.sign(TEXT, keyid=ECC, detach=True)
    key = gpg.export_keys(ECC).encode()
    for armor in (*(result.data for result in (signed, clear, detached)), key):
        assert armor.startswith(b"-----BEGIN PGP ")
        assert inspect(mail(armor.replace(b"\n", b"\r\n")), incoming=True).kind is Kind.CLEARTEXT


# ---------------------------------------------------------------------------------------------- second opinion


@pytest.fixture
def opinion(gpg, tmp_path):
    return SecondOpinion(gpg.gpgbinary, tmp_path / "opinion", seconds=60, processes=2)


@pytest.mark.parametrize("name", MADE)
def test_gnupg_agrees_on_its_own_messages(opinion, made, name):
    assert opinion.agrees(mail(made(name)), max_header=MAX_HEADER)


@pytest.mark.parametrize("name", ["gate-deltachat.eml", "gate-deltachat-symmetric.eml", "gate-thunderbird.eml"])
def test_gnupg_agrees_on_sample_mails(opinion, name):
    assert opinion.agrees(mails.stored(name), max_header=MAX_HEADER)


def test_no_agent_is_started_and_nobody_is_asked_for_a_passphrase(opinion, made, tmp_path):
    opinion.agrees(mail(made("passphrase and key")), max_header=MAX_HEADER)
    assert not [path for path in (tmp_path / "opinion").iterdir() if stat.S_ISSOCK(path.stat().st_mode)]
    assert (tmp_path / "opinion").stat().st_mode & 0o777 == 0o700


def program(tmp_path, gpg, body, seconds=60.0):
    """A gpg that does something else when it is to list packets."""
    path = tmp_path / "gpg"
    path.write_text(f'#!/bin/sh\ncase "$*" in *--list-packets*) {body};; *) exec {gpg.gpgbinary} "$@";; esac\n')
    path.chmod(0o755)
    return SecondOpinion(str(path), tmp_path / "opinion", seconds=seconds, processes=1)


@pytest.mark.parametrize(
    "listing",
    [
        "",
        "# off=0 ctb=cb tag=11 hlen=2 plen=18 new-ctb",
        "# off=0 ctb=c1 tag=1 hlen=2 plen=94 new-ctb",
        "# off=0 ctb=c1 tag=1 hlen=2 plen=94 new-ctb\n# off=97 ctb=d2 tag=18 hlen=3 plen=301 new-ctb",
        "# off=0 ctb=c1 tag=1 hlen=2 plen=95 new-ctb\n# off=96 ctb=d2 tag=18 hlen=3 plen=301 new-ctb\n"
        "# off=400 ctb=cb tag=11 hlen=2 plen=18 new-ctb",
    ],
)
def test_gnupg_disagrees(gpg, tmp_path, listing):
    opinion = program(tmp_path, gpg, f"cat >/dev/null; echo '{listing}'; exit 2")
    content = mail(mails.armored(mails.PKESK3 + mails.SEIPD1))
    assert inspect(content, incoming=True).kind is Kind.ENCRYPTED
    assert not opinion.agrees(content, max_header=MAX_HEADER)


@pytest.mark.parametrize("body", ["cat >/dev/null; exit 1", "kill -9 $$", "exec sleep 1000"])
def test_no_opinion_is_not_agreement(gpg, tmp_path, body):
    opinion = program(tmp_path, gpg, body, seconds=1.0)
    with gevent.Timeout(60), pytest.raises(Unavailable):
        opinion.agrees(mail(mails.armored(mails.PKESK3 + mails.SEIPD1)), max_header=MAX_HEADER)


def test_no_program(tmp_path):
    with pytest.raises(Unavailable):
        SecondOpinion(str(tmp_path / "nowhere"), tmp_path / "opinion", seconds=1, processes=1)
