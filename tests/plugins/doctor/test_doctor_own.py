"""`chatgate doctor` without a peer: what can be seen of this server from its own machine."""

import ctypes
import json
import subprocess
import sys

import click
import pytest
from chatgate_doctor import dialling, own
from chatgate_doctor.own import Own, clock_is_kept
from chatgate_resolver import NoSuchName, Trouble
from click.testing import CliRunner

from chatgate.api import verifying
from tests.plugins.courier.transport.peers import DAY, Authority
from tests.plugins.tls.test_tls import issue
from tests.ports import free_port

SERVING = ("tls", "maildb", "passwordless", "gate", "smtp", "imap", "site", "doctor")


@pytest.fixture
def run(dns):
    """The report of a gateway, by part, with the exit code; and as people see it."""

    def invoke(gateway, code=None):
        doctor = gateway.hub.plugin("doctor")
        doctor.nameserver_port, doctor.resolver = dns.port, lambda: dns.resolver
        group = click.Group()
        gateway.hub.commands.or_raise(cli=group, gateway=gateway)
        done = CliRunner().invoke(group, ["doctor", "--json"])
        assert code in (None, done.exit_code), done.output
        parts = {part["part"]: part["lines"] for part in json.loads(done.stdout)["parts"]}
        return parts, CliRunner().invoke(group, ["doctor"]).stdout

    return invoke


def ports_of(folder):
    """The same listeners for a gateway and for the doctor, who reads them from the configuration."""
    at = {name: (f"127.0.0.1:{free_port()}",) for name in ("submissions", "submission", "mx", "imaps", "imap")}
    web = {name: (f"127.0.0.1:{free_port()}",) for name in ("https", "http")}
    smtp = {name: at[name] for name in ("submissions", "submission", "mx")}
    return {"smtp": smtp, "imap": {name: at[name] for name in ("imaps", "imap")}, "site": web}


