"""Certificates that the DNS names."""

import hashlib
from types import SimpleNamespace

import gevent.server
import gevent.socket
import gevent.ssl
import pytest
from certificates import Made
from chatgate_courier.security.dane import Dane, Tlsa, authenticates, matches, presented_chain
from chatgate_resolver import Resolver, ResolverOptions, Trouble
from hypothesis import given
from hypothesis import strategies as st

from tests import dnsserver
from tests.dnsserver import DnsServer

HOST = "mx.peer.test"
ROOT = Made("Root", ca=True)
MIDDLE = Made("Middle", ROOT, ca=True)
OWN = Made(HOST, MIDDLE)
CHAIN = [OWN.der, MIDDLE.der, ROOT.der]


def tlsa(usage, selector, mtype, made):
    octets = made.spki if selector else made.der
    return Tlsa(usage, selector, mtype, {0: octets, 1: sha256(octets), 2: hashlib.sha512(octets).digest()}[mtype])


def sha256(octets):
    return hashlib.sha256(octets).digest()


def shown(*records):
    return [f"{one.usage} {one.selector} {one.mtype} {one.data.hex()}" for one in records]


@pytest.fixture
def dns():
    with DnsServer() as server:
        server.secure.add("*")
        yield server


def records(dns, *made, host=HOST):
    dns.zone = {host: {"A": "127.0.0.1"}} | ({f"_25._tcp.{host}": {"TLSA": shown(*made)}} if made else {})
    return Dane(Resolver(ResolverOptions(nameservers=(dns.address,)))).records(host)


def test_the_usable_records_of_a_host(dns):
    good = [tlsa(3, 1, 1, OWN), tlsa(2, 0, 2, MIDDLE), tlsa(3, 0, 0, OWN)]
    wrong = [
        tlsa(0, 0, 1, ROOT),  # usages for those who trust public authorities: nothing in SMTP
        tlsa(1, 1, 1, OWN),
        Tlsa(3, 2, 1, b"x" * 32),
        Tlsa(3, 1, 3, b"x" * 32),
        Tlsa(4, 1, 1, b"x" * 32),
    ]
    assert set(records(dns, *good, *wrong)) == set(good)
    assert records(dns, *wrong) == ()


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=70))
def test_any_record_can_be_used_or_not(usage, selector, mtype, data):
    answer = SimpleNamespace(values=((usage, selector, mtype, data),), secure=True)
    found = Dane(SimpleNamespace(addresses=lambda host: answer, tlsa=lambda name: answer)).records(HOST)
    fits = len(data) == {1: 32, 2: 64}.get(mtype, len(data)) and len(data) > 0
    assert bool(found) == (usage in (2, 3) and selector in (0, 1) and mtype in (0, 1, 2) and fits)


def test_of_two_hashes_the_stronger_counts(dns):
    both = [tlsa(3, 1, 1, ROOT), tlsa(3, 1, 2, OWN), tlsa(3, 0, 1, OWN)]
    assert set(records(dns, *both)) == set(both[1:])


def test_only_what_is_proven_counts(dns):
    assert records(dns, tlsa(3, 1, 1, OWN))
    dns.secure = {HOST}
    assert records(dns, tlsa(3, 1, 1, OWN)) == ()
    dns.secure = {f"_25._tcp.{HOST}"}
    dns.asked.clear()
    assert records(dns, tlsa(3, 1, 1, OWN)) == ()
    assert {one.rdtype for one in dns.asked} == {"A", "AAAA"}  # TLSA is not asked of zones that are not signed


def test_no_records_is_nothing(dns):
    assert records(dns) == ()
    assert Dane(Resolver(ResolverOptions(nameservers=(dns.address,)))).records("not.there.test") == ()


@pytest.mark.parametrize("rdtype", ["TLSA", "A"])
def test_what_cannot_be_found_out_is_no_permission(dns, rdtype):
    """Who can suppress an answer could else have the mail go to a host of their own."""
    dns.fault("*", dnsserver.SERVFAIL, rdtype)
    dns.fault("*", dnsserver.SERVFAIL, "AAAA" if rdtype == "A" else "")
    with pytest.raises(Trouble):
        records(dns, tlsa(3, 1, 1, OWN))


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("mtype", [0, 1, 2])
def test_each_form_of_record_matches_what_it_is_for(selector, mtype):
    assert matches(tlsa(3, selector, mtype, OWN), CHAIN)
    assert not matches(tlsa(3, selector, mtype, MIDDLE), CHAIN)
    for above in (MIDDLE, ROOT):
        assert matches(tlsa(2, selector, mtype, above), CHAIN)
    assert not matches(tlsa(2, selector, mtype, OWN), CHAIN)
    assert not matches(tlsa(3, selector, mtype, OWN), [])


def test_a_certificate_that_is_named_itself_may_have_any_name_and_be_old():
    old = Made("other.test", days=-1)
    assert authenticates([tlsa(3, 1, 1, old)], [old.der], [HOST])
    assert authenticates([tlsa(3, 1, 1, MIDDLE), tlsa(3, 0, 2, old)], [old.der], [HOST])
    assert not authenticates([tlsa(3, 1, 1, OWN)], [old.der], [HOST])
    assert not authenticates([], CHAIN, [HOST])


@pytest.mark.parametrize("anchor", [MIDDLE, ROOT])
def test_an_authority_that_is_named_has_signed_a_certificate_for_the_host(anchor):
    record = [tlsa(2, 0, 1, anchor)]
    assert authenticates(record, CHAIN, [HOST])
    assert authenticates(record, CHAIN, ["peer.test", HOST])
    assert not authenticates(record, CHAIN, ["peer.test"])
    assert not authenticates(record, [Made(HOST, MIDDLE, days=-1).der, *CHAIN[1:]], [HOST])
    # Whoever wants can send somebody else's authority along.
    assert not authenticates(record, [Made(HOST).der, *CHAIN[1:]], [HOST])


def test_an_authority_that_is_in_the_record_need_not_be_sent():
    assert authenticates([tlsa(2, 0, 0, ROOT)], CHAIN[:2], [HOST])
    assert not authenticates([tlsa(2, 0, 0, Made("Root", ca=True))], CHAIN[:2], [HOST])
    assert not authenticates([tlsa(2, 1, 1, ROOT)], CHAIN[:2], [HOST])


@given(st.integers(2, 3), st.integers(0, 1), st.integers(0, 2), st.binary(), st.lists(st.binary(), max_size=3))
def test_what_is_no_certificate_authenticates_nobody(usage, selector, mtype, data, chain):
    found = authenticates([Tlsa(usage, selector, mtype, data)], chain, [HOST, "", "a b"])
    assert not found or (usage, selector, mtype, data) == (3, 0, 0, chain[0])


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_the_chain_that_a_server_presents(tmp_path, version):
    server = gevent.server.StreamServer(
        ("127.0.0.1", 0), lambda sock, _: sock.recv(1), ssl_context=OWN.context(tmp_path, MIDDLE)
    )
    server.start()
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, gevent.ssl.CERT_NONE
    context.minimum_version = context.maximum_version = gevent.ssl.TLSVersion[version]
    with gevent.socket.create_connection(("127.0.0.1", server.server_port)) as plain:
        with context.wrap_socket(plain, server_hostname=HOST) as sock:
            assert presented_chain(sock) == CHAIN[:2]
    server.stop()
