"""What people entrust to the gateway stays out of everything it prints, at every log level."""

from __future__ import annotations

import base64
import contextlib
import http.server
import imaplib
import json
import queue
import secrets
import smtplib
import socket
import threading
import urllib.request
from collections.abc import Iterator

import pytest
from local_gateway import HTTPS, IMAPS, NOTIFICATIONS, SUBMISSIONS, IdleImap, LocalGateway, Make, bodies

from chatgate.testing import client_tls, pgp_message

CLIENT = "127.99.98.97"  # the address these clients come from


class ImapFrom(IdleImap):
    def _create_socket(self, timeout: float | None) -> socket.socket:
        sock = socket.create_connection((self.host, self.port), timeout, (CLIENT, 0))
        return self.ssl_context.wrap_socket(sock, server_hostname=self.host)


def imap(gateway: LocalGateway, address: str, password: str) -> IdleImap:
    client = ImapFrom(gateway.host, IMAPS, ssl_context=client_tls(), timeout=60)
    client.login(address, password)
    return client


@contextlib.contextmanager
def notification_service(gateway: LocalGateway, status: int) -> Iterator[queue.Queue[bytes]]:
    """Stands in for the real one: what it is sent. status: of all its answers."""
    came: queue.Queue[bytes] = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.put(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((gateway.host, NOTIFICATIONS), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield came
        server.shutdown()
        thread.join()


def a_day(gateway: LocalGateway, push_status: int = 200) -> dict[str, list[str]]:
    """A session with everything in it that goes well or wrong; what of it must not be printed, by kind."""
    with notification_service(gateway, push_status) as came:
        token, secret = _a_day(gateway)
        assert came.get(timeout=60).decode() == token
    return secret


def _a_day(gateway: LocalGateway) -> tuple[str, dict[str, list[str]]]:
    token = f"openpgp:{secrets.token_hex(40)}"
    wrong = secrets.token_urlsafe(18)
    request = urllib.request.Request(f"https://{gateway.host}:{HTTPS}/new", method="POST")
    with urllib.request.urlopen(request, timeout=60, context=client_tls()) as answer:
        new = json.load(answer)
    alice, bob = (new["email"], new["password"]), gateway.nobody()
    message = pgp_message(alice[0], bob[0])
    marker = message[-400:-340].decode().splitlines()[0]
    clear = secrets.token_hex(16)

    reader = imap(gateway, *bob)
    reader.select("INBOX")
    assert reader.xatom("SETMETADATA", "INBOX", f'(/private/devicetoken "{token}")')[0] == "OK"
    with reader.idling():
        with gateway.submissions(alice, source=CLIENT) as sender:
            sender.sendmail(alice[0], bob[0], message)
            with pytest.raises(smtplib.SMTPDataError):
                sender.sendmail(alice[0], bob[0], f"From: <{alice[0]}>\r\nSubject: {clear}\r\n\r\n{clear}\r\n")
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                sender.sendmail(alice[0], f"unknown12@{gateway.domain}", message)
        reader.waits_for(b"EXISTS")
    assert len(bodies(reader)) == 1
    reader.append("INBOX", None, None, f"Subject: {clear}\r\n\r\n{clear}\r\n".encode())
    reader.uid("SEARCH", "TEXT", clear)
    with pytest.raises(imaplib.IMAP4.error):
        imap(gateway, alice[0], wrong)
    with pytest.raises(smtplib.SMTPAuthenticationError):
        gateway.submissions((alice[0], wrong), source=CLIENT)
    for garbled in (f'a LOGIN {alice[0]} "{wrong}\r\n', f"a LOGIN {{3}} {wrong}\r\n", f"a {wrong} x\r\n"):
        sock = gateway.raw(IMAPS, tls=True)
        sock.recv(1000)
        sock.sendall(garbled.encode())
        sock.recv(1000)
    sock = gateway.raw(SUBMISSIONS, tls=True)
    sock.recv(1000)
    for garbled in ("EHLO x", f"AUTH PLAIN {wrong}", f"AUTH {wrong}", wrong, f"MAIL FROM:<{wrong}"):
        sock.sendall(f"{garbled}\r\n".encode())
        sock.recv(1000)
    passwords = [alice[1], bob[1], wrong]
    sasl = [base64.b64encode(f"\0{a}\0{p}".encode()).decode() for a, p in (alice, bob, (alice[0], wrong))]
    return token, {
        "password": passwords + sasl + [base64.b64encode(p.encode()).decode() for p in passwords],
        "content": [marker, clear],
        "token": [token, token.partition(":")[2]],
        "client's address": [CLIENT],
        "address": [alice[0], bob[0], alice[0].partition("@")[0], bob[0].partition("@")[0]],
    }


def printed(gateway: LocalGateway) -> str:
    assert gateway.stop() == 0
    return gateway.output() + "".join(
        path.read_text("utf-8", "replace") for path in gateway.folder.rglob("*.log*") if path.is_file()
    )


def test_no_secret_is_printed_at_debug_level(local_gateway: Make) -> None:
    gateway = local_gateway(chatgate={"log_level": '"debug"'}).start()
    secret = a_day(gateway, push_status=500)
    text = printed(gateway)
    assert " INFO " in text
    for kind in ("password", "content", "token", "client's address"):
        for value in secret[kind]:
            assert value not in text, f"a {kind} was printed"


def test_no_address_is_printed_at_info_level(local_gateway: Make) -> None:
    gateway = local_gateway(chatgate={"log_level": '"info"'}).start()
    secret = a_day(gateway)
    text = printed(gateway)
    assert " INFO " in text
    for kind, values in secret.items():
        for value in values:
            assert value not in text, f"{kind}: printed"


def test_nothing_is_printed_about_an_ordinary_day_at_the_default_level(
    local_gateway: Make,
) -> None:
    gateway = local_gateway().start()
    said = len(gateway.output())
    a_day(gateway)
    assert printed(gateway)[said:] == ""


@pytest.mark.parametrize("level", ("info", "debug"))
def test_debug_tells_more_than_info(local_gateway: Make, level: str) -> None:
    gateway = local_gateway(chatgate={"log_level": f'"{level}"'}).start()
    alice = gateway.account()
    stranger, missing = f"stranger1@{gateway.domain}", f"unknown12@{gateway.domain}"
    with pytest.raises(imaplib.IMAP4.error):
        gateway.imap((alice[0], "a wrong password"))
    with pytest.raises(smtplib.SMTPAuthenticationError):
        gateway.submissions((alice[0], "a wrong password"))
    with pytest.raises(smtplib.SMTPAuthenticationError):
        gateway.submissions(("typed at the wrong place", "a wrong password"))
    with gateway.submissions(alice) as sender:
        sender.sendmail(alice[0], alice[0], pgp_message(alice[0], alice[0]))
        for from_, to in ((alice[0], missing), (stranger, alice[0])):
            with pytest.raises((smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused)):
                sender.sendmail(from_, to, pgp_message(from_, to))
    lines = printed(gateway).splitlines()
    logins = [line for line in lines if " INFO " in line and "login refused session=" in line and "code=535" in line]
    assert len(logins) == 5, lines  # smtplib tries PLAIN and LOGIN
    debug = [line for line in lines if " DEBUG " in line]
    if level == "info":
        assert not debug
        return
    assert sum("login refused session=" in line and f"address={alice[0]}" in line for line in debug) == 3
    assert any("recipient refused" in line and f"code=550 address={missing}" in line for line in debug)
    assert any("sender refused" in line and f"address={stranger}" in line for line in debug)
    assert any(f"from=<{alice[0]}> to={alice[0]} " in line for line in debug)
    assert not any("wrong place" in line or "wrong password" in line for line in lines)


def test_debug_tells_of_a_missing_proxy_header(local_gateway: Make) -> None:
    settings = {"log_level": '"debug"', "proxy_protocol_from": '["127.0.0.0/8"]'}
    gateway = local_gateway(chatgate=settings).start()
    sock = gateway.raw(SUBMISSIONS)
    sock.sendall(b"\x16\x03\x01 this is TLS at once")
    assert sock.recv(100) == b""
    text = printed(gateway)
    assert "service=submissions: a proxy must say who the client is: no PROXY header" in text
    assert "127.0.0.1" not in text.partition("ready")[2]
