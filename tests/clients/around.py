"""The others around an app: its operator, a browser, one more mail client, the notification service, and what the app's
user gets to read.
"""

from __future__ import annotations

import html
import imaplib
import math
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from deltachat_rpc_client import Account
from deltachat_rpc_client.rpc import JsonRpcError
from people import Person, until
from stage import GatewayProcess
from story import NO_CHECK

DOMAIN = "_cg1.test"
SITE = f"https://{DOMAIN}"


class Notifications:
    """The service that wakes phones: takes every token, and remembers it."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                token = self.rfile.read(int(self.headers["Content-Length"])).decode()
                service.tokens.append(token)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}/notify"
        threading.Thread(target=server.serve_forever, daemon=True).start()


def command(gateway: GatewayProcess, *arguments: str) -> str:
    """One of the operator's commands, beside the running gateway; what it prints."""
    done = gateway.run(*arguments)
    assert done.returncode == 0, f"chatgate {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


def refused(account: Account, *login: str) -> str:
    """What the app tells its user. login: a QR text, or an address and a password."""
    try:
        if len(login) == 1:
            account.add_transport_from_qr(login[0])
        else:
            account.add_or_update_transport({"addr": login[0], "password": login[1]})
    except JsonRpcError as error:
        return str(error)
    raise AssertionError(f"{login} was let in")


def connectivity(person: Person) -> str:
    """The app's page of that name: is it connected, and why not, and how much is stored."""
    return html.unescape(person.account._rpc.get_connectivity_html(person.account.id))


def shows_storage(person: Person, used: int, limit: int) -> None:
    """Wait until the app's page "Connectivity" shows these, in KiB."""

    def shown() -> bool:
        page = connectivity(person)
        return f"{size(used)} of {size(limit)} used" in page and f">{100 * used // limit}%<" in page

    try:
        until(f"{person.name}'s app shows {size(used)} of {size(limit)}", shown)
    except AssertionError as error:
        page = connectivity(person).partition("<body>")[2]
        raise AssertionError(f"{error}, but {re.sub('<[^>]+>', ' ', page)!r}") from None


def size(kib: int) -> str:
    """As the core writes it: at most two decimals."""
    if kib == 0:
        return "0 B"
    power = int(math.log(kib, 1024))
    return f"{kib / 1024**power:.2f}".removesuffix(".00") + (" KiB", " MiB", " GiB")[power]


@contextmanager
def mailbox(person: Person) -> Iterator[imaplib.IMAP4_SSL]:
    """One more client in this account."""
    transport = person.transport
    with imaplib.IMAP4_SSL(DOMAIN, ssl_context=NO_CHECK, timeout=60) as imap:
        imap.login(transport.addr, transport.password)
        yield imap


def stored(imap: imaplib.IMAP4_SSL) -> int:
    """Messages in INBOX."""
    return int(imap.select("INBOX", readonly=True)[1][0] or 0)


def quota(imap: imaplib.IMAP4_SSL) -> tuple[int, int]:
    """KiB used, and the limit."""
    (line,) = imap.getquotaroot("INBOX")[1][1]
    match = re.search(rb"STORAGE (\d+) (\d+)", line)
    assert match, line
    return int(match[1]), int(match[2])


def account_page(do: str, person: Person, **fields: str) -> str:
    """The page that a browser shows after this form of /account was sent."""
    login = {"address": person.transport.addr, "password": person.transport.password}
    form = urllib.parse.urlencode({"do": do, **login, **fields}).encode()
    try:
        with urllib.request.urlopen(f"{SITE}/account", form, timeout=60, context=NO_CHECK) as answer:
            return html.unescape(answer.read().decode())
    except urllib.error.HTTPError as error:
        raise AssertionError(f"/account: {error.code} {error.read().decode()}") from None
