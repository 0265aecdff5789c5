"""Several domains: their files in conf.d/domains, and which of them an address, a host or a connection belongs to."""

import socket
import ssl
from dataclasses import dataclass

import pytest
from chatgate_tls.selfsigned import make

from chatgate.domains import Domain, Domains
from chatgate.hosting import confd
from chatgate.network.session import Session
from chatgate.running.gateway import Gateway
from chatgate.store.records import Account
from chatgate.testing import client_tls, config, port

FIRST = 'domain = "chat.example.org"\nhostname = "mail.example.org"\n'


def folder(tmp_path, domains=None, **plugins):
    """A gateway's folder with the plugins passwordless and maildb, or what is given of plugins."""
    conf = tmp_path / "conf.d"
    (conf / "domains").mkdir(parents=True)
    (conf / "00-chatgate.toml").write_text(FIRST)
    for name, text in ({"50_passwordless": "", "60_maildb": ""} | plugins).items():
        (conf / f"{name.replace('_', '-', 1)}.toml").write_text(text)
    for name, text in (domains or {}).items():
        (conf / "domains" / name).write_text(text)
    return tmp_path


def problems(tmp_path, domains, **plugins):
    with pytest.raises(confd.ConfigError) as raised:
        confd.load(folder(tmp_path, domains, **plugins))
    return [line.replace(f"{tmp_path}/conf.d/", "") for line in raised.value.problems]


def test_a_file_adds_a_domain(tmp_path):
    texts = {
        "_alice.example.org.toml": "",
        "127.0.0.2.toml": "",
        "2001:DB8:0::1.toml": "",
        "Chat.Example.NET.toml": 'hostname = "Mail.Example.ORG."\n',
        "xn--mnchen-3ya.example.toml": "",
        "old.example.toml.off": "not TOML",
        "README": "what these files are",
    }
    loaded = confd.load(folder(tmp_path, texts))
    assert {domain.name: domain.hostname for domain in loaded.domains} == {
        "_alice.example.org": "_alice.example.org",
        "[127.0.0.2]": "127.0.0.2",
        "[ipv6:2001:db8::1]": "2001:db8::1",
        "chat.example.net": "mail.example.org",
        "xn--mnchen-3ya.example": "xn--mnchen-3ya.example",
    }
    gateway = Gateway(loaded)
    assert [domain.name for domain in gateway.domains][0] == gateway.domains.first.name == "chat.example.org"
    assert len(gateway.domains) == 6


def test_every_mistake_in_them_is_a_line_and_all_are_told_at_once(tmp_path):
    texts = {
        "https:--x.toml": "",
        "münchen.example.toml": "",
        "chat.example.org.toml": "",
        "b.example.toml": "",
        "B.example.toml": "",
        "c.example.toml": 'domain = "x"\nlog_level = "info"\nhostnam = "m"\n[passwordles]\n\n[maildb]\nblob_bytes=7\n',
        "d.example.toml": "[passwordless]\nregistration = 1\nnam_min_length = 3\nhash_queue = 12\n",
        "e.example.toml": "[passwordless]\nname_min_length = 70\n",
        "f.example.toml": 'hostname = "0.0.0.0"\n',
        "g.example.toml": "open = \n",
    }
    assert problems(tmp_path, texts) == [
        "domains/b.example.toml: b.example has another file, B.example.toml",
        "domains/c.example.toml:1: domain: the name of the file says it",
        "domains/c.example.toml:2: log_level: holds for all domains, and is set in 00-chatgate.toml",
        "domains/c.example.toml:3: hostnam: no such key; did you mean 'hostname'?",
        "domains/c.example.toml:4: passwordles: no such plugin; did you mean 'passwordless'?",
        "domains/c.example.toml:7: [maildb] blob_bytes: holds for all domains, and is set in 60-maildb.toml",
        "domains/chat.example.org.toml: chat.example.org is the first domain, which 00-chatgate.toml names",
        "domains/d.example.toml:2: [passwordless] registration: must be a string",
        "domains/d.example.toml:3: [passwordless] nam_min_length: no such key; did you mean 'name_min_length'?",
        "domains/d.example.toml:4: [passwordless] hash_queue: holds for all domains, and is set in "
        "50-passwordless.toml",
        "domains/e.example.toml: name_min_length and name_max_length must be in order and from 1 to 64",
        "domains/f.example.toml:1: hostname: '0.0.0.0' is no address that clients can connect to",
        "domains/g.example.toml:1: not TOML: invalid value",
        "domains/https:--x.toml: no name of a domain: 'https:--x' is neither a host name nor an IP address",
        "domains/münchen.example.toml: no name of a domain: 'münchen.example' is neither a host name nor an IP address"
        "; write it as xn--mnchen-3ya.example",
    ]


