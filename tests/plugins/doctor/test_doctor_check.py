"""Every nameserver of a zone is asked for every record."""

import pytest
from chatgate_doctor.check import Check

from chatgate.api import DnsRecord
from tests.dnsserver import LAME, REFUSED, SERVFAIL, SILENT

A = DnsRecord("example.org", "A", "203.0.113.7", True, "hosts")
MX = DnsRecord("example.org", "MX", "10 example.org.", True, "mail")
SPF = DnsRecord("example.org", "TXT", "v=spf1 a ~all", False, "senders")
SRV = DnsRecord("_imaps._tcp.example.org", "SRV", "0 1 993 example.org.", False, "apps")
WWW = DnsRecord("www.example.org", "CNAME", "example.org.", False, "visitors")
ALL = [A, MX, SPF, SRV, WWW]
BOTH = ("ns1.example.net", "ns2.example.net")


def check(dns, records=ALL, tell=lambda done, total: None):
    return Check(dns.resolver, dns.port, tell).run(records)


def brief(found):
    return [(one.kind, one.record and one.record.type, one.servers, one.there, one.grave) for one in found]


def test_all_is_well_and_each_nameserver_was_asked_for_each_record(dns):
    steps = []
    assert check(dns, tell=lambda *step: steps.append(step)) == []
    assert steps == [(n, 10) for n in range(1, 11)]
    for server in (dns.first, dns.second):
        assert {("example.org", "MX"), ("_imaps._tcp.example.org", "SRV"), ("www.example.org", "CNAME")} <= {
            (one.name, one.rdtype) for one in server.asked
        }


def test_several_problems_are_told_with_what_is_there_and_what_to_type(dns):
    dns.set("example.org", "MX", "10 old.example.net.")
    dns.set("example.org", "TXT", "v=spf1 a ~all", "v=spf1 mx -all", "site-verification=x")
    dns.set("_imaps._tcp.example.org", "SRV")
    found = check(dns)
    assert brief(found) == [
        ("wrong", "MX", BOTH, ("10 old.example.net.",), True),
        ("several", "TXT", BOTH, ("v=spf1 a ~all", "v=spf1 mx -all"), False),
        ("missing", "SRV", BOTH, (), False),
    ]
    assert found[0].advice == "make it example.org. 3600 IN MX 10 example.org."
    assert found[1].advice == 'keep one of them: example.org. 3600 IN TXT "v=spf1 a ~all"'
    assert found[2].title == "missing: _imaps._tcp.example.org SRV on ns1.example.net, ns2.example.net"
    assert "RFC 7208" in found[1].title


@pytest.mark.parametrize(("values", "there"), [((), ()), (("203.0.113.99",), ("203.0.113.99",))])
def test_a_nameserver_that_lags_behind_is_named(dns, values, there):
    dns.set("example.org", "A", *values, on=dns.second)
    (found,) = check(dns)
    assert brief([found]) == [("stale", "A", ("ns2.example.net",), there, True)]
    assert "load the zone anew" in found.advice


def test_a_host_that_is_not_ours_among_the_right_ones_is_told_but_mail_flows(dns):
    dns.set("example.org", "A", "203.0.113.7", "203.0.113.99")
    assert brief(check(dns)) == [("extra", "A", BOTH, ("203.0.113.99",), False)]


@pytest.mark.parametrize("fault", [SILENT, SERVFAIL, REFUSED, LAME])
def test_a_nameserver_that_does_not_answer_is_asked_once_and_the_other_tells(dns, fault):
    dns.second.fault("*", fault)
    (found,) = check(dns)
    assert brief([found]) == [("silent", None, ("ns2.example.net",), (), False)]
    assert len(dns.second.asked) == 1


def test_where_nobody_answers_nobody_knows(dns):
    dns.set("example.org", "NS", "ns2.example.net.", "ns3.example.net.")
    dns.second.fault("*", SILENT)
    found = check(dns)
    assert {(one.kind, one.servers, one.grave) for one in found} == {
        ("silent", ("ns2.example.net",), True),
        ("silent", ("ns3.example.net",), True),
    }
    assert "has no address" in found[1].title + found[0].title


def test_a_domain_that_is_not_delegated_is_one_problem(dns):
    dns.set("example.org", "NS")
    (found,) = check(dns)
    assert brief([found]) == [("undelegated", None, (), (), True)]
    assert found.title == "undelegated: example.org: there are no nameservers for this name"
    dns.first.fault("example.org", SERVFAIL, "NS")
    dns.resolver = type(dns.resolver)(dns.resolver.options)  # which remembers nothing
    (found,) = check(dns)
    assert found.kind == "silent" and "SERVFAIL" in found.title and found.grave


def test_a_resolver_that_does_not_answer_is_one_problem_and_is_not_waited_for_again(dns):
    dns.first.fault("*", SILENT)
    (found,) = check(dns)
    assert found.kind == "silent" and found.grave and "no answer in time" in found.title
    assert len(dns.first.asked) == 1


def test_the_zone_of_a_name_begins_where_its_nameservers_are(dns):
    """A zone below ours, with nameservers of its own."""
    dns.set("_tcp.example.org", "NS", "ns2.example.net.")
    dns.set("_imaps._tcp.example.org", "SRV", on=dns.first)
    assert check(dns, [SRV]) == []


@pytest.mark.parametrize(
    ("records", "right"),
    [
        ({"CNAME": ["EXAMPLE.org."]}, True),
        ({"CNAME": ["other.example.org."]}, True),  # which leads to the same address
        ({"A": ["203.0.113.7"]}, True),
        ({"A": ["203.0.113.99"]}, False),
        ({"CNAME": ["elsewhere.example.net."]}, False),
    ],
)
def test_an_alias_leads_to_the_right_place_in_any_way(dns, records, right):
    dns.set("other.example.org", "CNAME", "example.org.")
    dns.set("elsewhere.example.net", "A", "203.0.113.99")
    dns.set("www.example.org", "CNAME")
    for kind, values in records.items():
        dns.set("www.example.org", kind, *values)
    found = check(dns, [WWW])
    assert (found == []) is right
    assert right or found[0].kind == "wrong"


def test_a_key_that_is_an_alias_is_the_key_it_leads_to(dns):
    key = DnsRecord("chatgate._domainkey.example.org", "TXT", "v=DKIM1;k=rsa;p=" + "QUJD" * 120, True, "signatures")
    dns.set(key.name, "CNAME", "keys.example.net.")
    dns.set("keys.example.net", "TXT", key.value)
    assert check(dns, [key]) == []
    dns.set("keys.example.net", "TXT", "v=DKIM1; p=")
    assert brief(check(dns, [key])) == [("wrong", "TXT", BOTH, ("v=DKIM1; p=",), True)]