def test_a_gateway_that_runs_and_one_that_does_not(gateway_factory, run, dns, tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    authority.context("example.org", "www.example.org", ends=10 * DAY)
    (tmp_path / "tls").mkdir()
    (tmp_path / "1.pem").rename(tmp_path / "tls/cert.pem")
    (tmp_path / "1.key").rename(tmp_path / "tls/key.pem")
    dns.set("example.org", "A", "127.0.0.1")
    settings = {"core": {"hostname": "example.org"}, "doctor": {"addresses": ("127.0.0.1",)}} | ports_of(tmp_path)
    gateway = gateway_factory(*SERVING, **settings)
    parts, text = run(gateway)
    here = {line["name"]: line["state"] for line in parts["this server"]}
    assert {here[name] for name in ("submissions", "submission", "mx", "imaps", "imap", "https", "http")} == {"ok"}
    assert "clock" in here and "disk" in here
    domain = {line["name"]: line for line in parts["domain example.org"]}
    assert domain["example.org"]["state"] == domain["www.example.org"]["state"] == "note"
    assert "valid for 10 more days" in domain["example.org"]["detail"] and domain["example.org"]["advice"] == "renew it"
    assert "nothing here keeps mail from flowing" in text
    gateway.stop()
    parts, text = run(gateway, code=1)
    assert parts["this server"][0]["state"] == "bad" and parts["this server"][0]["advice"] == "start the gateway"
    assert "1 of these lines keeps mail from flowing" in text


@pytest.mark.parametrize(
    ("names", "days", "issuer", "state", "words"),
    [
        (["example.org"], 90, "Some CA", "bad", "unable to get local issuer"),
        (["other.test"], 90, None, "bad", "not valid for 'example.org'"),
        (["example.org"], -1, None, "bad", "expired"),
    ],
)
def test_a_certificate_that_others_refuse(
    gateway_factory, run, dns, tmp_path, monkeypatch, names, days, issuer, state, words
):
    if issuer:
        issue(tmp_path, names, days=days, issuer=issuer)
    else:
        authority = Authority(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        monkeypatch.setattr(dialling, "verifying", verifying.__wrapped__)  # not those that were loaded before
        authority.context(*names, begins=-5 * DAY, ends=days * DAY)
        (tmp_path / "tls").mkdir()
        (tmp_path / "1.pem").rename(tmp_path / "tls/cert.pem")
        (tmp_path / "1.key").rename(tmp_path / "tls/key.pem")
    dns.set("example.org", "A", "127.0.0.1")
    gateway = gateway_factory(*SERVING, core={"hostname": "example.org"}, **ports_of(tmp_path))
    parts, _ = run(gateway, code=1)
    (line,) = [line for line in parts["domain example.org"] if line["name"] == "example.org"]
    assert line["state"] == state and words in line["detail"]


def test_a_test_domain_and_an_ip_address_may_have_any_certificate(gateway_factory, run, dns, tmp_path):
    settings = {"core": {"hostname": ""}, "domains": {"[127.0.0.4]": {}}, "doctor": {"addresses": ("127.0.0.1",)}}
    dns.set("_t.example.org", "A", "127.0.0.1")
    gateway = gateway_factory(*SERVING, domain="_t.example.org", **settings, **ports_of(tmp_path))
    parts, _ = run(gateway)
    for domain, name in (("_t.example.org", "_t.example.org"), ("[127.0.0.4]", "127.0.0.4")):
        (line,) = [line for line in parts[f"domain {domain}"] if line["name"] == name]
        assert line["state"] == "ok" and "more days" in line["detail"]


def test_what_the_dns_has_is_part_of_it(gateway_factory, run, dns, tmp_path):
    dns.set("example.org", "MX")
    gateway = gateway_factory(*SERVING, core={"hostname": "example.org"}, **ports_of(tmp_path))
    parts, _ = run(gateway, code=1)
    (line,) = [line for line in parts["domain example.org"] if line["name"] == "MX"]
    assert line["state"] == "bad" and line["advice"].startswith("add example.org. 3600 IN MX 10 example.org.")
    assert "nothing here signs mail" in str(parts["domain example.org"])


def test_a_full_disk_and_listeners_behind_a_proxy_are_noted(gateway_factory, run, dns, tmp_path):
    settings = {"doctor": {"disk_bytes": 10**15}, "core": {"proxy_protocol_from": ("127.0.0.1",)}}
    gateway = gateway_factory(*SERVING, **settings, **ports_of(tmp_path))
    parts, _ = run(gateway)
    (line,) = [line for line in parts["this server"] if line["name"] == "disk"]
    assert line["state"] == "note" and "make room" in line["advice"]
    assert "need a PROXY header" in str(parts["domain example.org"])


class Names:
    """A resolver that knows these."""

    def __init__(self, reverse, forward):
        self.reverse, self.forward = reverse, forward

    def records(self, name, kind):
        return type("Answer", (), {"values": self.reverse[name]})

    def addresses(self, host):
        return type("Answer", (), {"values": self.forward[host.removesuffix(".")]})


@pytest.mark.parametrize(("back", "state"), [("9.9.9.9", "ok"), ("8.8.8.8", "note")])
def test_the_reverse_name_leads_back(gateway_factory, back, state):
    gateway = gateway_factory("tls", "maildb", "gate", "doctor", core={"hostname": "9.9.9.9"})
    names = Names({"9.9.9.9.in-addr.arpa": ("mail.example.org.",)}, {"mail.example.org": (back,)})
    looking = Own(gateway, gateway.hub.plugin("doctor").options, names, lambda domain: ())
    (line,) = looking.reverse_names(gateway.domains.first)
    assert line.state == state and "mail.example.org." in line.detail
    assert (line.advice == "") is (state == "ok")


@pytest.mark.parametrize(("problem", "advised"), [(NoSuchName("no such name"), True), (Trouble("no answer"), False)])
def test_a_name_is_asked_of_the_provider_only_where_there_is_none_for_certain(gateway_factory, problem, advised):
    gateway = gateway_factory("tls", "maildb", "gate", "doctor", core={"hostname": "9.9.9.9"})
    names = Names({}, {})

    def records(name, kind):
        raise problem

    names.records = records
    looking = Own(gateway, gateway.hub.plugin("doctor").options, names, lambda domain: ())
    (line,) = looking.reverse_names(gateway.domains.first)
    assert line.state == "note" and str(problem) in line.detail and bool(line.advice) == advised


def test_hosts_by_which_to_see_whether_port_25_is_blocked(gateway_factory, monkeypatch):
    gateway = gateway_factory("tls", "maildb", "gate", "doctor")
    looking = Own(gateway, gateway.hub.plugin("doctor").options, Names({}, {"mx.test": ("192.0.2.9",)}), lambda d: ())
    monkeypatch.setattr(own.dialling, "problem", lambda address, port, seconds: "" if port != 25 else "no answer")
    (line,) = looking.port_25(["mx.test"])
    assert line.state == "note" and "no answer" in line.detail and "providers block" in line.advice
    monkeypatch.setattr(own.dialling, "problem", lambda address, port, seconds: "")
    (line,) = looking.port_25(["192.0.2.9"])
    assert line.state == "ok"


@pytest.mark.parametrize(("state", "kept"), [(0, True), (5, False), (-1, None)])
def test_the_kernel_says_whether_a_time_service_keeps_the_clock(monkeypatch, state, kept):
    library = type("Library", (), {"adjtimex": lambda self, buffer: state})
    monkeypatch.setattr(ctypes, "CDLL", lambda *a, **b: library())
    assert clock_is_kept() is kept


def test_this_kernel_says_something_that_can_be_read():
    assert clock_is_kept() in (True, False, None)


def test_help_teaches(tmp_path):
    def chatgate(*arguments):
        command = [sys.executable, "-m", "chatgate", "--dir", str(tmp_path / "gw"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    chatgate("init", "--domain", "chat.example.org")
    text = " ".join(chatgate("doctor", "--help").stdout.split())
    assert "Find out why mail does not arrive" in text and "The exit code is 0" in text
