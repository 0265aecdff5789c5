"""What plugins want to stand in the DNS."""

import pytest

from chatgate.api import DnsRecord, hookimpl, ports, service_records
from chatgate.domains import Domain
from chatgate.hosting.hub import Hub

RECORD = DnsRecord("example.org", "MX", "10 mail.example.org.", True, "mail comes in")


def hub(*answers):
    class Says:
        def __init__(self, answer):
            self.answer = answer

        @hookimpl
        def chatgate_dns_records(self, domain):
            return self.answer

    made = Hub()
    made.load((f"plugin{n}", Says(answer)) for n, answer in enumerate(answers))
    return made


def test_every_plugin_may_add_records_and_one_that_fails_adds_none(caplog):
    made = hub([RECORD], None, ["example.org MX"], ())
    assert made.dns_records(domain=None) == [[RECORD], ()]
    assert "hook=dns_records plugin=plugin2 error=WrongAnswer" in caplog.text


@pytest.mark.parametrize("name", ["", "example.org."])
def test_a_name_is_absolute_without_its_dot(name):
    with pytest.raises(ValueError, match="absolute name"):
        DnsRecord(name, "A", "192.0.2.1", True, "")


def test_the_ports_of_listeners():
    assert ports(("*:465", "[::1]:466", "127.0.0.1:465", "unix:/run/x:9", "127.0.0.1:0")) == [465, 466]


def test_a_service_has_a_record_with_its_port_when_it_is_on():
    domain = Domain("example.org", "mail.example.org")
    assert service_records(domain, "imaps", ("unix:/run/imap", "*:993", "*:1993"), "apps") == [
        DnsRecord("_imaps._tcp.example.org", "SRV", "0 1 993 mail.example.org.", False, "apps")
    ]
    assert service_records(domain, "imaps", (), "apps") == []


@pytest.mark.parametrize(
    ("domain", "host"),
    [
        (Domain("example.org"), "example.org"),
        (Domain("example.org", "mail.example.org"), "mail.example.org"),
        (Domain("example.org", "203.0.113.7"), "example.org"),
        (Domain("[203.0.113.7]"), "203.0.113.7"),
    ],
)
def test_a_record_names_a_host_by_a_name(domain, host):
    assert domain.dns_host == host
