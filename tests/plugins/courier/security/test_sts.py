"""Policies of other domains: found, fetched from real web servers, remembered."""

from types import SimpleNamespace

import gevent
import gevent.server
import pytest
from certificates import Made
from chatgate_courier.security.fetching import Fetcher
from chatgate_courier.security.sts import MtaSts, Unfetched
from chatgate_courier.transport.options import TransportOptions
from chatgate_courier.transport.tls import Tls
from chatgate_resolver import Resolver, ResolverOptions

from tests import dnsserver
from tests.dnsserver import DnsServer
from tests.ports import free_port

ROOT = Made("Root", ca=True)
POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mx.peer.test\r\nmax_age: 604800\r\n"
ZONE = {"_mta-sts.peer.test": {"TXT": "v=STSv1; id=1"}, "mta-sts.peer.test": {"A": "127.0.0.1"}}


def options(**given):
    return SimpleNamespace(**{"mta_sts": True, "mta_sts_domains": 100} | given)


class World:
    """A domain peer.test with MTA-STS, and somebody who asks for its policy. document: what its web server has, None:
    it cannot be fetched. fetched: how often it was.
    """

    def __init__(self, dns, folder):
        self.dns, self.path, self.now = dns, folder / "data" / "mta-sts.db", 1_000_000.0
        self.document, self.fetched, self.delay = POLICY, 0, 0.0
        self.restart()

    def restart(self, path=True, **given):
        self.resolver = Resolver(ResolverOptions(nameservers=(self.dns.address,), trouble_seconds=0.0))
        where = self.path if path else None
        self.sts = MtaSts(self.resolver, options(**given), self.fetch, where, clock=lambda: self.now)

    def fetch(self, domain):
        self.fetched += 1
        gevent.sleep(self.delay)
        if self.document is None:
            raise Unfetched("no")
        return self.document

    def record(self, text):
        self.dns.zone = ZONE | ({"_mta-sts.peer.test": {"TXT": text}} if text else {"_mta-sts.peer.test": {}})
        self.resolver._cache._kept.clear()

    @property
    def policy(self):
        return self.sts.policy("peer.test")


@pytest.fixture
def dns():
    with DnsServer(ZONE) as server:
        yield server


@pytest.fixture
def world(dns, tmp_path):
    made = World(dns, tmp_path)
    yield made
    for service in made.sts.services:
        service.stop(1)


def test_a_policy_is_fetched_once(world):
    assert world.policy.enforced and world.policy.allows("mx.peer.test") and not world.policy.allows("mx.other.test")
    assert world.fetched == 1


def test_who_has_no_record_is_not_asked_for_a_policy(world):
    assert world.sts.policy("other.test") is None
    assert world.sts.policy("[127.0.0.1]") is None
    world.record("v=STSv1")
    assert world.policy is None and world.fetched == 0


def test_it_is_off_if_the_operator_says_so(world):
    world.restart(mta_sts=False)
    assert world.policy is None and world.dns.asked == []


def test_a_policy_that_demands_nothing_is_none(world):
    world.document = POLICY.replace(b"enforce", b"none")
    assert world.policy is None and world.policy is None and world.fetched == 1
    world.document = POLICY.replace(b"enforce", b"testing")
    world.record("v=STSv1; id=2")
    assert not world.policy.enforced


def test_it_is_fetched_anew_when_its_id_changes(world):
    assert world.policy.allows("mx.peer.test")
    world.document = POLICY.replace(b"mx.peer", b"new.peer")
    assert world.policy.allows("mx.peer.test")
    world.record("v=STSv1; id=2")
    assert world.policy.allows("new.peer.test") and world.fetched == 2


@pytest.mark.parametrize("document", [None, b"<html>"])
def test_one_that_cannot_be_fetched_anew_holds_on_and_is_tried_again_later(world, document):
    assert world.policy
    world.record("v=STSv1; id=2")
    world.document = document
    for _ in range(3):
        assert world.policy.enforced
    assert world.fetched == 2
    world.now += 301
    world.document = POLICY.replace(b"mx.peer", b"new.peer")
    assert world.policy.allows("new.peer.test") and world.fetched == 3


def test_one_that_never_could_be_fetched_is_none(world):
    """As RFC 8461 §5.1 has it: the domain may have made a mistake, and mail has to get there."""
    world.document = None
    assert world.policy is None and world.policy is None and world.fetched == 1


def test_who_suppresses_the_record_does_not_get_rid_of_the_policy(world):
    assert world.policy
    world.record("")
    assert world.policy
    world.dns.fault("*", dnsserver.SERVFAIL)
    world.resolver._cache._kept.clear()
    assert world.policy.enforced
    world.now += 604800
    assert world.policy is None


def test_it_is_refreshed_daily_and_so_does_not_run_out(world):
    for day in range(1, 20):
        assert world.policy.enforced
        assert world.fetched == day
        world.now += 86400


def test_a_restart_does_not_forget(world):
    assert world.policy
    (service,) = world.sts.services
    service.stop(1)
    world.restart()
    world.record("")
    world.document = None
    assert world.policy.enforced and world.fetched == 1


