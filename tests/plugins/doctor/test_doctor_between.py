"""A doctor at one gateway, and a whole gateway as the other server: with signatures that are really checked."""

import json

import click
import pytest
from click.testing import CliRunner

from chatgate.api import NewAccount
from chatgate.running.gateway import Gateway
from chatgate.testing import config
from tests.plugins.courier.transport.peers import Authority
from tests.ports import free_port


@pytest.fixture
def ask(tmp_path, dns):
    """The lines of a doctor at example.org about zoe@peer.test, or another address there, by part."""
    authority, ports = Authority(tmp_path), {"smtp_port": free_port(), "https_port": free_port()}
    authority.context("mx.peer.test")
    (tmp_path / "peer/tls").mkdir(parents=True)
    (tmp_path / "1.pem").rename(tmp_path / "peer/tls/cert.pem")
    (tmp_path / "1.key").rename(tmp_path / "peer/tls/key.pem")
    dns.set("peer.test", "MX", "10 mx.peer.test.")
    dns.set("mx.peer.test", "A", "127.0.0.1")
    resolver = {"nameservers": (dns.first.address,), "timeout_seconds": 1.0, "trouble_seconds": 0.0}
    peer = Gateway(
        config(
            tmp_path / "peer",
            *("tls", "maildb", "accounts", "passwordless", "gate", "smtp", "site", "courier", "dkim"),
            domain="peer.test",
            core={"hostname": "mx.peer.test"},
            resolver=resolver,
            smtp={"mx": (f"127.0.0.1:{ports['smtp_port']}",)},
            site={"https": (f"127.0.0.1:{ports['https_port']}",)},
        )
    )
    peer.start()
    peer.accounts.create(NewAccount("zoe@peer.test", "a password of some length", "operator"))

    here = Gateway(
        config(
            tmp_path / "here",
            *("doctor", "dkim", "courier"),
            core={"hostname": "example.org"},
            resolver=resolver,
            courier={"ca_file": str(authority.file), "private_networks": ("127.0.0.0/8",), **ports},
            doctor={"addresses": ("203.0.113.7",), "connect_seconds": 1.0},
        )
    )
    doctor = here.hub.plugin("doctor")
    doctor.nameserver_port, doctor.https_port = dns.port, ports["https_port"]
    for records in here.hub.dns_records.or_raise(here.domains.first):
        for record in records:
            if "._domainkey." in record.name:
                dns.set(record.name, record.type, record.value)

    def invoke(*arguments):
        group = click.Group()
        here.hub.commands.or_raise(cli=group, gateway=here)
        done = CliRunner().invoke(group, ["doctor", "--json", *arguments])
        return {part["part"]: part["lines"] for part in json.loads(done.stdout)["parts"]}

    yield invoke
    peer.stop()


def last(parts):
    return list(parts.values())[-1][-1]


def test_a_signed_message_is_taken_in_both_ways_and_the_clocks_agree(ask):
    parts = ask("zoe@peer.test", "--send")
    assert last(parts)["detail"] == "it goes by HTTPS, /mxdeliv and by SMTP"
    assert parts["peer.test by SMTP"][-1]["name"] == "DATA"
    assert {"name": "clock", "state": "ok", "detail": "as that of mx.peer.test", "advice": ""} in parts["this server"]


def test_an_unknown_user(ask):
    assert last(ask("nobody.there@peer.test"))["name"] == "RCPT"
    assert last(ask("peer.test"))["state"] == "ok"


@pytest.mark.parametrize("records", [(), ("v=DKIM1;k=rsa;p=" + "QUJD" * 90,)])
def test_a_key_that_is_missing_or_another_one_is_seen_here_and_there(ask, dns, records):
    dns.set("chatgate._domainkey.example.org", "TXT", *records)
    dns.set("chatgate-ed25519._domainkey.example.org", "TXT")
    parts = ask("zoe@peer.test", "--send")
    assert [line["state"] for line in parts["domain example.org"] if line["name"] == "DKIM"][0] == "bad"
    assert (last(parts)["name"], last(parts)["state"]) == ("DATA", "bad")
    assert "554" in last(parts)["detail"] or "DKIM signature" in last(parts)["detail"]
