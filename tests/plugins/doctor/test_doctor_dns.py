"""`chatgate dns`, and the look at the DNS while the gateway serves."""

import dataclasses
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import dns.zone
import gevent
import pytest
from chatgate_doctor import addresses
from chatgate_doctor.check import _ADVICE, Check
from chatgate_doctor.drift import Drift
from chatgate_doctor.options import DoctorOptions
from chatgate_doctor.progress import Progress
from chatgate_doctor.wanted import wanted
from click.testing import CliRunner

from chatgate.api import DnsRecord, hookimpl
from chatgate.running.gateway import Gateway
from chatgate.testing import config, until
from tests.dnsserver import SILENT

PORTS = {
    "smtp": {"submissions": ("*:465",), "submission": (), "mx": ("*:25",)},
    "imap": {"imaps": ("*:993",), "imap": ()},
    "site": {"https": ("*:443",), "http": ()},
}
KEY = "v=DKIM1;k=rsa;p=" + "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A" * 11 + ";s=email;t=s"


class Signer:
    def __init__(self, gateway, options):
        pass

    @hookimpl
    def chatgate_dns_records(self, domain):
        return [DnsRecord(f"chatgate._domainkey.{domain.name}", "TXT", KEY, True, "others see that mail is yours")]


def gateway(tmp_path, *plugins, **settings):
    core = {"hostname": "example.org"}
    settings = {"core": core, "doctor": {"addresses": ("203.0.113.7",)}, **PORTS} | settings
    return Gateway(config(tmp_path, *(plugins or ("smtp", "imap", "site", Signer)), "doctor", **settings))


def run(made, *arguments, dns=None, code=0):
    if dns:
        plugin = made.hub.plugin("doctor")
        plugin.nameserver_port, plugin.resolver = dns.port, lambda: dns.resolver
    group = click.Group()
    made.hub.commands.or_raise(cli=group, gateway=made)
    done = CliRunner().invoke(group, ["dns", *arguments])
    assert done.exit_code == code, done.output + repr(done.exception)
    return done.output


def test_all_records_for_forms_the_required_ones_first(tmp_path):
    output = run(gateway(tmp_path))
    required, recommended = output.split("example.org: recommended\n")
    assert required.startswith("example.org: required\n  # ")
    lines = [line.split(None, 2) for line in required.splitlines() if line.startswith("  ") and "#" not in line]
    assert lines == [
        ["example.org", "MX", "10 example.org."],
        ["chatgate._domainkey.example.org", "TXT", KEY],
        ["example.org", "A", "203.0.113.7"],
    ]
    assert "_imaps._tcp.example.org  " in recommended and "v=spf1 a ~all\n" in recommended
    types = {line.index(kind) for line, kind in zip(required.splitlines()[2::2], ("MX", "TXT", "A"), strict=False)}
    assert len(types) == 1  # aligned


def test_as_a_zone_that_a_nameserver_reads(tmp_path):
    output = run(gateway(tmp_path), "--bind")
    zone = dns.zone.from_text(output, origin="example.org", relativize=False, check_origin=False)
    key = zone.get_rdataset("chatgate._domainkey.example.org.", "TXT")
    assert b"".join(key[0].strings).decode() == KEY and [len(one) for one in key[0].strings] == [255, len(KEY) - 255]
    assert str(zone.get_rdataset("_imaps._tcp.example.org.", "SRV")[0]) == "0 1 993 example.org."
    assert {str(name) for name in zone.nodes} >= {"example.org.", "www.example.org."}


def test_as_json(tmp_path):
    data = json.loads(run(gateway(tmp_path), "--json"))
    assert data["example.org"][0] == {
        "name": "example.org",
        "type": "MX",
        "value": "10 example.org.",
        "ttl": 3600,
        "required": True,
        "why": "other mail servers deliver here",
    }


def test_each_domain_has_a_zone_of_its_own_and_an_ip_address_has_none(tmp_path):
    more = {"b.example": {"hostname": "mail.b.example"}, "[127.0.0.4]": {}, "_test.example": {}}
    made = gateway(tmp_path, domains=more)
    assert list(json.loads(run(made, "--json"))) == ["example.org", "b.example", "_test.example"]
    only = json.loads(run(made, "--json", "--domain", "b.example"))["b.example"]
    assert {("b.example", "10 mail.b.example."), ("mail.b.example", "203.0.113.7")} <= {
        (one["name"], one["value"]) for one in only
    }
    assert ("b.example", "v=spf1 a:mail.b.example ~all") in {(one["name"], one["value"]) for one in only}
    assert "it has no zone" in run(made, "--domain", "127.0.0.4", code=2)
    assert "needs no records" in run(made, "--domain", "127.0.0.4", "--bind", code=2)
    alone = Gateway(config(tmp_path, "doctor", domain="127.0.0.4"))
    assert "all domains are IP addresses" in run(alone)


