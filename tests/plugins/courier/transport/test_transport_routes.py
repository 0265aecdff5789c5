"""From a destination to the hosts that may take its mail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from chatgate_courier.policy import PLAIN, Policy
from chatgate_courier.security.sts_policy import StsPolicy
from chatgate_courier.transport import TransportOptions
from chatgate_courier.transport.routes import Loop, NoRoute, Routes
from chatgate_resolver import NoRecords
from peers import TROUBLE, Dns, World, codes, text


class Asked:
    """Routes with a DNS of the test's own."""

    def __init__(self) -> None:
        self.dns = Dns()
        self.policies: dict[str, Policy] = {}
        self.sts: StsPolicy | None = None
        self.private: set[str] = set()
        self.routes = Routes(
            TransportOptions(),
            self.dns,
            lambda domain: self.policies.get(domain, PLAIN),
            SimpleNamespace(policy=self._policy),
            frozenset(("example.org", "mx.example.org", "198.51.100.1")),
            lambda address: address not in self.private,
        )

    def _policy(self, domain: str) -> StsPolicy | None:
        self.dns.asked[f"_mta-sts.{domain}"] += 1
        return self.sts

    def hosts(self, domain: str = "peer.test") -> tuple[str, ...]:
        return self.routes.find(domain).hosts

    def refusal(self, domain: str = "peer.test") -> tuple[int, str, str]:
        with pytest.raises(NoRoute) as failed:
            self.routes.find(domain)
        return failed.value.reply.code, failed.value.reply.enhanced, failed.value.reply.text


@pytest.fixture
def asked() -> Asked:
    return Asked()


def test_by_preference_and_equal_ones_in_any_order(asked: Asked):
    asked.dns.exchanges["peer.test"] = ((20, "c.test"), (10, "a.test"), (10, "b.test"), (30, "a.test"))
    seen = {asked.hosts() for _ in range(60)}
    assert seen == {("a.test", "b.test", "c.test"), ("b.test", "a.test", "c.test")}


def test_no_more_hosts_than_allowed(asked: Asked):
    asked.dns.exchanges["peer.test"] = tuple((i, f"mx{i}.test") for i in range(50))
    assert asked.hosts() == tuple(f"mx{i}.test" for i in range(5))


def test_the_domain_itself_where_it_has_no_mx(asked: Asked):
    asked.dns.hosts["peer.test"] = ("192.0.2.1",)
    assert asked.hosts() == ("peer.test",)


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        (((0, ""),), (556, "5.1.10", "Permanent failure: Recipient address has null MX")),
        (((10, ""),), (556, "5.1.10", "Permanent failure: Recipient address has null MX")),
        (TROUBLE, (451, "4.4.3", "DNS does not answer for peer.test")),
        (None, (550, "5.1.2", "Domain peer.test does not exist")),
        (((10, "192.0.2.1"), (20, "")), (451, "4.4.4", "The MX records of peer.test name no host")),
        (((10, "mx.example.org"),), (554, "5.4.6", "Mail for peer.test would come back to this server")),
    ],
)
def test_what_dns_says_against_it(asked: Asked, found, answer):
    if found is not None:
        asked.dns.exchanges["peer.test"] = found
    assert asked.refusal() == answer


def test_an_empty_name_beside_others_is_no_null_mx(asked: Asked):
    asked.dns.exchanges["peer.test"] = (
        (0, ""),
        (10, "mx.peer.test"),
        (20, "192.0.2.1"),
        (30, "a\\013b.test"),
        (40, "mx.1a"),
    )
    assert asked.hosts() == ("mx.peer.test", "mx.1a")


def test_both_families_are_among_the_addresses(asked: Asked):
    many = tuple(f"2001:db8::{i}" for i in range(1, 20))
    asked.dns.hosts["a.test"] = (*many, "192.0.2.1")
    found, _ = asked.routes.addresses("a.test", "a.test")
    assert len(found) == 6 and found[:3] == ("2001:db8::1", "192.0.2.1", "2001:db8::2")


def test_what_is_less_preferred_than_this_server_is_left_out(asked: Asked):
    asked.dns.exchanges["peer.test"] = ((10, "a.test"), (20, "mx.example.org"), (30, "c.test"))
    assert asked.hosts() == ("a.test",)


def test_this_server_by_its_address(asked: Asked):
    asked.dns.hosts |= {
        "mx.example.org": ("192.0.2.7",),
        "a.test": ("192.0.2.9", "192.0.2.7"),
        "b.test": ("192.0.2.8",),
    }
    with pytest.raises(Loop):
        asked.routes.addresses("a.test", "peer.test")
    assert asked.routes.addresses("b.test", "peer.test") == (("192.0.2.8",), False)
    assert asked.routes.addresses("a.test", "peer.test", chosen=True)[0] == ("192.0.2.9", "192.0.2.7")
    assert asked.refusal("[198.51.100.1]")[:2] == (554, "5.4.6")


def test_address_literals(asked: Asked):
    assert asked.hosts("[192.0.2.1]") == ("192.0.2.1",)
    assert asked.hosts("[IPv6:2001:db8::1]") == ("2001:db8::1",)
    assert not set(asked.dns.asked) - {"_mta-sts.[192.0.2.1]", "_mta-sts.[IPv6:2001:db8::1]"}


