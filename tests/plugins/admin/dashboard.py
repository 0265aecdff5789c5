"""A client for the dashboard without scripts, as simple as a browser can be: it follows redirects and sends forms."""

from __future__ import annotations

import http.client
import re
from html import unescape
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urlencode

from chatgate_courier.plugin import Courier as RealCourier
from chatgate_courier.transport import Outcome

from chatgate.api import Reply
from chatgate.testing import client_tls, port

PLUGINS = ("tls", "maildb", "accounts", "passwordless", "site", "admin")
LISTEN = {"listen": ("127.0.0.1:0",)}
PASSWORD = "correct horse battery"


HOSTILE = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>"""


class Later:
    """Every server says "later", in words that are meant for a browser."""

    def deliver(self, mail):
        reply = Reply(451, "4.3.0", f"come again {HOSTILE}")
        return Outcome(dict.fromkeys(mail.recipients, reply), "mx.far.test", "smtp", 0.0)

    def down_until(self, domain):
        return 0.0

    def close(self):
        pass


class Courier(RealCourier):
    requires = ()

    def __init__(self, gateway, options):
        super().__init__(gateway, options, ways=Later())


# The plugins with a page, and what they need.
ALL = (
    "tls",
    "maildb",
    "accounts",
    "passwordless",
    "invite",
    "smtp",
    "imap",
    "site",
    "push",
    "sweeper",
    "metrics",
    "alerts",
    Courier,
    "admin",
)


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def message(self) -> str:
        """The line above the page that says what came of something."""
        found = re.search(r'<p class="note[^"]*" role="(?:status|alert)">(.*?)</p>', self.text, re.S)
        return unescape(found[1]) if found else ""

    @property
    def forms(self) -> list[dict[str, str]]:
        """The fields of each form that changes something."""
        reader = _Forms()
        reader.feed(self.text)
        return reader.forms

    def form(self, do: str, **having: str) -> dict[str, str]:
        """The fields of the form for this action, with these values in it."""
        found = [one for one in self.forms if one.get("do") == do and having.items() <= one.items()]
        assert found, f"no form {do} {having}"
        return found[0]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, str]] = []
        self._inside = False

    def handle_starttag(self, tag, attributes):
        said = dict(attributes)
        if tag == "form":
            self._inside = said.get("method") == "post"
            if self._inside:
                self.forms.append({})
        elif tag in ("input", "select") and self._inside and said.get("name"):
            self.forms[-1][said["name"]] = said.get("value") or ""
        elif tag == "option" and "selected" in said and self._inside:
            name = list(self.forms[-1])[-1]
            self.forms[-1][name] = said.get("value") or ""

    def handle_endtag(self, tag):
        if tag == "form":
            self._inside = False


class Browser:
    """root: the path at which the dashboard is. tls: talk to the site by HTTPS."""

    def __init__(self, gateway, root="", service="dashboard", tls=False):
        self.port, self.root, self.tls, self.cookie = port(gateway, service), root, tls, ""

    def ask(self, method, path, body=None, **headers):
        if self.tls:
            client = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=client_tls())
        else:
            client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        fields = {"Cookie": self.cookie} if self.cookie else {}
        if body is not None:
            fields["Content-Type"] = "application/x-www-form-urlencoded"
        client.request(method, self.root + path, body, fields | {k.replace("_", "-"): v for k, v in headers.items()})
        got = client.getresponse()
        answer = Answer(got.status, got.headers, got.read().decode())
        client.close()
        if said := got.headers["Set-Cookie"]:
            self.cookie = said.partition(";")[0]
        return answer

    def get(self, path="/", **headers):
        answer = self.ask("GET", path, **headers)
        return self.get(answer.headers["Location"].removeprefix(self.root)) if answer.status == 303 else answer

    def post(self, path, fields, **headers):
        """The page that comes of it."""
        answer = self.ask("POST", path, urlencode(fields), **headers)
        return self.get(answer.headers["Location"].removeprefix(self.root)) if answer.status == 303 else answer

    def log_in(self, password=PASSWORD, **more):
        page = self.get("/login")
        return self.post("/login", page.forms[0] | {"password": password} | more)

    def do(self, path, do, having=None, **fields):
        """Send the form of a page that does this, with these fields filled in."""
        return self.post(path, self.get(path).form(do, **having or {}) | fields)
