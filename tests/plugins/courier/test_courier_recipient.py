"""Which recipients are elsewhere, and what is said to those who write to an address that cannot be."""

import pytest

from chatgate.api import Envelope, Outgoing, Reply
from chatgate.testing import session


@pytest.fixture
def ask(gateway_factory):
    """What a gateway for example.org and [127.0.0.1] says to this recipient."""

    def make(*peers, origin="account", private=()):
        settings = {"private_networks": private} | ({"peers": peers} if peers else {})
        made = gateway_factory("tls", "maildb", "courier", courier=settings, domains={"127.0.0.1": {}})
        return lambda address: made.intake.resolve(session(), Envelope("a@example.org", origin=origin), address)

    return make


def test_other_domains_are_elsewhere_and_ours_are_not(ask):
    asked = ask()
    assert asked("Zoe@Far.Example") == Outgoing("Zoe@Far.Example", "far.example")
    assert asked("zoe@[192.0.2.1]").code == 550, "documentation addresses are no hosts"
    assert asked("zoe@[9.9.9.9]") == Outgoing("zoe@[9.9.9.9]", "[9.9.9.9]")
    assert asked("zoe@[IPv6:2620:fe::fe]") == Outgoing("zoe@[IPv6:2620:fe::fe]", "[ipv6:2620:fe::fe]")
    assert asked("zoe@_cg1.test") == Outgoing("zoe@_cg1.test", "_cg1.test")
    # Nobody has accounts here, and nobody else answers for these domains.
    assert {str(asked(f"nobodyhere@{domain}")) for domain in ("example.org", "EXAMPLE.org", "[127.0.0.1]")} == {
        "5.1.1 <nobodyhere@example.org>: no such user here",
        "5.1.1 <nobodyhere@EXAMPLE.org>: no such user here",
        "5.1.1 <nobodyhere@[127.0.0.1]>: no such user here",
    }


@pytest.mark.parametrize(
    "ip",
    "127.0.0.1 10.1.2.3 100.64.1.1 169.254.169.254 224.0.0.1 IPv6:::1 IPv6:::ffff:10.1.2.3 IPv6:::10.1.2.3 "
    "IPv6:fec0::1 IPv6:ff0e::1 IPv6:64:ff9b::10.1.2.3 IPv6:64:ff9b:1::9.9.9.9 IPv6:2002:a01:203::1".split(),
)
def test_addresses_that_are_not_on_the_internet_or_lead_to_such(ask, ip):
    reply = ask()(f"zoe@[{ip}]")
    assert isinstance(reply, Reply) and reply.code == 550


def test_an_ipv4_address_on_the_internet_may_be_within_one_of_ipv6(ask):
    assert ask()("zoe@[IPv6:64:ff9b::9.9.9.9]").domain == "[ipv6:64:ff9b::909:909]"


def test_mail_of_others_is_not_relayed(ask):
    assert ask(origin="peer")("zoe@far.example") is None


def test_notices_of_our_own_may_go_elsewhere(ask):
    assert ask(origin="gateway")("zoe@far.example") == Outgoing("zoe@far.example", "far.example")


@pytest.mark.parametrize(
    "address",
    [
        "zoe@far..example",
        "zoe@far.example.",
        "zoe@-",
        "zoe@[300.1.1.1]",
        "zoe@[x",
        "zoe@far.ex\u00e4mple",
        '"z o"@far.example',
    ]
    + ["@far.example", "zoe@", "zoe", "z\r\n@far.example", f"{'x' * 65}@far.example", f"z@{'x.' * 130}y"],
)
def test_what_is_no_address_is_refused_for_good(ask, address):
    reply = ask()(address)
    assert isinstance(reply, Reply) and (reply.code, reply.enhanced) == (553, "5.1.3")
    assert reply.text.isascii() and reply.text.isprintable() and "address" in reply.text


@pytest.mark.parametrize(
    "ip", ["127.0.0.4", "10.1.2.3", "192.168.0.1", "169.254.169.254", "IPv6:::1", "IPv6:fe80::1", "0.0.0.0"]
)
def test_machines_that_are_not_on_the_internet_get_no_mail(ask, ip):
    reply = ask()(f"zoe@[{ip}]")
    assert isinstance(reply, Reply) and (reply.code, reply.enhanced) == (550, "5.1.2")


def test_but_those_that_the_operator_names(ask):
    asked = ask("[10.9.9.9] route=far.example:25", private=("127.0.0.0/8",))
    assert asked("zoe@[127.0.0.4]") == Outgoing("zoe@[127.0.0.4]", "[127.0.0.4]")
    assert asked("zoe@[10.9.9.9]") == Outgoing("zoe@[10.9.9.9]", "[10.9.9.9]")
    assert asked("zoe@[10.9.9.8]").code == 550


def test_a_domain_that_is_denied_is_refused_with_the_operator_s_words(ask):
    asked = ask("spam.example deny=they send us nothing but rubbish", "* deny", "far.example allow")
    assert asked("zoe@spam.example") == Reply(550, "5.7.1", "<zoe@spam.example>: they send us nothing but rubbish")
    assert asked("zoe@other.example").code == 550 and isinstance(asked("zoe@far.example"), Outgoing)


@pytest.mark.parametrize(
    ("plugins", "domain", "warned"),
    [
        (("courier",), "example.org", True),
        (("courier", "dkim"), "example.org", False),
        (("courier",), "127.0.0.1", False),  # others take mail of an IP address by where it comes from
    ],
)
def test_check_warns_when_nobody_signs(gateway_factory, plugins, domain, warned):
    made = gateway_factory("tls", "maildb", *plugins, domain=domain)
    assert any("enable dkim" in problem.text for problem in made.check()) == warned