def test_a_section_of_a_plugin_that_is_off_waits(tmp_path):
    loaded = confd.load(folder(tmp_path, {"b.example.toml": '[iroh]\nanything = "x"\n'}))
    assert [domain.name for domain in loaded.domains] == ["b.example"]


def test_what_a_domain_sets_holds_there_alone(tmp_path):
    text = 'max_message_bytes = 1000000\n\n[passwordless]\nregistration = "closed"\n'
    loaded = confd.load(folder(tmp_path, {"b.example.toml": text}, **{"50_passwordless": "name_max_length = 20\n"}))
    (b,) = loaded.domains
    general = next(one.options for one in loaded.plugins if one.name == "passwordless")
    own = b.options(general)
    assert (general.registration, own.registration, own.name_max_length) == ("open", "closed", 20)
    assert b.options(loaded.core).max_message_bytes == 1000000
    first = Gateway(loaded).domains.first
    assert first.options(general) is general and first.options(loaded.core) is loaded.core
    other = dataclass(frozen=True)(type("Other", (), {}))()
    assert b.options(other) is other


DOMAINS = Domains(
    Domain("chat.example.org", "mail.example.org"),
    Domain("b.example", "mail.example.org"),
    Domain("_alice.example.org"),
    Domain("[127.0.0.2]"),
    Domain("[IPv6:2001:db8::1]"),
)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("chat.example.org", "chat.example.org"),
        ("MAIL.example.org.", "chat.example.org"),
        ("b.example", "b.example"),
        ("www.b.example", "b.example"),
        ("mta-sts.a.b.example", "b.example"),
        ("_alice.example.org", "_alice.example.org"),
        ("127.0.0.2", "[127.0.0.2]"),
        ("[127.0.0.2]", "[127.0.0.2]"),
        ("[2001:DB8:0::1]", "[ipv6:2001:db8::1]"),
        ("127.0.0.3", None),
        ("x127.0.0.2", None),
        ("example", None),
        ("xb.example", None),
        ("", None),
        (".", None),
        ("..", None),
        ("\0" * 300, None),
        ("." * 300 + "b.example", None),
    ],
)
def test_the_domain_of_a_host(host, name):
    found = DOMAINS.at(host)
    assert (found and found.name) == name


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("a@B.example", "b.example"),
        ("a@[127.0.0.2]", "[127.0.0.2]"),
        ("a@[IPv6:2001:db8::1]", "[ipv6:2001:db8::1]"),
        ("a@www.b.example", None),
        ("b.example", None),
        ("", None),
    ],
)
def test_the_domain_of_an_address(address, name):
    found = DOMAINS.of(address)
    assert (found and found.name) == name


def test_the_domain_of_a_connection():
    session = Session("imap", "", server_name="b.example")
    assert DOMAINS.of_session(session).name == "b.example"
    session.account = Account(1, "a@_alice.example.org", "", 0, 0, "", None)
    assert DOMAINS.of_session(session).name == "_alice.example.org"
    assert DOMAINS.of_session(Session("imap", "", server_name="elsewhere.example")) is DOMAINS.first
    assert DOMAINS.of_session(Session("mx", "")) is DOMAINS.first


