"""What a stranger sees at each port before logging in, compared with words that mark what this server is."""

from __future__ import annotations

import http.client
import imaplib
import re
import socket

import pytest
from chatgate_invite import Invite
from chatgate_selfservice import SelfService

from chatgate.testing import SHIPPED, client_tls, imap_client, mx_client, new_login, pgp_message, port, smtp_client

# As scanners would look for: of this program, of servers of its kind, and of the app.
WORDS = re.compile(
    rb"chatgate|chatmail|delta|dcaccount|dclogin|xchat|xdelta|autocrypt|secure-?join|openpgp|webxdc|iroh|invit|mxdeliv"
    rb"|passwordless|maildb|gevent|aiosmtpd|bottle|python|maddy|madmail|dovecot|postfix|end-to-end|new account",
    re.I,
)
MAIL = "submissions", "submission", "mx", "imaps", "imap"
SMTP = """EHLO scanner.example
HELO scanner.example
HELP
NOOP
VRFY root
EXPN all
ETRN x
NONSENSE
MAIL
AUTH NTLM
MAIL FROM:<root@scanner.example>
RCPT TO:<root@example.org>
RCPT TO:<x@elsewhere.example>
DATA
RSET
AUTH PLAIN AHJvb3QAcm9vdA==
AUTH LOGIN cm9vdA==
cm9vdA==
QUIT"""
IMAP = """CAPABILITY
ID NIL
ID ("name" "scanner")
NOOP
NONSENSE
LOGIN "root" "root"
LOGIN "root@example.org" "secret"
AUTHENTICATE PLAIN AHJvb3QAcm9vdA==
LOGOUT"""
PLUGINS = (*SHIPPED, "accounts", "dkim", "courier", SelfService, Invite)


def said(gateway, service: str, encrypted: bool, logins: bool) -> bytes:
    """Everything that a service says to somebody who tries these commands."""
    sock = socket.create_connection(("127.0.0.1", port(gateway, service)), timeout=60)
    kind, starts = (IMAP, "x STARTTLS") if service.startswith("imap") else (SMTP, "STARTTLS")
    heard = b""
    if service in ("imaps", "submissions"):
        sock = client_tls().wrap_socket(sock)
    elif encrypted:
        heard += sock.recv(65536)
        sock.sendall(starts.encode() + b"\r\n")
        heard += sock.recv(65536)
        sock = client_tls().wrap_socket(sock)
    with sock:
        if not (encrypted and service not in ("imaps", "submissions")):
            heard += sock.recv(65536)
        for number, command in enumerate(kind.splitlines()):
            if not logins and command.startswith(("LOGIN", "AUTH", "cm9v")):
                continue
            try:
                sock.sendall((f"x{number} " if kind is IMAP else "").encode() + command.encode() + b"\r\n")
                more = sock.recv(65536)
            except OSError:
                break
            if not more:
                break
            heard += more
    return heard


def ask(gateway, scheme: str, method: str, path: str) -> tuple[int, list[tuple[str, str]], bytes]:
    kind = http.client.HTTPConnection if scheme == "http" else http.client.HTTPSConnection
    more = {} if scheme == "http" else {"context": client_tls()}
    client = kind("127.0.0.1", port(gateway, scheme), timeout=60, **more)
    try:
        client.request(method, path, headers={"Host": "example.org"})
        answer = client.getresponse()
        fields = [(name.lower(), value) for name, value in answer.getheaders() if name.lower() != "date"]
        return answer.status, fields, answer.read()
    finally:
        client.close()


@pytest.mark.parametrize("discreet", [False, True])
def test_no_port_for_mail_tells_what_it_is_to_strangers(gateway_factory, discreet):
    settings = {"imap": {"login_failure_seconds": 0.01}}
    gateway = gateway_factory(*PLUGINS, core={"discreet": discreet}, **settings)
    for service in MAIL:
        for encrypted in (False, True):
            heard = said(gateway, service, encrypted, logins=discreet)  # others tell people why
            assert heard.count(b"\r\n") > 5 and not WORDS.search(heard), (service, heard)


