"""`chatgate dkim`, on a folder as an operator has it."""

import json
import re

import dkim
import pytest
from click.testing import CliRunner

from chatgate.cli import cli
from tests.plugins.dkim.sample import rsa_key


@pytest.fixture
def run(tmp_path):
    def command(*arguments, code=0):
        done = CliRunner().invoke(cli, ["--dir", str(tmp_path / "gw"), *arguments])
        assert done.exit_code == code, done.output
        return done.output

    command("init", "--domain", "example.org")
    return command


def strings(line):
    return "".join(re.findall(r'"([^"]*)"', line))


def test_init_makes_the_keys(run, tmp_path):
    assert sorted(path.name for path in (tmp_path / "gw/data/dkim/example.org").glob("*.pem")) == [
        "chatgate-ed25519.ed25519.pem",
        "chatgate.rsa.pem",
    ]


@pytest.mark.parametrize("arguments", [("--domain", "127.0.0.1"), ("--domain", "example.org", "--local")])
def test_init_makes_no_keys_where_nobody_else_is_reached(tmp_path, arguments):
    done = CliRunner().invoke(cli, ["--dir", str(tmp_path / "gw"), "init", *arguments])
    assert done.exit_code == 0 and not (tmp_path / "gw/data/dkim").exists()


def test_show(run):
    first, rsa, second, ed25519 = run("dkim", "show").splitlines()
    assert (first, second) == ("; rsa, signs", "; ed25519, signs")
    assert rsa.startswith('chatgate._domainkey.example.org. 3600 IN TXT "v=DKIM1;k=rsa;p=')
    assert all(len(piece) <= 255 for piece in re.findall(r'"([^"]*)"', rsa)) and rsa.count('" "') == 1
    found = json.loads(run("dkim", "show", "--json", "--domain", "example.org"))
    assert [(one["name"], one["value"], one["state"]) for one in found] == [
        ("chatgate._domainkey.example.org", strings(rsa), "signs"),
        ("chatgate-ed25519._domainkey.example.org", strings(ed25519), "signs"),
    ]
    assert "is no domain of this gateway" in run("dkim", "show", "--domain", "example.net", code=2)


def test_rotate(run):
    said = run("dkim", "rotate")
    assert "the gateway then signs with the new keys by itself" in said and "must stay for 7 days" in said
    assert said.count("; rsa, new: signs once this record is seen in the DNS") == 1
    states = [(one["kind"], one["state"]) for one in json.loads(run("dkim", "show", "--json"))]
    assert states == [("rsa", "signs"), ("rsa", "waits"), ("ed25519", "signs"), ("ed25519", "waits")]
    assert "wait for their records in the DNS already" in run("dkim", "rotate", code=1)
    assert "the new keys sign from now on" in run("dkim", "rotate", "--now")
    found = json.loads(run("dkim", "show", "--json"))
    assert [one["state"] for one in found] == ["leaves", "signs", "leaves", "signs"]
    assert re.search(r"; rsa, old: keep it until 20\d\d-\d\d-\d\d\n", run("dkim", "show"))


def test_rotate_at_once(run):
    before = {one["name"] for one in json.loads(run("dkim", "show", "--json"))}
    run("dkim", "rotate", "--now")
    after = json.loads(run("dkim", "show", "--json"))
    assert {one["name"] for one in after if one["state"] == "leaves"} == before


def test_import(run, tmp_path):
    old = rsa_key()
    (tmp_path / "opendkim.private").write_bytes(old.oracle)
    said = run("dkim", "import", str(tmp_path / "opendkim.private"), "--selector", "opendkim")
    assert "signs with this rsa key from now on" in said and "opendkim._domainkey.example.org. 3600 IN TXT" in said
    path = tmp_path / "gw/data/dkim/example.org/opendkim.rsa.pem"
    content = b"From: a@example.org\r\n\r\nHello\r\n"
    made = dkim.sign(content, b"opendkim", b"example.org", path.read_bytes()) + content
    assert dkim.verify(made, dnsfunc=lambda name, timeout=5: old.text)


def test_import_refuses(run, tmp_path):
    (tmp_path / "no.pem").write_bytes(b"no key")
    assert "no private key in PEM" in run("dkim", "import", str(tmp_path / "no.pem"), "--selector", "a", code=1)
    assert "is no name in the DNS" in run("dkim", "import", str(tmp_path / "no.pem"), "--selector", "a/b", code=2)


def test_an_ip_address_has_no_keys(tmp_path):
    folder = str(tmp_path / "gw")
    CliRunner().invoke(cli, ["--dir", folder, "init", "--domain", "127.0.0.4"])
    assert CliRunner().invoke(cli, ["--dir", folder, "dkim", "show", "--json"]).output == "[]\n"
    done = CliRunner().invoke(cli, ["--dir", folder, "dkim", "rotate", "--domain", "127.0.0.4"])
    assert done.exit_code == 1 and "an IP address has no DNS" in done.output