def test_addresses_that_are_not_on_the_internet_are_left_out(asked: Asked):
    asked.private = {"127.0.0.1", "10.0.0.1"}
    asked.dns.hosts |= {"a.test": ("10.0.0.1", "192.0.2.1"), "b.test": ("127.0.0.1",)}
    assert asked.routes.addresses("a.test", "a.test")[0] == ("192.0.2.1",)
    with pytest.raises(NoRoute, match="no IP address on the Internet"):
        asked.routes.addresses("b.test", "b.test")
    with pytest.raises(NoRoute, match="no IP address on the Internet"):
        asked.routes.addresses("127.0.0.1", "[127.0.0.1]")
    assert asked.routes.addresses("127.0.0.1", "peer.test", chosen=True)[0] == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("host", "found", "code"),
    [
        ("peer.test", NoRecords("x"), (550, "5.1.2")),  # neither MX nor addresses: there is no mail server
        ("mx.test", NoRecords("x"), (451, "4.4.4")),  # somebody made a mistake, which can be corrected
        ("mx.test", None, (451, "4.4.4")),
        ("mx.test", TROUBLE, (451, "4.4.3")),
    ],
)
def test_a_host_without_addresses(asked: Asked, host: str, found, code):
    if found is not None:
        asked.dns.hosts[host] = found
    with pytest.raises(NoRoute) as failed:
        asked.routes.addresses(host, "peer.test")
    assert (failed.value.reply.code, failed.value.reply.enhanced) == code


def test_the_operators_route_stands_above_dns(asked: Asked):
    asked.policies["peer.test"] = Policy(route="[2001:db8::2]:2525")
    route = asked.routes.find("peer.test")
    assert (route.hosts, route.port, route.chosen) == (("2001:db8::2",), 2525, True)
    assert not asked.dns.asked


def test_onion_goes_by_a_proxy_only_and_never_to_dns(asked: Asked):
    assert asked.refusal("x.onion")[:2] == (550, "5.1.2")
    asked.policies["x.onion"] = Policy(proxy="socks5://127.0.0.1:9050")
    assert asked.hosts("x.onion") == ("x.onion",)
    assert not asked.dns.asked


def test_an_enforced_policy_of_mta_sts_leaves_out_who_is_not_named(asked: Asked):
    asked.dns.exchanges["peer.test"] = ((10, "evil.test"), (20, "mx.peer.test"))
    asked.sts = StsPolicy("enforce", ("*.peer.test",), 86400)
    assert asked.hosts() == ("mx.peer.test",)
    asked.sts = StsPolicy("enforce", ("other.test",), 86400)
    assert asked.refusal() == (451, "4.7.5", "The MTA-STS policy of peer.test names none of its mail servers")
    asked.sts = StsPolicy("testing", ("other.test",), 86400)
    assert asked.hosts() == ("evil.test", "mx.peer.test")
    asked.sts = StsPolicy("enforce", ("other.test",), 86400)
    asked.policies["peer.test"] = Policy(verify=False)
    assert asked.hosts() == ("evil.test", "mx.peer.test")


def test_what_dns_says_for_certain_is_the_answer_for_all(world: World):
    outcome = world.deliver("bob@nowhere.test", "eve@nowhere.test", domain="nowhere.test")
    assert set(codes(outcome).values()) == {(550, "5.1.2")} and text(outcome) == "Domain nowhere.test does not exist"
    assert outcome.until == 0


def test_this_server_by_its_address_ends_the_list(world: World):
    mx, other = world.mx(), world.mx("after.test", "127.0.0.3")
    world.dns.exchanges["peer.test"] = ((10, "mx.peer.test"), (20, "us.test"), (30, "after.test"))
    world.dns.hosts |= {"us.test": ("127.0.0.9",), "mx.example.org": ("127.0.0.9",)}
    mx.says["greeting"] = b"421 4.3.2 busy\r\n"
    assert codes(world.deliver())["bob"] == (421, "4.3.2")
    world.dns.exchanges["peer.test"] = ((20, "us.test"), (30, "after.test"))
    assert codes(world.deliver()) == {"bob": (554, "5.4.6")}
    assert not other.connections


def test_a_host_without_address_does_not_stop_the_next(world: World):
    mx = world.mx()
    world.dns.exchanges["peer.test"] = ((10, "gone.test"), (20, "slow.test"), (30, "mx.peer.test"))
    world.dns.hosts["slow.test"] = TROUBLE
    assert codes(world.deliver()) == {"bob": (250, "2.0.0")} and len(mx.mails) == 1


def test_mail_for_a_literal_goes_there_and_any_certificate_will_do(world: World):
    mx = world.mx("mx.peer.test", context=world.authority.context("something.test"))
    world.policies["[127.0.0.1]"] = Policy(verify=False)
    assert codes(world.deliver("bob@[127.0.0.1]", domain="[127.0.0.1]")) == {"bob": (250, "2.0.0")}
    assert mx.mails[0].recipients == ["bob@[127.0.0.1]"]


def test_a_gateway_that_is_an_ip_address_says_so_as_a_literal(world: World):
    from chatgate.api import Domain, Domains

    world.domains = Domains(Domain("[192.0.2.5]"))
    mx = world.mx()
    world.deliver()
    assert "EHLO [192.0.2.5]" in mx.lines