def test_an_address_that_only_the_operator_knows_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(addresses, "sends_from", lambda: ["192.168.1.7", "fd00::7"])
    made = gateway(tmp_path, doctor={})
    assert "(the public IPv4 address of this server)" in run(made)
    assert "; example.org. 3600 IN A (the public IPv4 address of this server)" in run(made, "--bind")


def test_public_addresses_are_those_of_the_listeners_or_of_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(addresses, "sends_from", lambda: ["8.8.8.8", "2600::1"])

    def found(**settings):
        made = gateway(tmp_path, doctor={}, **settings)
        return {one.value for one in wanted(made)[made.domains.first] if one.type in ("A", "AAAA")}

    assert found() == {"8.8.8.8", "2600::1"}
    assert found(imap={"imaps": ("9.9.9.9:993", "[2600::2]:993", "127.0.0.1:993")}) == {"9.9.9.9", "2600::2"}
    assert found(core={"hostname": "127.0.0.1"}) == {"127.0.0.1"}


def test_this_machine_tells_where_it_sends_from():
    assert all(addresses.sends_from())


def test_no_alias_stands_beside_other_records(tmp_path):
    made = gateway(tmp_path, domains={"www.example.org": {}})
    zones = {domain.name: records for domain, records in wanted(made).items()}
    aliases = [one.name for records in zones.values() for one in records if one.type == "CNAME"]
    assert aliases and not [name for name in aliases if name.startswith("www")]
    assert ("A", "203.0.113.7") in {(one.type, one.value) for one in zones["www.example.org"]}


def test_check_says_that_all_is_well(tmp_path, dns):
    made = gateway(tmp_path, "imap", "smtp", "site", smtp={"submissions": (), "submission": (), "mx": ("*:25",)})
    assert run(made, "--check", dns=dns) == "example.org: all 6 records are right on all nameservers\n"
    assert json.loads(run(made, "--check", "--json", dns=dns)) == {"example.org": []}


def test_check_says_what_is_wrong_where_and_what_to_type(tmp_path, dns):
    made = gateway(tmp_path, "imap", "smtp")
    dns.set("example.org", "A", "203.0.113.99", on=dns.second)
    output = run(made, "--check", dns=dns, code=1)
    assert "example.org: 2 to look at; 1 of them may keep mail from flowing\n" in output
    assert "  stale: example.org A on ns2.example.net (required: apps and other servers connect here)\n" in output
    assert "    there: 203.0.113.99\n    do: the other nameservers are right" in output
    assert "    do: add _submissions._tcp.example.org. 3600 IN SRV 0 1 465 example.org.\n" in output
    (stale, missing) = json.loads(run(made, "--check", "--json", dns=dns, code=1))["example.org"]
    assert (stale["kind"], stale["grave"], stale["there"]) == ("stale", True, ["203.0.113.99"])
    assert (missing["kind"], missing["grave"], missing["required"]) == ("missing", False, False)


def test_only_recommended_ones_missing_is_no_failure(tmp_path, dns):
    dns.set("_imaps._tcp.example.org", "SRV")
    assert "missing: _imaps" in run(gateway(tmp_path, "imap"), "--check", dns=dns)


def test_what_others_wrote_controls_no_terminal_and_no_log(tmp_path, dns):
    made = gateway(tmp_path, Signer)
    dns.set("chatgate._domainkey.example.org", "TXT", b"v=DKIM1; p=; n=\x1b[2J\r\nBAD line" + b"x" * 3000)
    output = run(made, "--check", dns=dns, code=1)
    assert "\x1b" not in output and "\n" + "BAD" not in output
    assert "there: v=DKIM1; p=; n=\\027[2J\\013\\010BAD line" in output and "x" * 2000 not in output


def test_ctrl_c_ends_a_check(tmp_path, dns):
    made = gateway(tmp_path, "smtp")
    dns.first.fault("*", SILENT)
    gevent.spawn_later(0.2, os.kill, os.getpid(), signal.SIGINT)
    assert run(made, "--check", dns=dns, code=1).endswith("Aborted!\n")


