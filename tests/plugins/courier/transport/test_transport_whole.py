"""Mail from here to a gateway of ours, and to another program's server, found by real look-ups."""

from __future__ import annotations

import ssl
import threading

import pytest
from aiosmtpd.controller import Controller
from chatgate_courier.policy import PLAIN, Policy
from chatgate_courier.transport import Mail, TransportOptions, Transports
from chatgate_resolver import Resolver, ResolverOptions
from peers import Authority, codes

from chatgate.api import Domain, Domains, Gateway, NewAccount
from chatgate.testing import SHIPPED, config, imap_client, new_login, pgp_message, port, smtp_client, until
from tests.dnsserver import DnsServer
from tests.ports import free_port

ALICE = "alice@a.example"
ZONE = {
    "example.org": {"MX": "10 mx.example.org"},
    "mx.example.org": {"A": "127.0.0.1"},
    "a.example": {"A": "127.0.0.9"},
    "null.example": {"MX": "0 ."},
}


@pytest.fixture
def gateway(gateway_factory):
    gateway = gateway_factory(*SHIPPED, "courier")
    gateway.people = [new_login(gateway) for _ in range(2)]
    for address, password in gateway.people:
        assert gateway.accounts.create(NewAccount(address, password, "operator"))
    return gateway


@pytest.fixture
def dns():
    with DnsServer(ZONE) as server:
        yield server


@pytest.fixture
def make(dns):
    made = []

    def transports(policy=PLAIN, **options):
        resolver = Resolver(ResolverOptions(nameservers=(dns.address,)))
        domains = Domains(Domain("a.example"))
        made.append(
            Transports(TransportOptions(**options), resolver, domains, lambda domain: policy, lambda address: True)
        )
        return made[-1]

    yield transports
    for one in made:
        one.close()


@pytest.mark.parametrize("way", ["https", "smtp"])
def test_mail_to_a_gateway_of_ours(gateway, make, way):
    names = [address for address, _ in gateway.people]
    transports = make(Policy(verify=False, way=way), smtp_port=port(gateway, "mx"), https_port=port(gateway, "https"))
    content = pgp_message(ALICE, names[0])
    for _ in range(2):
        outcome = transports.deliver(Mail("example.org", ALICE, (*names, "nobody@example.org"), content, "t"))
        assert outcome.way == way
        assert [reply.code for reply in outcome.replies.values()] == [250, 250, 550]
        assert outcome.replies["nobody@example.org"].enhanced == "5.1.1"
    client = imap_client(gateway, gateway.people[1])
    client.select("INBOX")
    assert client.search(None, "ALL")[1] == [b"1 2"]
    assert client.fetch("1", "(BODY.PEEK[])")[1][0][1] == content
    client.logout()


def test_a_refusal_of_a_gateway_of_ours(gateway, make):
    name = gateway.people[0][0]
    for way in ("https", "smtp"):
        transports = make(
            Policy(verify=False, way=way), smtp_port=port(gateway, "mx"), https_port=port(gateway, "https")
        )
        clear = b"From: alice@a.example\r\nTo: bob\r\nSubject: x\r\n\r\nin clear\r\n"
        outcome = transports.deliver(Mail("example.org", ALICE, (name,), clear, "t"))
        assert [one[0] for one in codes(outcome).values()] == [523]


def test_a_probe_of_a_gateway_of_ours(gateway, make):
    transports = make(Policy(verify=False), smtp_port=port(gateway, "mx"), https_port=port(gateway, "https"))
    for way, last in (("smtp", "RCPT"), ("https", "POST")):
        steps = []
        transports.probe("example.org", gateway.people[0][0], way, steps.append)
        assert all(step.ok for step in steps) and steps[-1].name == last, steps
    steps = []
    transports.probe("example.org", "nobody@example.org", "smtp", steps.append)
    assert (steps[-1].name, steps[-1].ok) == ("RCPT", False)


@pytest.mark.parametrize("https", [True, False])
def test_from_an_app_here_to_an_inbox_there(gateway, gateway_factory, dns, tmp_path_factory, https):
    there = {"smtp_port": port(gateway, "mx"), "https_port": port(gateway, "https"), "https": https}
    settings = {"peers": ("example.org verify=no",), "private_networks": ("127.0.0.0/8",)} | there
    sending = Gateway(
        config(
            tmp_path_factory.mktemp("a"),
            *SHIPPED,
            "courier",
            domain="a.example",
            core={"hostname": "mx.a.example"},
            courier=settings,
            resolver={"nameservers": (dns.address,)},
        )
    )
    sending.start()
    alice = ("alice12345@a.example", "a-long-password")
    assert sending.accounts.create(NewAccount(*alice, "operator"))
    bob = gateway.people[0]
    with smtp_client(sending, alice) as client:
        for _ in range(3):
            client.sendmail(alice[0], [bob[0]], pgp_message(alice[0], bob[0]))
    reading = imap_client(gateway, bob)
    reading.select("INBOX")
    until(lambda: (reading.noop(), reading.search(None, "ALL")[1] == [b"1 2 3"])[1])
    reading.logout()
    sending.stop()


class Kept:
    def __init__(self):
        self.envelopes = []

    async def handle_DATA(self, server, session, envelope):
        self.envelopes.append(envelope)
        return "250 2.0.0 kept"


def test_mail_to_another_programs_server(make, tmp_path):
    authority = Authority(tmp_path)
    authority.context("mx.example.org")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "1.pem", tmp_path / "1.key")
    kept, number = Kept(), free_port()
    controller = Controller(kept, "127.0.0.1", number, tls_context=context, require_starttls=True)
    starting = threading.Thread(target=controller.start)
    starting.start()
    starting.join()
    try:
        transports = make(smtp_port=number, https_port=free_port(), ca_file=str(authority.file))
        for count in (1, 2):
            outcome = transports.deliver(Mail("example.org", ALICE, ("bob@example.org",), b"A: b\r\n\r\n.x\r\n", "t"))
            assert codes(outcome) == {"bob": (250, "2.0.0")} and outcome.way == "smtp"
            assert len(kept.envelopes) == count
        assert kept.envelopes[0].content == b"A: b\r\n\r\n.x\r\n"
    finally:
        controller.stop()


def test_what_dns_says_for_certain(make):
    transports = make()
    outcome = transports.deliver(Mail("null.example", ALICE, ("bob@null.example",), b"x\r\n", "t"))
    assert codes(outcome) == {"bob": (556, "5.1.10")}
    outcome = transports.deliver(Mail("gone.example", ALICE, ("bob@gone.example",), b"x\r\n", "t"))
    assert codes(outcome) == {"bob": (550, "5.1.2")}
