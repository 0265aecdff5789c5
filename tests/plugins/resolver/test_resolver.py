"""Real questions to a nameserver of the test's own, by real sockets."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import gevent
import pytest
from chatgate_resolver import Absent, Answer, NoRecords, NoSuchName, Resolver, ResolverOptions, Trouble
from chatgate_resolver.plugin import ResolverPlugin
from chatgate_resolver.servers import Nameservers, nameserver
from hypothesis import given
from hypothesis import strategies as st

from chatgate.testing import until
from tests import dnsserver
from tests.dnsserver import DnsServer
from tests.ports import free_port

ZONE = {
    "example.org": {
        "MX": ["20 B.example.org.", "10 a.example.org"],
        "TXT": ["v=spf1 a ~all", "long " * 300],
        "SOA": "ns.example.org. me.example.org. 1 3600 600 86400 40",
    },
    "a.example.org": {"A": ["127.0.0.2", "127.0.0.3"], "AAAA": "::1", "TTL": 1000},
    "four.example.org": {"A": "127.0.0.4"},
    "alias.example.org": {"CNAME": "a.example.org", "TTL": 30},
    "null.example": {"MX": "0 ."},
    "_25._tcp.a.example.org": {"TLSA": "3 1 1 " + "ab" * 32},
    "*.wild.example": {"TXT": "anything"},
    "round.example": {"CNAME": "about.example"},
    "about.example": {"CNAME": "round.example"},
    "odd.example": {"MX": "10 a\\032b.example"},
    "many.example": {"A": [f"127.1.{n // 250}.{n % 250}" for n in range(300)]},
} | {f"c{n}.example": {"CNAME": f"c{n + 1}.example"} for n in range(20)}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def dns():
    with DnsServer(ZONE) as server:
        yield server


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def resolver(dns, clock):
    return make(dns, clock=clock)


def make(*servers, clock=Clock(), **options):  # noqa: B008
    named = tuple(server if isinstance(server, str) else server.address for server in servers)
    return Resolver(ResolverOptions(**{"nameservers": named, "timeout_seconds": 5.0} | options), clock=clock)


def test_each_kind_of_record(resolver):
    assert set(resolver.mx("example.org").values) == {(10, "a.example.org"), (20, "b.example.org")}
    assert set(resolver.txt("example.org").values) == {b"v=spf1 a ~all", b"long " * 300}
    assert set(resolver.addresses("a.example.org").values) == {"::1", "127.0.0.2", "127.0.0.3"}
    assert resolver.tlsa("_25._tcp.a.example.org").values == ((3, 1, 1, b"\xab" * 32),)
    assert resolver.mx("null.example").values == ((0, ""),)
    assert resolver.txt("no.such.wild.example").values == (b"anything",)
    assert resolver.records("example.org", "SOA").values == ("ns.example.org. me.example.org. 1 3600 600 86400 40",)


def test_case_and_the_final_dot_are_no_difference(resolver, dns):
    assert resolver.txt("EXAMPLE.org.").values == resolver.txt("example.ORG").values
    assert len(dns.asked) == 2  # by UDP, then by TCP, as it is long


def test_addresses_of_one_kind_are_enough(resolver, dns):
    assert resolver.addresses("four.example.org").values == ("127.0.0.4",)
    dns.fault("a.example.org", dnsserver.SERVFAIL, "AAAA")
    assert set(resolver.addresses("a.example.org").values) == {"127.0.0.2", "127.0.0.3"}
    dns.fault("four.example.org", dnsserver.SERVFAIL, "A")
    with pytest.raises(Trouble):
        make(dns).addresses("four.example.org")


def test_absent_is_certain(resolver):
    with pytest.raises(NoSuchName, match="^no.example.org: no such name$"):
        resolver.mx("no.example.org")
    with pytest.raises(NoRecords, match="^a.example.org: no MX records$"):
        resolver.mx("a.example.org")
    with pytest.raises(NoRecords):
        resolver.addresses("example.org")
    with pytest.raises(NoSuchName):
        resolver.addresses("no.example.org")


@pytest.mark.parametrize("fault", ["servfail", "refused", "formerr", "garbled", "lame"])
def test_a_failure_is_trouble_and_is_over_soon(resolver, dns, clock, fault):
    dns.fault("example.org", fault)
    with pytest.raises(Trouble, match=r"example.org: MX: nameserver 127.0.0.1:\d+: "):
        resolver.mx("example.org")
    dns.fault("example.org")
    with pytest.raises(Trouble):
        resolver.mx("example.org")  # remembered for a moment, so that a dead domain costs little
    clock.now += 3
    assert resolver.mx("example.org")


def test_a_black_hole_is_given_up(dns):
    dns.fault("example.org", dnsserver.SILENT)
    with pytest.raises(Trouble, match="no answer in time"):
        make(dns, timeout_seconds=0.05).mx("example.org")


def test_each_nameserver_is_asked_as_often_as_the_operator_says(dns):
    dns.fault("*", dnsserver.SERVFAIL)
    with DnsServer() as second:
        second.fault("*", dnsserver.REFUSED)
        with pytest.raises(Trouble, match=f"{second.address}: REFUSED"):
            make(dns, second, attempts=3).mx("example.org")
        assert len(dns.asked) == len(second.asked) == 3


def test_nobody_there_is_trouble():
    with pytest.raises(Trouble, match="nameserver 127.0.0.1:"):
        make(f"127.0.0.1:{free_port()}").mx("example.org")


@pytest.mark.parametrize("fault", [dnsserver.SERVFAIL, dnsserver.REFUSED, dnsserver.GARBLED, dnsserver.LAME])
def test_the_next_nameserver_is_asked(dns, fault):
    with DnsServer(ZONE) as second:
        dns.fault("*", fault)
        assert make(dns, second).mx("example.org").values
        assert len(dns.asked) == len(second.asked) == 1


def test_a_nameserver_without_answers_goes_last_for_a_while(dns, clock):
    with DnsServer(ZONE) as second:
        dns.fault("*", dnsserver.SILENT)
        resolver = make(dns, second, clock=clock, timeout_seconds=1.0)
        resolver.mx("example.org")
        resolver.mx("null.example")
        assert (len(dns.asked), len(second.asked)) == (1, 2)
        dns.fault("*")
        clock.now += 31
        resolver.addresses("four.example.org")
        assert (len(dns.asked), len(second.asked)) == (3, 2)


def test_tcp_where_a_datagram_is_too_small_or_truncated(dns, resolver):
    assert b"long " * 300 in resolver.txt("example.org").values
    dns.fault("example.org", dnsserver.TRUNCATED, "MX")
    resolver.mx("example.org")
    assert [one.way for one in dns.asked] == ["udp", "tcp"] * 2


def test_a_stray_answer_is_no_answer(dns, resolver):
    dns.fault("example.org", dnsserver.STRAY)
    assert resolver.mx("example.org")


def test_a_nameserver_without_edns(dns, resolver):
    dns.fault("*", dnsserver.NO_EDNS)
    assert resolver.mx("example.org")


def test_aliases_are_followed_as_far_as_it_makes_sense(dns, resolver):
    assert set(resolver.addresses("alias.example.org").values) == {"::1", "127.0.0.2", "127.0.0.3"}
    assert resolver.addresses("alias.example.org").ttl == 30  # the shortest of the chain
    for name in ("round.example", "c0.example"):
        with pytest.raises(Trouble):
            resolver.mx(name)


def test_an_alias_into_another_zone_is_asked_for(dns):
    with DnsServer({"away.example": {"CNAME": "a.example.org."}}) as authority:
        found = make(dns).records("away.example", "A", [authority.address])
        assert set(found.values) == {"127.0.0.2", "127.0.0.3"}


def test_more_records_than_anybody_needs_are_not_read(resolver):
    with pytest.raises(Trouble, match="more than 200 records"):
        resolver.addresses("many.example")


def test_answers_are_remembered_for_their_ttl(dns, resolver, clock):
    first = resolver.addresses("a.example.org")
    assert first.ttl == 1000
    clock.now += 999
    assert resolver.addresses("a.example.org") == Answer(first.values, 1, False)
    assert len(dns.asked) == 2
    clock.now += 1
    resolver.addresses("a.example.org")
    assert len(dns.asked) == 4


def test_no_ttl_is_longer_than_the_longest(dns, clock):
    assert make(dns, clock=clock, longest_ttl=7.0).addresses("a.example.org").ttl == 7


def test_absence_is_remembered_as_long_as_the_zone_says_but_briefly(dns, clock):
    resolver = make(dns, clock=clock, negative_seconds=50.0)
    for name, seconds in (("no.example.org", 40), ("no.such.example", 50)):
        asked = len(dns.asked)
        for later in (0, seconds - 1):
            clock.now += later
            with pytest.raises(NoSuchName):
                resolver.mx(name)
        assert len(dns.asked) == asked + 1
        clock.now += 1
        with pytest.raises(NoSuchName):
            resolver.mx(name)
        assert len(dns.asked) == asked + 2


def test_the_memory_for_answers_is_bounded(dns):
    resolver = make(dns, cache_names=5)
    for n in range(20):
        resolver.txt(f"n{n}.wild.example")
    resolver.txt("n19.wild.example")
    assert len(dns.asked) == 20
    resolver.txt("example.org")  # counts for two
    assert len(resolver._cache) == 4


def test_the_same_question_is_asked_once_at_a_time(dns, resolver):
    dns.fault("example.org", dnsserver.delay(0.2))
    asking = [gevent.spawn(resolver.mx, "example.org") for _ in range(50)]
    asking[0].join(0.05)
    asking[0].kill()  # who asked first gives up; the others get their answer
    gevent.joinall(asking[1:], raise_error=True)
    assert len(dns.asked) == 1


def test_questions_at_the_same_time_are_bounded(dns):
    resolver = make(dns, max_questions=2, timeout_seconds=1.0, attempts=1)
    dns.fault("*", dnsserver.SILENT)
    stuck = [gevent.spawn(resolver.mx, f"n{n}.example") for n in range(4)]
    until(lambda: len(dns.asked) == 2)
    gevent.joinall(stuck)
    assert len(dns.asked) <= 4 and all(isinstance(one.exception, Trouble) for one in stuck)


def test_one_zone_whose_nameservers_are_silent_holds_up_no_other(dns):
    resolver = make(dns, max_questions=20, timeout_seconds=2.0, attempts=1)
    for n in range(60):
        dns.fault(f"n{n}.silent.example", dnsserver.SILENT)
    stuck = [gevent.spawn(resolver.txt, f"n{n}.silent.example") for n in range(60)]
    until(lambda: len(dns.asked) >= 2)
    assert resolver.mx("example.org").values and len(dns.asked) == 3
    gevent.joinall(stuck)
    assert all(isinstance(one.exception, Trouble) for one in stuck)
    assert len(resolver._seats._zones) == 0


def test_the_hub_goes_on_while_a_nameserver_is_silent(dns):
    dns.fault("*", dnsserver.SILENT)
    asking = gevent.spawn(make(dns, timeout_seconds=0.3, attempts=1).mx, "example.org")
    turns = 0
    while not asking.dead:
        gevent.sleep(0.001)
        turns += 1
    assert turns > 10


def test_proven_answers(dns, clock):
    dns.secure |= {"example.org", "no.example.org"}
    assert make(dns).mx("example.org").secure and not make(dns).mx("null.example").secure
    assert all(one.ad for one in dns.asked)
    with pytest.raises(Absent) as absent:
        make(dns).mx("no.example.org")
    assert absent.value.secure
    dns.asked.clear()
    assert not make(dns, trust_ad="never").mx("example.org").secure
    assert not any(one.ad for one in dns.asked)
    # One on the network in between may be anybody.
    assert not make(dns, "192.0.2.1").mx("example.org").secure
    assert make(dns, "192.0.2.1", trust_ad="always").mx("example.org").secure


def test_an_alias_is_proven_if_every_link_is(dns):
    with DnsServer({"away.example": {"CNAME": "example.org."}}) as authority:
        authority.secure.add("*")
        resolver = make(dns)
        assert not resolver.records("away.example", "MX", [authority.address]).secure
        dns.secure.add("example.org")
        assert resolver.records("away.example", "MX", [authority.address]).secure


NO_NAMES = ["", ".", "a..b", "a b.example", "müller.example", "x" * 64 + ".example", "a." * 127 + "example", "-a.b"]
NO_NAMES += ["a\0.example", "a\n.example", "*.example", "a/b.example", "[127.0.0.1]", "abc.ONION."]


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_is_not_asked_for(dns, resolver, name):
    for door in (resolver.mx, resolver.txt, resolver.addresses, resolver.tlsa):
        with pytest.raises(NoSuchName, match="is no name of the DNS") as refused:
            door(name)
        assert str(refused.value).isprintable() and len(str(refused.value)) < 500
    assert dns.asked == []


def test_a_host_with_odd_octets_is_shown_and_does_not_resolve(dns, resolver):
    ((_, host),) = resolver.mx("odd.example").values
    assert host == "a\\032b.example"
    with pytest.raises(NoSuchName):
        resolver.addresses(host)


@given(st.text(max_size=300))
def test_any_text_is_a_name_or_none(text):
    resolver = Resolver(ResolverOptions(max_questions=1), nameservers=lambda: ())
    with pytest.raises((NoSuchName, Trouble)):
        resolver.mx(text)


def test_named_servers_are_asked_anew(dns, resolver):
    with DnsServer({"example.org": {"TXT": "other"}}) as other:
        resolver.txt("example.org")
        for _ in range(2):
            assert resolver.records("example.org", "TXT", [other.address]).values == ('"other"',)
        assert len(other.asked) == 2
        other.fault("*", dnsserver.SERVFAIL)
        with pytest.raises(Trouble):
            resolver.records("example.org", "TXT", [other.address])
    for rdtype in ("NOTHING", "ANY", "AXFR", ""):
        with pytest.raises(ValueError):
            resolver.records("example.org", rdtype)
    with pytest.raises(ValueError):
        resolver.records("example.org", "TXT", ["ns.example.org"])


def test_resolv_conf_is_read_again_when_it_changes(tmp_path):
    path = tmp_path / "resolv.conf"
    servers = Nameservers((), path)
    assert [one.text for one in servers()] == ["127.0.0.1"]
    path.write_text("# nameserver 192.0.2.9\nsearch example.org\nnameserver 192.0.2.1\nnameserver nonsense\n")
    assert [one.text for one in servers()] == ["192.0.2.1"]
    path.write_text("nameserver ::1\nnameserver 192.0.2.2\n")
    assert [one.address[:2] for one in servers()] == [("::1", 53), ("192.0.2.2", 53)]
    path.unlink()
    assert [one.text for one in servers()] == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_a_nameserver_as_it_is_written(text, address):
    assert nameserver(text).address[:2] == address


@pytest.mark.parametrize(
    "text", ["", "ns.example", "192.0.2.1:0", "192.0.2.1:x", "192.0.2.1:65536", "::1:", "[::1", ":53"]
)
def test_what_is_no_nameserver_is_refused(text):
    with pytest.raises(ValueError, match="nameservers: "):
        ResolverOptions(nameservers=(text,))


@pytest.mark.parametrize(
    "wrong",
    [{"trust_ad": "yes"}, {"attempts": 0}, {"cache_names": 0}, {"trouble_seconds": 60.0}, {"timeout_seconds": 0.0}],
)
def test_options_that_make_no_sense(wrong):
    (key,) = wrong
    with pytest.raises(ValueError, match=f"^{key}: "):
        dataclasses.replace(ResolverOptions(), **wrong)


def test_check_warns_of_nameservers_that_do_not_answer(dns):
    def problems(*servers):
        options = ResolverOptions(nameservers=servers, timeout_seconds=2.0)
        return ResolverPlugin(None, options).chatgate_check()

    dead = f"127.0.0.1:{free_port()}"
    assert problems(dns.address) == []
    dns.fault(".", dnsserver.REFUSED)  # as one does that knows only some names: it is there
    assert problems(dns.address) == []
    (one,) = problems(dns.address, dead)
    assert one.level == "warning" and dead in one.text and dns.address not in one.text
    (one,) = problems(dead)
    assert one.level == "warning" and "no nameserver answers" in one.text


def test_the_plugin_has_the_door(gateway_factory, dns):
    gateway = gateway_factory("tls", "maildb", "resolver", resolver={"nameservers": (dns.address,)})
    assert gateway.hub.plugin("resolver").resolver.mx("null.example").values == ((0, ""),)


def test_the_server_of_these_tests_as_a_process(tmp_path):
    zone, port = tmp_path / "zone", free_port()
    zone.write_text("example.org MX 10 a.example.org\n;! fault b.example MX servfail\n;! secure example.org\n")
    script = Path(dnsserver.__file__)
    command = [sys.executable, str(script), str(zone), "--listen", f"127.0.0.1:{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline().startswith(b"listening")
            found = make(f"127.0.0.1:{port}").mx("example.org")
            assert (found.values, found.secure) == (((10, "a.example.org"),), True)
            with pytest.raises(Trouble):
                make(f"127.0.0.1:{port}").mx("b.example")
            zone.write_text("b.example MX 10 b.example\n")
            assert make(f"127.0.0.1:{port}").mx("b.example").values == ((10, "b.example"),)
        finally:
            process.terminate()
