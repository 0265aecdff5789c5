"""Everything through the port of HTTPS; and TLS 1.3 only."""

from __future__ import annotations

import http.client
import imaplib
import smtplib
import socket
import ssl

import gevent
import pytest
from chatgate_tls.selfsigned import make

from chatgate.testing import new_login, pgp_message, port


def context(*offered: str, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if offered:
        made.set_alpn_protocols(list(offered))
    if newest is not None:
        made.maximum_version = newest
    return made


class Imap(imaplib.IMAP4_SSL):
    """Names its protocol, and the host."""

    def __init__(self, number: int, host: str = "example.org") -> None:
        self._host_name = host
        super().__init__("127.0.0.1", number, timeout=60)

    def _create_socket(self, timeout):
        plain = socket.create_connection(("127.0.0.1", self.port), timeout)
        return context("imap").wrap_socket(plain, server_hostname=self._host_name)


def smtp(number: int) -> smtplib.SMTP_SSL:
    return smtplib.SMTP_SSL("127.0.0.1", number, context=context("smtp"), timeout=60)


def test_a_message_goes_round_through_one_port(gateway_factory):
    gateway = gateway_factory()
    number, login = port(gateway, "https"), new_login(gateway)
    with Imap(number) as reader:
        reader.login(*login)
        reader.select()
        with smtp(number) as sender:
            sender.login(*login)
            sender.sendmail(login[0], [login[0]], pgp_message(login[0], login[0]))
            assert "starttls" not in sender.esmtp_features
        assert "STARTTLS" not in reader.capability()[1][0].decode().split()
        assert reader.noop()[0] == "OK" and reader.response("EXISTS")[1][-1] == b"1"
    client = http.client.HTTPSConnection("127.0.0.1", number, context=context("h2", "http/1.1"))
    client.request("GET", "/healthz")
    assert client.getresponse().status == 200


def test_what_is_turned_off_is_not_there_either(gateway_factory):
    gateway = gateway_factory(imap={"imaps": ()}, smtp={"submissions": ()})
    for name in ("imap", "smtp"):
        with socket.create_connection(("127.0.0.1", port(gateway, "https"))) as plain:
            sock = context(name).wrap_socket(plain)
            assert sock.selected_alpn_protocol() is None
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200")


def test_domains_and_new_certificates(gateway_factory, tmp_path):
    """The host that is named decides on certificate and domain, and new certificates are loaded here, too."""
    gateway = gateway_factory(
        "tls", "maildb", "passwordless", "smtp", "imap", "site", domains={"b.example": {"hostname": "b.example"}}
    )
    number = port(gateway, "https")

    def names(host: str) -> bytes:
        with socket.create_connection(("127.0.0.1", number)) as plain:
            sock = context("imap").wrap_socket(plain, server_hostname=host)
            assert sock.recv(4) == b"* OK"
            return sock.getpeercert(binary_form=True) or b""

    before = names("example.org"), names("b.example")
    assert b"b.example" in before[1] and b"b.example" not in before[0]
    with Imap(number, "b.example") as reader:
        reader.login("abcdefghi@b.example", "a password of some length")
    folder = tmp_path / "tls/b.example"
    make(folder / "cert.pem", folder / "key.pem", ["b.example", "more.b.example"])
    assert gateway.certificates.reload() is True
    assert names("example.org") == before[0] and b"more.b.example" in names("b.example")


def test_who_is_served_is_told_when_the_gateway_stops(gateway_factory):
    gateway = gateway_factory()
    login = new_login(gateway)
    reader = Imap(port(gateway, "https"))
    reader.login(*login)
    stopping = gevent.spawn(gateway.stop)
    assert b"* BYE" in reader.sock.recv(1000)
    stopping.join()


OLD = ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("modern", [False, True])
def test_newer_tls_only(gateway_factory, modern):
    gateway = gateway_factory(core={"modern_tls": modern})

    def version(service: str, newest: ssl.TLSVersion | None) -> str | None:
        """After TLS at once, or after STARTTLS; None if it is refused."""
        try:
            if service in ("submission", "mx"):
                with smtplib.SMTP("127.0.0.1", port(gateway, service), timeout=60) as client:
                    client.starttls(context=context(newest=newest))
                    return client.sock.version()
            if service == "imap":
                reader = imaplib.IMAP4("127.0.0.1", port(gateway, service), timeout=60)
                reader.starttls(context(newest=newest))
                return reader.sock.version()
            with socket.create_connection(("127.0.0.1", port(gateway, service))) as plain:
                return context(newest=newest).wrap_socket(plain).version()
        except (OSError, smtplib.SMTPException):
            return None

    for service in ("https", "imaps", "submissions", "submission", "imap", "mx"):
        assert version(service, None) == "TLSv1.3"
        # Other servers would send in clear rather than not at all.
        assert version(service, OLD) == (None if modern and service != "mx" else "TLSv1.2"), service


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_older_tls_never(gateway_factory):
    gateway = gateway_factory()
    for service in ("https", "imaps", "submissions"):
        made = context()
        made.minimum_version, made.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        made.set_ciphers("ALL:@SECLEVEL=0")
        with socket.create_connection(("127.0.0.1", port(gateway, service))) as plain, pytest.raises(OSError):
            made.wrap_socket(plain)
