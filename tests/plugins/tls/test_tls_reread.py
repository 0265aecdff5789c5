"""Files that change are loaded by a running gateway, without a signal; `chatgate tls show`."""

import json
import shutil
import socket
import ssl

import pytest
from chatgate_tls import look
from chatgate_tls.rereading import Rereading
from click.testing import CliRunner

from chatgate.api import Certificate, PluginError, hookimpl
from chatgate.cli import cli
from chatgate.running import certificates
from chatgate.testing import client_tls, port, until
from tests.plugins.tls.test_tls import gateway, issue


def served(running):
    with socket.create_connection(("127.0.0.1", port(running, "imaps")), timeout=60) as sock:
        with client_tls().wrap_socket(sock) as tls:
            return ssl.DER_cert_to_PEM_cert(tls.getpeercert(True))


def test_a_running_gateway_takes_a_new_pair_and_keeps_the_old_one_until_it_is_whole(gateway_factory, tmp_path, caplog):
    running = gateway_factory("tls", "maildb", "imap", tls={"reread_seconds": 0.01})
    before = served(running)
    other = tmp_path / "other"
    other.mkdir()
    issue(other, ["example.org", "127.0.0.1"])
    shutil.copy(other / "tls/cert.pem", tmp_path / "tls/cert.pem")
    until(lambda: "does not belong" in caplog.text)
    assert served(running) == before
    shutil.copy(other / "tls/key.pem", tmp_path / "tls/key.pem")
    until(lambda: served(running) != before)
    assert served(running) in (tmp_path / "tls/cert.pem").read_text()
    until(lambda: "new certificate loaded" in caplog.text)
    lines = [record.message for record in caplog.records if "does not belong" in record.message]
    assert len(lines) == 1 and lines[0].endswith("; the certificate in use is kept")


def test_files_that_are_replaced_while_they_are_loaded(tmp_path, monkeypatch):
    """The live context has the old pair or the new one, and never half of each."""
    issue(tmp_path, ["example.org"])
    (tmp_path / "other").mkdir()
    issue(tmp_path / "other", ["example.org"])
    pair = Certificate(tmp_path / "tls/cert.pem", tmp_path / "tls/key.pem")
    before = pair.chain.read_text()
    load = ssl.SSLContext.load_cert_chain

    def loaded(self, *files):
        load(self, *files)
        shutil.copy(tmp_path / "other/tls/cert.pem", pair.chain)

    live = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", loaded)
    certificates._load_into(live, pair)
    assert pair.chain.read_text() != before
    look._handshake(client_tls(), live, None)  # raises if its key is not that of its certificate


@pytest.mark.parametrize("text", ("", "-----BEGIN CERTIFICATE-----\n", "half"))
def test_a_certificate_that_is_gone_or_half_at_the_second_look(tmp_path, monkeypatch, text):
    issue(tmp_path, ["example.org"])
    chain, server = tmp_path / "tls/cert.pem", look._server

    def replaced(*files):
        made = server(*files)
        chain.write_text(chain.read_text()[:300] if text == "half" else text)
        return made

    monkeypatch.setattr(look, "_server", replaced)
    with pytest.raises(PluginError, match="not a certificate in PEM format"):
        look.look(chain, tmp_path / "tls/key.pem", ["example.org"])


def test_a_certificate_of_openssl_s_own_kind_is_refused(tmp_path):
    issue(tmp_path, ["example.org"])
    chain = tmp_path / "tls/cert.pem"
    chain.write_text(chain.read_text().replace(" CERTIFICATE", " X509 CERTIFICATE"))
    with pytest.raises(PluginError, match="not a certificate in PEM format"):
        look.look(chain, tmp_path / "tls/key.pem", ["example.org"])