PATHS = """/ /index.html /info /info.html /privacy /privacy.html /new /new?token=x /cgi-bin/newemail.py /qr.svg /qr.png
/style.css /icon.svg /account /invite /invite/x /mxdeliv /favicon.ico /robots.txt""".split()


def test_a_discreet_site_has_nothing_to_show(gateway_factory):
    gateway = gateway_factory(*PLUGINS, core={"discreet": True})
    for scheme in ("http", "https"):
        for method in (
            ("GET", "POST", "OPTIONS") if scheme == "https" else ("GET", "HEAD", "POST", "PUT", "DELETE", "BREW")
        ):
            nothing = ask(gateway, scheme, method, "/no/such/page")
            assert nothing[0] == 404 and not WORDS.search(repr(nothing).encode())
            for path in PATHS:
                assert ask(gateway, scheme, method, path) == nothing, (scheme, method, path)
    for path in ("/mail/config-v1.1.xml", "/healthz", "/.well-known/acme-challenge/x", "/.well-known/mta-sts.txt"):
        assert not WORDS.search(repr(ask(gateway, "https", "GET", path)).encode()), path
    assert ask(gateway, "https", "GET", "/.well-known/autoconfig/mail/config-v1.1.xml")[0] == 200


def test_a_discreet_site_shows_what_its_operator_has_made(gateway_factory, tmp_path):
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours/landing.html").write_text("<h1>Fishing club of Ghent</h1>")
    gateway = gateway_factory(*PLUGINS, core={"discreet": True}, site={"pages": "ours"})
    assert ask(gateway, "https", "GET", "/")[2] == b"<h1>Fishing club of Ghent</h1>"
    assert ask(gateway, "https", "GET", "/style.css")[0] == 404


def test_the_certificate_that_we_make_tells_no_more_than_the_name(gateway_factory):
    gateway = gateway_factory(*PLUGINS, core={"discreet": True})
    with (
        socket.create_connection(("127.0.0.1", port(gateway, "https"))) as plain,
        client_tls().wrap_socket(plain) as sock,
    ):
        certificate = sock.getpeercert(binary_form=True)
    assert certificate is not None and not WORDS.search(certificate)
    assert b"example.org" in certificate


def test_those_who_log_in_miss_nothing(gateway_factory):
    """A discreet server makes accounts, has its capabilities and takes mail as any other."""
    gateway = gateway_factory(*PLUGINS, core={"discreet": True})
    login = new_login(gateway)
    with smtp_client(gateway, login) as client:
        client.sendmail(login[0], [login[0]], pgp_message(login[0], login[0]))
    with imap_client(gateway, login) as client:
        assert {"XCHATMAIL", "XDELTAPUSH", "METADATA"} <= set(client.capability()[1][0].decode().split())
        assert b"chatgate" in client.xatom("ID", "NIL")[1][0] or client.response("ID")[1] == [b'("name" "chatgate")']
        assert client.select()[1] == [b"1"]
    link = gateway.hub.plugin("site").at().invitation("")
    assert link.startswith("dclogin:") or link == "dcaccount:example.org"


def test_a_wrong_password_and_a_name_that_is_not_allowed_look_alike(gateway_factory):
    gateway = gateway_factory(*PLUGINS, core={"discreet": True}, imap={"login_failure_seconds": 0.01})
    known = new_login(gateway)
    imap_client(gateway, known).logout()
    texts = set()
    for wrong in (
        (known[0], "another password"),
        ("x@example.org", "short"),
        ("root@elsewhere.example", "y"),
    ):
        with pytest.raises(imaplib.IMAP4.error) as refusal:
            imap_client(gateway, wrong)
        texts.add(str(refusal.value))
    assert len(texts) == 1


def test_other_servers_bring_mail_to_a_discreet_one(gateway_factory):
    gateway = gateway_factory(*PLUGINS, core={"discreet": True})
    with mx_client(gateway) as other:
        assert other.ehlo()[0] == 250 and other.mail("a@scanner.example")[0] == 250
    client = http.client.HTTPSConnection("127.0.0.1", port(gateway, "https"), context=client_tls())
    client.request("POST", "/mxdeliv", b"", {"X-Mail-From": "a@scanner.example", "X-Mail-To": "nobody@example.org"})
    assert client.getresponse().status != 404