def test_a_restart_does_forget_without_a_file(world):
    assert world.policy
    world.restart(path=False)
    world.record("")
    assert world.policy is None and world.sts.services == []


def test_a_file_that_cannot_be_used_costs_only_the_memory_of_restarts(world, caplog):
    world.path.mkdir(parents=True)
    assert world.policy.enforced and world.policy.enforced
    assert "cannot be" in caplog.text


def test_the_file_does_not_grow_for_ever(world):
    world.restart(mta_sts_domains=3)
    names = [f"d{n}.test" for n in range(6)]
    world.dns.zone = {f"_mta-sts.{name}": {"TXT": "v=STSv1; id=1"} for name in names}
    for name in names:
        world.now += 1
        assert world.sts.policy(name)
    (database,) = world.sts.services
    rows = database.run(lambda db: db.execute_sql("SELECT domain FROM policy").fetchall())
    assert sorted(name for (name,) in rows) == names[3:]
    world.now += 700_000
    world.dns.zone = ZONE
    assert world.policy
    rows = database.run(lambda db: db.execute_sql("SELECT domain FROM policy").fetchall())
    assert rows == [("peer.test",)]


def test_many_who_ask_at_once_fetch_once(world):
    world.delay = 0.05
    asking = [gevent.spawn(world.sts.policy, "peer.test") for _ in range(20)]
    gevent.sleep(0.01)
    asking[0].kill()
    gevent.joinall(asking[1:], raise_error=True)
    assert world.fetched == 1 and all(one.value.enforced for one in asking[1:])


# ------------------------------------------------------------------------------------------------ from a web server


class Web:
    """The web server of the policies. answer: what it says to any request; None: nothing."""

    def __init__(self, context):
        self.answer, self.requests = page(POLICY), []
        self.server = gevent.server.StreamServer(("127.0.0.1", 0), self.serve, ssl_context=context)
        self.server.start()

    def serve(self, sock, _):
        self.requests.append(sock.recv(4096).decode())
        if self.answer is None:
            gevent.sleep(600)
        sock.sendall(self.answer)


def page(body, status="200 OK", kind="text/plain", length=True):
    fields = [f"Content-Type: {kind}", *([f"Content-Length: {len(body)}"] if length else [])]
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode() + body


@pytest.fixture
def web(tmp_path):
    made = []

    def make(name="mta-sts.peer.test", issuer=ROOT, **given):
        made.append(Web(Made(name, issuer, **given).context(tmp_path)))
        return made[-1]

    yield make
    for one in made:
        one.server.stop(timeout=0)


@pytest.fixture
def fetch(dns, tmp_path):
    (tmp_path / "ca.pem").write_bytes(ROOT.pem)
    tls = Tls(TransportOptions(ca_file=str(tmp_path / "ca.pem")))
    resolver = Resolver(ResolverOptions(nameservers=(dns.address,)))

    def fetched(port, reachable=lambda address: True, seconds=30.0):
        return Fetcher(resolver, tls, reachable, seconds=seconds, octets=1000, port=port)("peer.test")

    return fetched


def test_the_document_comes_from_the_domain_s_own_web_server(web, fetch):
    server = web()
    assert fetch(server.server.server_port) == POLICY
    (request,) = server.requests
    assert request.startswith("GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.peer.test\r\n")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (page(POLICY, kind="TEXT/Plain; charset=utf-8"), ""),
        (page(POLICY, length=False), ""),
        (page(POLICY, kind="text/html"), "another type"),
        (page(POLICY, "404 Not Found"), "answers 404"),
        (page(b"", "301 Moved\r\nLocation: https://mta-sts.peer.test/other"), "answers 301"),
        (page(b"x" * 1001), "more than 1000 octets"),
        (page(b"x" * 1_000_000, length=False), "more than 1000 octets"),
        (b"220 mx ESMTP\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000, "too long"),
        (b"", "closed the connection"),
    ],
)
def test_what_counts_as_an_answer(web, fetch, answer, why):
    server = web()
    server.answer = answer
    if not why:
        assert fetch(server.server.server_port) == POLICY
        return
    with pytest.raises(Unfetched, match=why):
        fetch(server.server.server_port)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"name": "peer.test"}, "another name"),
        ({"issuer": None}, "certificate"),
        ({"days": -1}, "expired"),
    ],
)
def test_a_certificate_that_is_not_valid_proves_nothing(web, fetch, given, why):
    server = web(**given)
    with pytest.raises(Unfetched, match=why):
        fetch(server.server.server_port)
    assert server.requests == []


def test_a_silent_server_is_given_up(web, fetch):
    server = web()
    server.answer = None
    with pytest.raises(Unfetched, match="does not answer within"):
        fetch(server.server.server_port, seconds=0.5)


def test_nobody_there(dns, fetch):
    with pytest.raises(Unfetched, match="refuses connections"):
        fetch(free_port())
    with pytest.raises(Unfetched, match="no address that is on the Internet"):
        fetch(free_port(), reachable=lambda address: False)
    dns.zone = ""
    with pytest.raises(Unfetched):
        Fetcher(Resolver(ResolverOptions(nameservers=(dns.address,))), None, None, seconds=30.0, octets=1)("peer.test")
