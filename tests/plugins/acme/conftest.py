import http.server
import threading
import types

import gevent
import pytest
from chatgate_acme import AcmeOptions
from chatgate_acme.renewal import Renewal
from chatgate_resolver import Resolver, ResolverOptions

from chatgate.domains import Domain
from tests.dnsserver import DnsServer
from tests.plugins.acme.authority import Pebble

HERE = {"A": "127.0.0.1"}


@pytest.fixture(autouse=True)
def asks_again_at_once(monkeypatch):
    """The library waits a second before each look at what the authority has done by now."""
    monkeypatch.setattr("acme.client.time", types.SimpleNamespace(sleep=lambda _: gevent.sleep(0.02)))


@pytest.fixture(scope="module")
def dns():
    with DnsServer({"chat.example.org": HERE, "www.chat.example.org": HERE, "b.example.net": HERE}) as server:
        yield server


@pytest.fixture(scope="module")
def pebble(dns, tmp_path_factory):
    made = Pebble(tmp_path_factory.mktemp("pebble") / "p", dns.address).start()
    yield made
    made.stop()


class Web:
    """Serves the tokens of a folder, as the site does. asked: the paths."""

    def __init__(self, port):
        web = self
        self.folder, self.asked = None, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                web.asked.append(self.path)
                path = web.folder / "tls/challenges" / self.path.rpartition("/")[2]
                found = path.read_bytes() if web.folder and path.is_file() else None
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(found or b"")

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def server(pebble):
    made = Web(pebble.http)
    yield made
    made.close()


@pytest.fixture
def web(server, tmp_path):
    server.folder, server.asked = tmp_path, []
    return server


@pytest.fixture
def resolver(dns):
    return Resolver(ResolverOptions(nameservers=(dns.address,)))


@pytest.fixture
def renewal(tmp_path, pebble, resolver):
    """Makes a Renewal for a domain; steps: what it has reported."""

    def make(name="chat.example.org", hostname="", own=None, **options):
        general = AcmeOptions(**{**pebble.settings, "challenges": ("http-01",), **options})
        pairs = (
            [(general, AcmeOptions(**{**pebble.settings, "challenges": ("http-01",), **options, **own}))] if own else []
        )
        steps = []
        made = Renewal(tmp_path, Domain(name, hostname, own=pairs), general, resolver.addresses, steps.append)
        made.steps = steps
        return made

    return make