def test_forms_that_exclude_each_other(tmp_path):
    assert "--bind" in run(gateway(tmp_path), "--bind", "--json", code=2)
    assert "--bind" in run(gateway(tmp_path), "--bind", "--check", code=2)


def test_progress_is_shown_on_a_terminal_alone():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal, file = Terminal(), io.StringIO()
    for to in (terminal, file):
        progress = Progress("asking", to)
        progress(1, 2)
        progress(2, 2)
    assert "asking: 1 of 2" in terminal.getvalue() and terminal.getvalue().endswith("\x1b[K")
    assert file.getvalue() == ""


# ------------------------------------------------------------------------------------------------ drift


def drift(dns, records, hours=24.0):
    return Drift(None, lambda: Check(dns.resolver, dns.port).run(records), hours)


MX = DnsRecord("example.org", "MX", "10 example.org.", True, "mail")


def test_drift_is_told_once_for_each_change(dns, caplog):
    caplog.set_level(logging.INFO, "chatgate.doctor")
    watch = drift(dns, [MX])

    def told():
        caplog.clear()
        watch.note(watch._look())
        return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

    assert told() == [] == watch.troubles()
    dns.set("example.org", "MX")
    (line,) = told()
    (trouble,) = watch.troubles()
    assert trouble.key == "dns" and "MX example.org" in trouble.what and 0 < trouble.since <= time.time()
    assert "missing: example.org MX on ns1.example.net, ns2.example.net" in line and "dns --check" in line
    assert told() == []
    dns.second.fault("*", SILENT)
    assert told() == []  # nor is it told when a nameserver says nothing
    assert watch.troubles() == [trouble]
    dns.second.fault("*")
    dns.set("example.org", "MX", "10 old.example.net.")
    (line,) = told()
    assert "wrong: example.org MX" in line
    dns.set("example.org", "MX", "10 older.example.net.")
    assert len(told()) == 1 and told() == []
    assert watch.troubles() == [trouble]
    dns.set("example.org", "MX", "10 example.org.")
    assert told() == [] == watch.troubles() and "as they should be again" in caplog.text


def test_a_serving_gateway_looks_and_can_be_told_not_to(gateway_factory, dns, caplog, monkeypatch):
    caplog.set_level(logging.WARNING, "chatgate.doctor")
    monkeypatch.setattr("chatgate_doctor.drift._FIRST", 0.0)
    monkeypatch.setattr("chatgate_doctor.plugin.Doctor.nameserver_port", dns.port)
    settings = {"resolver": {"nameservers": (dns.first.address,)}, "core": {"hostname": "example.org"}}
    made = gateway_factory("tls", "maildb", "gate", "doctor", doctor={"addresses": ("203.0.113.8",)}, **settings)
    until(lambda: "wrong: example.org A on ns1.example.net" in caplog.text)
    made.stop()
    off = gateway_factory("tls", "maildb", "gate", "doctor", doctor={"check_hours": 0.0}, **settings)
    assert "dns" not in [service.name for service in off.services]


@pytest.mark.parametrize("option", [{"addresses": ("example.org",)}, {"check_hours": 0.01}, {"connect_seconds": 0.0}])
def test_settings_that_cannot_be(tmp_path, option):
    with pytest.raises(ValueError, match=next(iter(option))):
        gateway(tmp_path, doctor=option)


def test_the_command_of_an_installed_gateway(tmp_path):
    def chatgate(*arguments):
        command = [sys.executable, "-m", "chatgate", "--dir", str(tmp_path / "gw"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert chatgate("init", "--domain", "chat.example.org").returncode == 0
    done = chatgate("dns", "--bind")
    assert done.returncode == 0 and "chat.example.org. 3600 IN MX 10 chat.example.org." in done.stdout
    assert "nameserver of each domain is asked" in " ".join(chatgate("dns", "--help").stdout.split())


def test_the_page_names_each_kind_of_finding_and_only_settings_that_exist():
    page = (Path(__file__).parents[3] / "docs/federation.md").read_text()
    section = page.partition("\n## DNS records\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.M)) == set(_ADVICE)
    settings = {field.name for field in dataclasses.fields(DoctorOptions)}
    assert {"addresses", "check_hours", "disk_bytes", "port_25_hosts"} <= {n for n in settings if f"`{n}`" in page}
