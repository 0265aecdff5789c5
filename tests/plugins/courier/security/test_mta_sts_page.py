"""Our own policies, as other servers fetch them."""

import http.client
import ssl

import pytest
from certificates import Made
from chatgate_courier.mta_sts_page import policy_id
from chatgate_courier.security.fetching import Fetcher
from chatgate_courier.security.sts import MtaSts
from chatgate_courier.security.sts_policy import StsPolicy, parse, record_id
from chatgate_courier.transport.options import TransportOptions
from chatgate_courier.transport.tls import Tls
from chatgate_resolver import Resolver, ResolverOptions

from chatgate.testing import SHIPPED, port
from tests.dnsserver import DnsServer

ROOT = Made("Root", ca=True)


@pytest.fixture
def start(gateway_factory, tmp_path):
    """A gateway for example.org at mx.example.org and for b.example, whose certificate an authority has signed."""

    def make(*names, signed=True, domain="example.org", plugins=(*SHIPPED, "courier"), domains=None, **settings):
        names = names or ("mx.example.org", "example.org", "mta-sts.example.org")
        if signed:
            Made(names[0], ROOT, also=names[1:]).write(tmp_path, ROOT)
            settings["tls"] = {"certificate": "chain.pem", "key": "key.pem"}
        core = {"hostname": "mx.example.org" if domain == "example.org" else ""}
        return gateway_factory(*plugins, core=core, domain=domain, domains=domains, **settings)

    return make


def fetch(gateway, host="mta-sts.example.org"):
    """(status, body, type), asked as that host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = http.client.HTTPSConnection("127.0.0.1", port(gateway, "https"), context=context, timeout=60)
    client.request("GET", "/.well-known/mta-sts.txt", headers={"Host": host})
    answer = client.getresponse()
    found = answer.status, answer.read(), answer.headers["Content-Type"]
    client.close()
    return found


def records(gateway, domain=None):
    hooks = gateway.hub.plugin("courier")
    return {one.type: one for one in hooks.chatgate_dns_records(domain or gateway.domains.first)}


def test_a_policy_that_names_our_host(start):
    gateway = start()
    status, body, kind = fetch(gateway)
    assert status == 200 and kind.startswith("text/plain")
    policy = parse(body)
    assert policy == StsPolicy("enforce", ("mx.example.org",), 2419200)
    found = records(gateway)
    assert (found["CNAME"].name, found["CNAME"].value) == ("mta-sts.example.org", "mx.example.org.")
    assert found["TXT"].name == "_mta-sts.example.org"
    assert record_id([found["TXT"].value.encode()]) == policy_id(policy)
    # What stands in MX is what the policy allows.
    mx = next(one for one in gateway.hub.plugin("smtp").chatgate_dns_records(gateway.domains.first) if one.type == "MX")
    assert policy.allows(mx.value.split()[1])


def test_another_server_keeps_to_it(start, tmp_path):
    gateway = start()
    (tmp_path / "ca.pem").write_bytes(ROOT.pem)
    txt = records(gateway)["TXT"]
    with DnsServer({txt.name: {"TXT": txt.value}, "mta-sts.example.org": {"A": "127.0.0.1"}}) as dns:
        resolver = Resolver(ResolverOptions(nameservers=(dns.address,)))
        options = TransportOptions(ca_file=str(tmp_path / "ca.pem"))
        at = port(gateway, "https")
        fetch = Fetcher(resolver, Tls(options), lambda address: True, seconds=60.0, octets=1000, port=at)
        policy = MtaSts(resolver, options, fetch).policy("example.org")
    assert policy.enforced and policy.allows("mx.example.org") and not policy.allows("example.org")


def test_another_policy_has_another_id():
    policies = [StsPolicy(mode, (mx,), age) for mode in ("enforce", "testing") for mx in "ab" for age in (1, 2)]
    assert len({policy_id(one) for one in policies}) == len(policies)
    assert policy_id(policies[0]) == policy_id(StsPolicy(*policies[0]))


def test_trying_it_out(start):
    gateway = start(courier={"mta_sts_mode": "testing", "mta_sts_max_age": 60})
    assert parse(fetch(gateway)[1]) == StsPolicy("testing", ("mx.example.org",), 60)


@pytest.mark.parametrize(
    "settings",
    [
        {"courier": {"mta_sts_mode": "off"}},
        {"signed": False},
        {"smtp": {"mx": ()}},
        {"domain": "_test.example"},
        {"domain": "192.0.2.1"},
    ],
    ids=str,
)
def test_nothing_is_demanded_that_could_not_be_met(start, settings):
    gateway = start(**settings)
    assert fetch(gateway)[0] == 404
    assert "TXT" not in records(gateway)


def test_without_a_site_there_are_no_records(start):
    assert records(start(plugins=("tls", "maildb", "smtp", "courier"))) == {}


def test_the_record_waits_for_a_certificate_that_is_for_the_name(start):
    """Or other servers could not fetch the policy."""
    gateway = start("mx.example.org", "example.org")
    assert fetch(gateway)[0] == 200
    assert list(records(gateway)) == ["CNAME"]


def test_a_certificate_for_all_names_will_do(start):
    assert "TXT" in records(start("mx.example.org", "*.example.org"))


def test_each_domain_has_its_own(start):
    names = ("mx.example.org", "mta-sts.example.org", "mta-sts.b.example", "b.example")
    own = {"hostname": "b.example", "courier": {"mta_sts_mode": "testing"}}
    gateway = start(*names, domains={"b.example": own, "c.example": {"courier": {"mta_sts_mode": "off"}}})
    assert parse(fetch(gateway)[1]).mx == ("mx.example.org",)
    assert parse(fetch(gateway, "mta-sts.b.example")[1]) == StsPolicy("testing", ("b.example",), 2419200)
    assert records(gateway, gateway.domains.named("b.example"))["TXT"].name == "_mta-sts.b.example"
    assert fetch(gateway, "mta-sts.c.example")[0] == 404


@pytest.mark.parametrize("wrong", [{"mta_sts_mode": "none"}, {"mta_sts_max_age": 10**8}])
def test_settings_that_make_no_sense(start, wrong):
    (key,) = wrong
    with pytest.raises(ValueError, match=f"^{key}: "):
        start(courier=wrong)
