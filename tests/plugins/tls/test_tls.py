"""The certificates that chatgate_tls shows, as clients see them."""

import datetime
import ipaddress
import logging
import os
import ssl
import stat
import subprocess
import sys

import chatgate_tls.selfsigned as selfsigned
import chatgate_tls.troubles as tls_troubles
import gevent.ssl
import pytest
from chatgate_tls import Tls, TlsOptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from gevent import socket

from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions
from chatgate.hosting.registry import PluginError
from chatgate.running.gateway import Gateway

DAY = datetime.timedelta(days=1)


def gateway(folder, domain="example.org", hostname="", **options):
    core = CoreOptions(domain=domain, hostname=hostname)
    return Gateway(Config(folder, core, (Enabled("tls", Tls, TlsOptions(**options)),)))


def check(gw):
    return [(p.level, p.text) for problems in gw.hub.check.or_raise(gateway=gw) for p in problems]


def names(path):
    san = x509.load_pem_x509_certificate(path.read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    return san.value


def public(path):
    return x509.load_pem_x509_certificate(path.read_bytes()).public_key()


def issue(folder, dns, *, days=90, issuer="Some CA", organization="", key=None, usage=None):
    """A certificate of somebody else's making, in the default place."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    signed = [x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]
    signed += [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, organization)] if organization else []
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, dns[0])]))
        .issuer_name(x509.Name(signed))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - 100 * DAY)
        .not_valid_after(now + days * DAY + DAY / 24)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in dns]), critical=False)
    )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    (folder / "tls").mkdir(exist_ok=True)
    (folder / "tls/cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "tls/key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "tls/key.pem").chmod(0o600)


@pytest.mark.parametrize(
    ("domain", "hostname", "dns", "ips"),
    [
        ("example.org", "", ["example.org"], []),
        ("Example.org", "mail.example.org", ["example.org", "mail.example.org"], []),
        ("_cg1.test", "", ["_cg1.test"], []),
        ("[127.0.0.4]", "", [], ["127.0.0.4"]),
        ("example.org", "192.0.2.1", ["example.org"], ["192.0.2.1"]),
        ("[IPv6:2001:db8::1]", "", [], ["2001:db8::1"]),
    ],
)
def test_names_of_a_self_signed_certificate(tmp_path, domain, hostname, dns, ips):
    gw = gateway(tmp_path, domain, hostname)
    certificate = gw.certificate()
    assert certificate.self_signed
    found = names(certificate.chain)
    assert found.get_values_for_type(x509.DNSName) == dns
    assert found.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(ip) for ip in ips]
    assert isinstance(public(certificate.chain).curve, ec.SECP256R1)
    assert check(gw) == []


def test_the_files_are_made_once_and_the_key_is_private(tmp_path):
    old = os.umask(0)
    try:
        gw = gateway(tmp_path)
        certificate = gw.certificate()
    finally:
        os.umask(old)
    assert stat.S_IMODE(certificate.key.stat().st_mode) == 0o600
    assert sorted(p.name for p in (tmp_path / "tls").iterdir()) == ["cert.pem", "key.pem"]
    before = certificate.chain.read_bytes(), certificate.key.read_bytes()
    again = gateway(tmp_path).certificate()
    assert (again.chain.read_bytes(), again.key.read_bytes()) == before
    left = x509.load_pem_x509_certificate(before[0]).not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert left > 9 * 365 * DAY


@pytest.mark.parametrize("domain", ["example.org", "_cg1.test", "[127.0.0.4]"])
def test_a_strict_client_accepts_it_for_its_name_only(tmp_path, domain):
    gw = gateway(tmp_path, domain)
    server = gw.server("test", ("127.0.0.1:0",), lambda session, sock: sock.sendall(b"hello"), implicit_tls=True)
    server.bind()
    server.start()
    try:
        client = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.load_verify_locations(tmp_path / "tls/cert.pem")
        host, port = server.listening[0].split(":")
        with socket.create_connection((host, int(port)), 5) as sock:
            tls = client.wrap_socket(sock, server_hostname=gw.domains.first.hostname)
            assert tls.recv(10) == b"hello"
        with socket.create_connection((host, int(port)), 5) as sock:
            with pytest.raises(ssl.SSLCertVerificationError):
                client.wrap_socket(sock, server_hostname="other.example")
    finally:
        server.stop(1)


@pytest.mark.parametrize("change", ["expiring", "expired", "renamed", "gone"])
def test_renewing_a_self_signed_certificate_keeps_the_key(tmp_path, change, monkeypatch):
    if change in ("expiring", "expired"):
        monkeypatch.setattr(selfsigned, "YEARS", 13 / 365 if change == "expiring" else -0.5 / 365)
    first = gateway(tmp_path)
    if change == "expired":
        selfsigned.make(tmp_path / "tls/cert.pem", tmp_path / "tls/key.pem", ["example.org"])
    else:
        first.certificate()
    before, key = public(tmp_path / "tls/cert.pem"), (tmp_path / "tls/key.pem").read_bytes()
    monkeypatch.setattr(selfsigned, "YEARS", 10)
    if change == "gone":
        (tmp_path / "tls/cert.pem").unlink()
    gw = gateway(tmp_path, hostname="new.example.org" if change == "renamed" else "")
    if change in ("renamed", "expired"):
        assert check(gw)
    assert gw.certificate().self_signed
    assert public(tmp_path / "tls/cert.pem") == before
    assert (tmp_path / "tls/key.pem").read_bytes() == key
    assert check(gw) == []
    assert names(tmp_path / "tls/cert.pem").get_values_for_type(x509.DNSName)[-1] == gw.domains.first.hostname


def test_an_rsa_key_is_kept_too(tmp_path):
    key = rsa.generate_private_key(65537, 2048)
    issue(tmp_path, ["example.org"], days=3, issuer="example.org", key=key)
    assert gateway(tmp_path).certificate().self_signed
    assert public(tmp_path / "tls/cert.pem") == key.public_key()


def test_without_self_signed_nothing_is_made(tmp_path):
    gw = gateway(tmp_path, self_signed=False)
    with pytest.raises(PluginError, match=r"tls/cert\.pem: No such file"):
        gw.certificate()
    assert check(gw) == [("error", f"{tmp_path}/tls/cert.pem: No such file or directory")]
    assert list(tmp_path.iterdir()) == []


def test_check_makes_nothing(tmp_path):
    assert check(gateway(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_certificate_of_an_authority_is_left_alone(tmp_path, caplog):
    issue(tmp_path, ["example.org"], days=-2)
    before = (tmp_path / "tls/cert.pem").read_bytes()
    gw = gateway(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert not gw.certificate().self_signed
    assert "expired 2 days ago" in caplog.text
    assert (tmp_path / "tls/cert.pem").read_bytes() == before
    assert [level for level, _ in check(gw)] == ["error"]


@pytest.mark.parametrize(
    ("dns", "days", "expected"),
    [
        (["example.org", "mail.example.org"], 15, []),
        (["*.example.org", "example.org"], 15, []),
        (["example.org", "mail.example.org"], 13, [("warning", "the certificate expires in 13 days")]),
        (["example.org"], 90, [("error", "the certificate is not for mail.example.org")]),
        (["mail.example.org"], 90, [("warning", "the certificate is not for example.org")]),
    ],
)
def test_check_of_a_certificate(tmp_path, dns, days, expected):
    issue(tmp_path, dns, days=days)
    found = check(gateway(tmp_path, hostname="mail.example.org"))
    assert found == [(level, f"{tmp_path}/tls/cert.pem: {text}") for level, text in expected]


def test_a_certificate_for_another_use(tmp_path):
    issue(tmp_path, ["example.org"], usage=x509.ExtendedKeyUsageOID.CLIENT_AUTH)
    ((level, text),) = check(gateway(tmp_path))
    assert level == "error" and "clients refuse the certificate" in text


def test_files_that_cannot_be_used(tmp_path):
    issue(tmp_path, ["example.org"])
    chain, key = tmp_path / "tls/cert.pem", tmp_path / "tls/key.pem"
    gw = gateway(tmp_path)
    assert check(gw) == []
    key.chmod(0o604)
    assert [level for level, _ in check(gw)] == ["warning"]

    def refused(text):
        with pytest.raises(PluginError, match=text) as caught:
            gw.certificate()
        assert "\n" not in str(caught.value)
        assert check(gw) == [("error", str(caught.value))]

    good = key.read_bytes()
    other = ec.generate_private_key(ec.SECP256R1())
    pkcs8, pem = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    key.write_bytes(other.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    refused("does not belong")
    key.write_bytes(rsa.generate_private_key(65537, 2048).private_bytes(pem, pkcs8, serialization.NoEncryption()))
    refused("does not belong")
    key.write_bytes(other.private_bytes(pem, pkcs8, serialization.BestAvailableEncryption(b"x")))
    refused("encrypted")
    key.write_bytes(b"nonsense")
    refused("not a certificate and a key")
    key.unlink()
    refused(r"key\.pem: No such file")
    key.write_bytes(good)
    chain.write_bytes(b"nonsense")
    refused("not a certificate and a key")
    chain.unlink()
    chain.mkdir()
    refused("Is a directory")


def test_an_unusable_key_makes_no_certificate(tmp_path):
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls/key.pem").write_bytes(b"nonsense")
    with pytest.raises(PluginError, match="cannot make"):
        gateway(tmp_path).certificate()
    assert not (tmp_path / "tls/cert.pem").exists()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "tls").write_text("a file")
    with pytest.raises(PluginError, match="cannot make"):
        gateway(tmp_path).certificate()


def test_serving_with_a_certificate_does_not_load_cryptography(tmp_path):
    gateway(tmp_path).certificate()
    code = (
        "import sys, pathlib; from chatgate_tls import Tls, TlsOptions\n"
        "from chatgate.hosting.confd import *; from chatgate.running.gateway import Gateway\n"
        "config = Config(pathlib.Path(sys.argv[1]), CoreOptions('example.org'), (Enabled('tls', Tls, TlsOptions()),))\n"
        "Gateway(config).certificate(); assert 'cryptography' not in sys.modules"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env={**os.environ, "PYTHONPATH": path})


def test_a_new_certificate_is_taken_by_a_running_gateway(tmp_path):
    gw = gateway(tmp_path)
    _ = gw.tls
    (tmp_path / "tls/cert.pem").unlink()
    gw.certificates.reload()
    (tmp_path / "tls/key.pem").unlink()
    with pytest.raises(PluginError):
        gw.certificates.reload()


@pytest.mark.parametrize("inside", (False, True))
def test_a_named_certificate_that_is_missing_is_one_clear_error_and_nothing_is_made(tmp_path, inside):
    (tmp_path / "gw").mkdir()
    where = tmp_path / ("gw" if inside else "live")
    gw = gateway(tmp_path / "gw", certificate=str(where / "fullchain.pem"), key=str(where / "privkey.pem"))
    with pytest.raises(PluginError, match=r"fullchain\.pem: No such file or directory; conf\.d names it") as caught:
        gw.certificate()
    assert check(gw) == [("error", str(caught.value))]
    assert list((tmp_path / "gw").iterdir()) == [] and not (tmp_path / "live").exists()


@pytest.mark.parametrize("dangling", (False, True))
def test_links_out_of_the_folder_are_left_alone(tmp_path, dangling, monkeypatch):
    """As an operator may set them to the files of an ACME client."""
    live, folder = tmp_path / "live", tmp_path / "gw"
    monkeypatch.setattr(selfsigned, "YEARS", 3 / 365)
    live.mkdir()
    if not dangling:  # self-signed, expiring and for another name: inside it would be renewed
        selfsigned.make(live / "cert.pem", live / "key.pem", ["other.example"])
    (folder / "tls").mkdir(parents=True)
    for name in ("cert.pem", "key.pem"):
        (folder / "tls" / name).symlink_to(live / name)
    before = {path: path.read_bytes() for path in live.iterdir()}
    gw = gateway(folder)
    if dangling:
        with pytest.raises(PluginError, match=r"cert\.pem: No such file"):
            gw.certificate()
    else:
        assert gw.certificate().self_signed
    assert all(level == "error" or "expires" in text for level, text in check(gw))
    assert {path: path.read_bytes() for path in live.iterdir()} == before
    assert (folder / "tls/cert.pem").is_symlink()


def test_an_expiring_self_signed_certificate_outside_is_shown_but_not_renewed(tmp_path, monkeypatch):
    monkeypatch.setattr(selfsigned, "YEARS", 3 / 365)
    chain, key = tmp_path / "live/cert.pem", tmp_path / "live/key.pem"
    selfsigned.make(chain, key, ["example.org"])
    before = chain.read_bytes()
    (tmp_path / "gw").mkdir()
    assert gateway(tmp_path / "gw", certificate=str(chain), key=str(key)).certificate().self_signed
    assert chain.read_bytes() == before


def test_nothing_is_made_or_renewed_while_check_looks(tmp_path, monkeypatch):
    gw = gateway(tmp_path)
    gw.read_only = True
    with pytest.raises(PluginError, match="made at the first start"):
        gw.certificate()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(selfsigned, "YEARS", 3 / 365)
    gateway(tmp_path).certificate()
    before = (tmp_path / "tls/cert.pem").read_bytes()
    monkeypatch.setattr(selfsigned, "YEARS", 10)
    assert gw.certificate().self_signed and (tmp_path / "tls/cert.pem").read_bytes() == before


def test_the_operator_is_told_of_a_certificate_that_ends_soon_once_an_hour_at_most(tmp_path, monkeypatch):
    def told():
        return [(one.key, one.what) for one in gw.hub.plugin("tls").chatgate_troubles()]

    issue(tmp_path, ["example.org"], days=90)
    gw, looks = gateway(tmp_path), []
    assert told() == []
    real = tls_troubles._look
    monkeypatch.setattr(tls_troubles, "_look", lambda *args: looks.append(1) or real(*args))
    assert told() == [] and not looks
    issue(tmp_path, ["example.org"], days=3)
    (tmp_path / "tls/key.pem").touch()
    ((key, what),) = told()
    assert key == "certificate:example.org" and "expires in 3 days and was not renewed" in what
    assert told() and len(looks) == 1
    (tmp_path / "tls/cert.pem").write_text("nothing")
    ((key, what),) = told()
    assert key == "certificate:example.org" and "cannot be used" in what