def test_nothing_is_loaded_while_nothing_changes(tmp_path, monkeypatch):
    (tmp_path / "tls/challenges").mkdir(parents=True)
    named, loads = tmp_path / "elsewhere.pem", []
    again = Rereading(lambda: [named], tmp_path / "tls", lambda: loads.append(1) or True)
    again.look()
    (tmp_path / "tls/challenges/token").write_text("x")
    again.look()
    assert loads == []
    for change in (
        lambda: named.write_text("1"),
        lambda: named.chmod(0o600),
        lambda: (tmp_path / "tls/example.net.pem").write_text("1"),
        lambda: named.unlink(),
    ):
        change()
        again.look()
        again.look()
        assert loads.pop() and not loads


def test_what_cannot_be_used_is_tried_again_and_said_once(tmp_path, caplog):
    tries = []

    def reload():
        tries.append(1)
        if len(tries) < 4:
            raise PluginError("x.pem: no")
        return True

    file = tmp_path / "x.pem"
    again = Rereading(lambda: [file], tmp_path / "tls", reload)
    file.write_text("1")
    for _ in range(6):
        again.look()
    assert len(tries) == 4
    assert [r.message for r in caplog.records] == [
        "x.pem: no; the certificate in use is kept",
        "new certificate loaded",
    ]


def test_it_can_be_turned_off(tmp_path):
    gw = gateway(tmp_path, reread_seconds=0.0)
    assert gw.hub.services.or_raise(gateway=gw) == [[]]


@pytest.fixture
def run(tmp_path):
    def make(*args, domains=()):
        if not (tmp_path / "conf.d").exists():
            CliRunner().invoke(cli, ["--dir", str(tmp_path), "init", "--domain", "example.org", "--local"])
            (tmp_path / "conf.d/domains").mkdir()
            (tmp_path / "conf.d/domains/_b.example.toml").write_text("")
        done = CliRunner().invoke(cli, ["--dir", str(tmp_path), *args])
        return done.exit_code, done.output

    return make


def test_show(run, tmp_path):
    code, said = run("tls", "show", "--json")
    assert code == 0
    first, second = json.loads(said)
    assert first["domain"] == "example.org" and first["names"] == ["example.org", "127.0.0.1"]
    assert first["source"] == "self-signed" and first["key"] == "EC P-256" and first["days_left"] > 3000
    assert first["problems"] == []
    assert second["problems"] == [
        {
            "level": "error",
            "text": f"{tmp_path}/tls/_b.example/cert.pem: not there yet; it is made at the first start",
        }
    ]
    assert not (tmp_path / "tls/_b.example").exists()
    issue(tmp_path, ["example.org"], days=2, organization="Some Authority")
    code, said = run("tls", "show", "--domain", "example.org")
    assert "issuer   Some Authority Some CA" in said and "2 days" in said
    assert "error: " in said and "the certificate is not for 127.0.0.1" in said
    assert "warning: " in said and "expires in 2 days" in said


def test_renew_without_acme_says_what_to_do(run):
    code, said = run("tls", "renew", "--force", "example.org")
    assert code == 1 and "chatgate plugins enable acme" in said


class Other:
    """A plugin that is asked before tls."""

    order = 5
    folder = None

    def __init__(self, gateway, options):
        pass

    @hookimpl
    def chatgate_certificate(self, domain):
        return Certificate(self.folder / "tls/cert.pem", self.folder / "tls/key.pem")


def test_a_certificate_of_another_plugin_is_looked_at_and_the_own_one_is_not(tmp_path, gateway_factory, monkeypatch):
    monkeypatch.setattr(Other, "folder", tmp_path / "of-another", raising=False)
    Other.folder.mkdir()
    issue(Other.folder, ["example.org"], days=3, organization="Let's Encrypt")
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls/cert.pem").write_text("nobody reads this")
    running = gateway_factory("tls", "maildb", Other)
    texts = [
        problem.text for problem in running.check() if "of-another" in problem.text or "tls/cert.pem" in problem.text
    ]
    assert texts == [
        f"{Other.folder}/tls/cert.pem: the certificate expires in 3 days",
        f"{Other.folder}/tls/cert.pem: the certificate is not for 127.0.0.1",
    ]
    assert running.hub.dns_records(running.domains.first) == [[]]  # whose certificate it is says who may issue