def test_an_address_without_its_domain():
    assert DOMAINS.full("Alice") == "alice@chat.example.org"
    assert DOMAINS.full("alice", DOMAINS.named("[127.0.0.2]")) == "alice@[127.0.0.2]"
    assert DOMAINS.full("alice@127.0.0.2") == "alice@[127.0.0.2]"


# ------------------------------------------------------------------------------------------ certificates by name


class Pairs:
    """A certificate for each domain, but for c.example, which shares that of the first one."""

    Options, order = dataclass(frozen=True)(type("Options", (), {})), 10

    def __init__(self, gateway, options):
        self.gateway = gateway

    def files(self, domain):
        name = "example.org" if domain.name == "c.example" else domain.hostname
        return self.gateway.path(f"{name}.pem"), self.gateway.path(f"{name}.key")


def _pairs():
    from chatgate.api import Certificate, hookimpl

    def chatgate_certificate(self, domain):
        chain, key = self.files(domain)
        if not chain.exists():
            make(chain, key, [domain.hostname])
        return Certificate(chain, key)

    Pairs.chatgate_certificate = hookimpl(chatgate_certificate)


_pairs()


class Echo:
    Options, order = dataclass(frozen=True)(type("Options", (), {})), 20

    def __init__(self, gateway, options):
        self.gateway = gateway

    def handle(self, session, sock):
        sock.sendall(f"{session.server_name} {self.gateway.domains.of_session(session).name}\n".encode())


def _echo():
    from chatgate.api import hookimpl

    def chatgate_services(self, gateway):
        return [gateway.server("echo", ("0.0.0.0:0",), self.handle, implicit_tls=True)]

    Echo.chatgate_services = hookimpl(chatgate_services)


_echo()


def seen(gateway, name, host="127.0.0.1"):
    """(certificate that is shown to who asks for this name, what the server says)."""
    with socket.create_connection((host, port(gateway, "echo")), 60) as raw:
        with client_tls().wrap_socket(raw, server_hostname=name) as sock:
            return sock.getpeercert(binary_form=True), sock.makefile("rb").readline().decode().strip()


def test_each_domain_shows_its_certificate(tmp_path):
    further = {"b.example": {}, "c.example": {}, "127.0.0.2": {}}
    gateway = Gateway(config(tmp_path, Pairs, Echo, "maildb", core={"hostname": ""}, domains=further))
    gateway.start()
    try:
        pem = {n: ssl.PEM_cert_to_DER_cert((tmp_path / f"{n}.pem").read_text()) for n in ("example.org", "b.example")}
        ip = ssl.PEM_cert_to_DER_cert((tmp_path / "127.0.0.2.pem").read_text())
        assert seen(gateway, "example.org") == (pem["example.org"], "example.org example.org")
        assert seen(gateway, "b.example") == (pem["b.example"], "b.example b.example")
        assert seen(gateway, "www.b.example") == (pem["b.example"], "www.b.example b.example")
        assert seen(gateway, "c.example") == (pem["example.org"], "c.example c.example")
        assert seen(gateway, "other.example") == (pem["example.org"], "other.example example.org")
        # Who names nobody means our address.
        assert seen(gateway, None, "127.0.0.2") == (ip, "127.0.0.2 [127.0.0.2]")
        assert seen(gateway, None) == (pem["example.org"], "127.0.0.1 example.org")

        assert gateway.certificates.reload() is False
        for suffix in ("pem", "key"):
            (tmp_path / f"b.example.{suffix}").unlink()
        assert gateway.certificates.reload() is True
        fresh = ssl.PEM_cert_to_DER_cert((tmp_path / "b.example.pem").read_text())
        assert fresh != pem["b.example"]
        assert seen(gateway, "b.example")[0] == fresh
        assert seen(gateway, "example.org")[0] == pem["example.org"]
    finally:
        gateway.stop()
