"""A gateway as a snippet of contrib/proxy wants it, behind the proxy of that snippet, and clients for both."""

from __future__ import annotations

import http.client
import imaplib
import json
import os
import re
import secrets
import smtplib
import socket
import ssl
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import bottle
from chatgate_tls.selfsigned import make

from chatgate.api import hookimpl, listener
from chatgate.running.gateway import Gateway
from chatgate.testing import SHIPPED, client_tls, config, pgp_message, until

SNIPPETS = Path(__file__).parents[2] / "contrib/proxy"
HOST = "chat.example.org"
NOBODY = 65534

_SETTING = re.compile(r"^#   \d\d-([a-z]+)\.toml: (.*)$", re.M)


class Witness:
    """Tells who the gateway thinks its clients are."""

    def __init__(self, gateway: Any, options: Any) -> None:
        self.seen: list[tuple[str, str, bool]] = []

    @hookimpl
    def chatgate_connect(self, session: Any) -> None:
        self.seen.append((session.service, session.peer, session.tls))

    @hookimpl(optionalhook=True)
    def chatgate_site_routes(self, app: bottle.Bottle) -> None:
        app.get("/witness", callback=self.tell, plain_http=True)

    def tell(self) -> str:
        session = bottle.request.environ["chatgate.session"]
        return json.dumps([session.service, session.peer, session.tls, bottle.request.get_header("Host")])


def settings(snippet: str) -> dict[str, dict[str, Any]]:
    """What the snippet says that conf.d needs, by plugin."""
    found: dict[str, dict[str, Any]] = {}
    for plugin, line in _SETTING.findall((SNIPPETS / snippet).read_text()):
        for key, value in tomllib.loads(line).items():
            found.setdefault(plugin, {})[key] = tuple(value) if isinstance(value, list) else value
    return found


class Stage:
    """folder: may be read by everybody."""

    def __init__(self, folder: Path, snippet: str, **more: dict[str, Any]) -> None:
        self.folder, self.snippet = folder, snippet
        make(folder / "cert.pem", folder / "key.pem", [HOST])
        (folder / "both.pem").write_bytes((folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes())
        for name in ("key.pem", "both.pem"):
            os.chown(folder / name, NOBODY, NOBODY)
        said = settings(snippet)
        known = {"smtp": ("submissions", "submission", "mx"), "imap": ("imaps", "imap"), "site": ("https", "http")}
        for plugin, names in known.items():
            taken = said.setdefault(plugin, {})
            taken |= {name: () for name in names if name not in taken}
            taken |= more.get(plugin, {})
            for name in names:
                taken[name] = tuple(one.replace("/run/chatgate", str(folder)) for one in taken[name])
        (folder / "gateway").mkdir()
        core = {"hostname": HOST, "stop_seconds": 1.0}
        self.gateway = Gateway(config(folder / "gateway", *SHIPPED, Witness, domain=HOST, core=core, **said))
        self.gateway.start()
        for service in self.gateway.services:
            for where in map(listener, service.listening):
                if where.host == "unix":
                    os.chown(where.port, -1, NOBODY)  # nobody is the proxy's user, in the group of the socket
        self.witness = self.gateway.hub.plugin("witness")
        self.proxy: subprocess.Popen[bytes] | None = None

    def run(self, argv: list[str], ports: tuple[int, ...]) -> None:
        """Start the proxy as a user without any rights, and wait until it listens."""
        user = [
            "setpriv",
            f"--reuid={NOBODY}",
            f"--regid={NOBODY}",
            "--clear-groups",
            "--bounding-set=-all",
            "--inh-caps=-all",
        ]
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "XDG_DATA_HOME": str(self.folder / "home"),
        }
        for name in ("home", "tmp"):
            (self.folder / name).mkdir()
            os.chown(self.folder / name, NOBODY, NOBODY)
        log = self.folder / "proxy.log"
        with log.open("wb") as out:
            self.proxy = subprocess.Popen(
                [*user, *argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environ, cwd=self.folder / "tmp"
            )
        for port in ports:
            until(lambda port=port: self._listens(port, log))

    def _listens(self, port: int, log: Path) -> bool:
        assert self.proxy is not None and self.proxy.poll() is None, log.read_text()
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    def end(self) -> None:
        if self.proxy is not None:
            self.proxy.terminate()
            self.proxy.wait()
        self.gateway.stop()

    def written(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def text(self) -> str:
        return (SNIPPETS / self.snippet).read_text().replace("/run/chatgate", str(self.folder))

    # ------------------------------------------------------------------------------------------ clients

    def tls(self, port: int, source: str, alpn: str = "") -> ssl.SSLSocket:
        context = client_tls()
        if alpn:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols([alpn])
        plain = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0))
        return context.wrap_socket(plain, server_hostname=HOST)

    def imap(self, port: int, source: str, alpn: str = "") -> imaplib.IMAP4:
        outer = self

        class Client(imaplib.IMAP4):
            def _create_socket(self, timeout: Any) -> Any:
                return outer.tls(port, source, alpn)

        return Client()

    def smtp(self, port: int, source: str, alpn: str = "") -> smtplib.SMTP:
        outer = self

        class Client(smtplib.SMTP):
            def _get_socket(self, *_: Any) -> Any:
                return outer.tls(port, source, alpn)

        return Client("127.0.0.1", port)

    def ask(self, path: str, source: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        client = http.client.HTTPSConnection(HOST, 443)
        client.sock = self.tls(443, source, headers.pop("alpn", ""))
        try:
            client.request(method, path, headers=headers)
            answer = client.getresponse()
            return answer.status, answer.read()
        finally:
            client.close()

    def mail_goes_round(self, smtp: tuple[int, str], imap: tuple[int, str], source: str) -> None:
        """From an account to itself: a (port, protocol of ALPN) each."""
        address, password = f"{secrets.token_hex(5)[:9]}@{HOST}", secrets.token_urlsafe(18)
        with self.smtp(*_at(smtp, source)) as client:
            client.login(address, password)
            client.sendmail(address, [address], pgp_message(address, address))
        with self.imap(*_at(imap, source)) as reader:
            reader.login(address, password)
            assert reader.select()[1] == [b"1"]


def _at(where: tuple[int, str], source: str) -> tuple[int, str, str]:
    return where[0], source, where[1]
