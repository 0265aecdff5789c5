"""A gateway of two processes fetches its certificates by itself, and serves them without a signal."""

import json
import socket
import ssl

import pytest

from chatgate.testing import until
from tests.flows.gateway_process import GatewayProcess


@pytest.fixture(scope="module")
def serving(pebble, dns, tmp_path_factory):
    folder = tmp_path_factory.mktemp("acme") / "gw"
    with GatewayProcess(folder) as made:
        made.init("--domain", "chat.example.org", "--local")
        made.set("chatgate", hostname='"chat.example.org"', processes="2", log_level='"info"')
        made.set("tls", reread_seconds="0.05")
        made.set("site", http=f'["127.0.0.1:{pebble.http}"]', https=f'["127.0.0.1:{pebble.tls}"]')
        for name in ("smtp", "imap"):
            (path,) = (folder / "conf.d").glob(f"*-{name}.toml")
            path.unlink()
        (folder / "conf.d/40-resolver.toml").write_text(f'nameservers = ["{dns.address}"]\n')
        (folder / "conf.d/08-acme.toml").write_text(
            f'directory = "{pebble.url}"\nca_bundle = "{pebble.bundle}"\nagree_to_terms = true\n'
            'challenges = ["tls-alpn-01", "http-01"]\n'
        )
        (folder / "conf.d/domains").mkdir()
        (folder / "conf.d/domains/b.example.net.toml").write_text("[acme]\nnames = ['www.chat.example.org']\n")
        yield made.start()


def shown(pebble, name):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", pebble.tls), 60) as sock:
        with context.wrap_socket(sock, server_hostname=name) as tls:
            return ssl.DER_cert_to_PEM_cert(tls.getpeercert(True))


def certificate(serving, name):
    path = serving.folder / f"tls/acme/{name}.pem"
    return path.read_text() if path.exists() else ""


def serves_everywhere(pebble, serving, name):
    """Ten connections in a row: two processes take them in turn as the system likes."""
    return all(shown(pebble, name).strip() in certificate(serving, name) for _ in range(10))


@pytest.mark.parametrize("name", ("chat.example.org", "b.example.net"))
def test_it_has_certificates_soon_and_serves_them_in_each_process(serving, pebble, name):
    until(lambda: serves_everywhere(pebble, serving, name))
    assert "Traceback" not in serving.output()


def test_what_the_operator_sees(serving, pebble):
    until(lambda: certificate(serving, "b.example.net"))
    (first, second) = json.loads(serving.run("tls", "show", "--json").stdout)
    assert first["source"] == second["source"] == "acme"
    assert first["names"] == ["chat.example.org", "www.chat.example.org"] and first["problems"] == []
    assert first["issuer"].startswith("Pebble") and first["key"] == "EC P-256"


def test_renewed_by_hand_and_taken_without_a_signal(serving, pebble):
    until(lambda: certificate(serving, "b.example.net"))
    before = certificate(serving, "chat.example.org")
    done = serving.run("tls", "renew", "--force", "chat.example.org")
    assert done.returncode == 0, done.stdout + done.stderr
    # An authority may take a name as proven that it has just looked at.
    assert "chat.example.org by tls-alpn-01\n" in done.stdout and " by http-01" not in done.stdout
    assert done.stdout.endswith("chat.example.org: new certificate\n")
    assert certificate(serving, "chat.example.org") != before
    until(lambda: serves_everywhere(pebble, serving, "chat.example.org"))


def test_the_site_answers_by_http_too(serving, pebble):
    path = serving.folder / "conf.d/08-acme.toml"
    path.write_text(path.read_text().replace('"tls-alpn-01", ', ""))  # which the command reads anew
    done = serving.run("tls", "renew", "--force", "b.example.net")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "b.example.net: b.example.net by http-01\n" in done.stdout


def test_the_other_protocols_of_the_port_go_on(serving, pebble):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["acme-tls/1"])
    for name in ("chat.example.org", "nobody.example"):  # nobody looks at us now
        with pytest.raises(OSError), socket.create_connection(("127.0.0.1", pebble.tls), 60) as sock:
            context.wrap_socket(sock, server_hostname=name)
    assert shown(pebble, "chat.example.org")
