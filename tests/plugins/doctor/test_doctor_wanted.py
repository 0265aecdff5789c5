"""Which records the shipped plugins want for a domain."""

import pytest

from chatgate.running.gateway import Gateway
from chatgate.testing import config
from tests.plugins.tls.test_tls import issue


def wanted(tmp_path, *plugins, **settings):
    """(name, type, value) of all records for the first domain, and whether each is required."""
    gateway = Gateway(config(tmp_path, *plugins, **settings))
    found = [record for records in gateway.hub.dns_records(gateway.domains.first) for record in records]
    assert all(record.why for record in found)
    return {(record.name, record.type, record.value): record.required for record in found}


PORTS = {
    "smtp": {"submissions": ("*:465",), "submission": ("*:587",), "mx": ("*:25",)},
    "imap": {"imaps": ("*:993",), "imap": ("*:143",)},
    "site": {"https": ("*:443",), "http": ("*:80",)},
}


def test_mail_servers_and_apps_find_the_host(tmp_path):
    core = {"hostname": "mail.example.org"}
    assert wanted(tmp_path, "smtp", "imap", "site", core=core, **PORTS) == {
        ("example.org", "MX", "10 mail.example.org."): True,
        ("_submissions._tcp.example.org", "SRV", "0 1 465 mail.example.org."): False,
        ("_submission._tcp.example.org", "SRV", "0 1 587 mail.example.org."): False,
        ("_imaps._tcp.example.org", "SRV", "0 1 993 mail.example.org."): False,
        ("_imap._tcp.example.org", "SRV", "0 1 143 mail.example.org."): False,
        ("www.example.org", "CNAME", "mail.example.org."): False,
    }


def test_what_is_off_needs_no_record(tmp_path):
    off = {"submissions": (), "submission": (), "mx": ()}
    core = {"hostname": "example.org"}
    settings = {"smtp": off, "imap": {"imaps": (), "imap": ()}, "site": {"https": (), "http": ()}}
    assert wanted(tmp_path, "smtp", "imap", "site", core=core, **settings) == {}
    core = {"hostname": "mail.example.org"}  # servers that deliver over HTTPS must find the host all the same
    assert wanted(tmp_path, "smtp", core=core, smtp=off) == {("example.org", "MX", "10 mail.example.org."): True}


@pytest.mark.parametrize("domain", ["www.example.org", "_test.example"])
def test_no_www_where_it_makes_no_sense(tmp_path, domain):
    assert wanted(tmp_path, "site", domain=domain, site=PORTS["site"]) == {}


@pytest.mark.parametrize(("issuer", "authority"), [("Let's Encrypt", "letsencrypt.org"), ("Some CA", None)])
def test_a_known_authority_alone_may_issue(tmp_path, issuer, authority):
    issue(tmp_path, ["example.org"], organization=issuer)
    caa = {("example.org", "CAA", f'0 issue "{authority}"'): False} if authority else {}
    assert wanted(tmp_path, "tls") == caa


def test_a_self_signed_certificate_wants_no_authority(tmp_path):
    gateway = Gateway(config(tmp_path, "tls"))
    assert gateway.certificate().self_signed
    assert gateway.hub.dns_records(gateway.domains.first) == [[]]


def test_who_signs_demands_that_what_is_not_signed_be_refused(tmp_path):
    found = {(name, kind): required for (name, kind, _), required in wanted(tmp_path, "dkim").items()}
    assert found.pop(("_dmarc.example.org", "TXT")) is found.pop(("_adsp._domainkey.example.org", "TXT")) is False
    assert {name.partition(".")[2] for name, _ in found} == {"_domainkey.example.org"} and any(found.values())
