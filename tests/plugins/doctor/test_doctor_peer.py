"""`chatgate doctor PEER` names the step at which mail ends, and why: real servers that go wrong in each way."""

import datetime
import email
import json
import os
import signal
import time

import click
import gevent
import pytest
from chatgate_doctor.peer import parsed
from click.testing import CliRunner
from gevent import socket

from chatgate.api import DnsRecord, Prepend, hookimpl
from chatgate.running.gateway import Gateway
from chatgate.testing import config
from tests.dnsserver import NXDOMAIN, SILENT
from tests.plugins.courier.transport.peers import DAY, Authority, Mx, Web, response
from tests.ports import free_port

KEY = "v=DKIM1;k=rsa;p=" + "QUJD" * 90


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


class Signer:
    def __init__(self, gateway, options):
        self.broken = False

    @hookimpl
    def chatgate_sign(self, content):
        if self.broken:
            raise RuntimeError
        return [Prepend("X-Signature", "of this")]

    @hookimpl
    def chatgate_dns_records(self, domain):
        return [DnsRecord(f"chatgate._domainkey.{domain.name}", "TXT", KEY, True, "signatures")]


class Elsewhere:
    """The server mx.peer.test, which takes mail for peer.test, and the doctor who looks at it."""

    def __init__(self, authority, dns, tmp_path):
        self.authority, self.dns = authority, dns
        self.ports = {"smtp_port": free_port(), "https_port": free_port()}
        self.servers = []
        dns.set("peer.test", "MX", "10 mx.peer.test.")
        dns.set("mx.peer.test", "A", "127.0.0.1")
        dns.set("chatgate._domainkey.example.org", "TXT", KEY)
        courier = {"connect_seconds": 0.5, "reply_seconds": 5.0, "https_seconds": 5.0}
        courier |= {"ca_file": str(authority.file), "private_networks": ("127.0.0.0/8",), **self.ports}
        settings = {
            "core": {"hostname": "example.org"},
            "doctor": {"addresses": ("203.0.113.7",), "connect_seconds": 0.5},
            "resolver": {"nameservers": (dns.first.address,), "timeout_seconds": 1.0, "attempts": 1},
        }
        self.gateway = Gateway(config(tmp_path, "doctor", Signer, courier=courier, **settings))
        self.doctor = self.gateway.hub.plugin("doctor")
        self.doctor.nameserver_port, self.doctor.https_port = dns.port, free_port()

    def mx(self, context=True):
        """context: None for no TLS."""
        context = self.authority.context("mx.peer.test") if context is True else context
        self.servers.append(Mx(context, "127.0.0.1", self.ports["smtp_port"]))
        return self.servers[-1]

    def web(self, context=True):
        context = self.authority.context("mx.peer.test") if context is True else context
        self.servers.append(Web(context, "127.0.0.1", self.ports["https_port"]))
        return self.servers[-1]

    def run(self, *arguments):
        group = click.Group()
        self.gateway.hub.commands.or_raise(cli=group, gateway=self.gateway)
        return CliRunner().invoke(group, ["doctor", *arguments])

    def end(self, peer="zoe@peer.test", *options):
        """The last line that was found about the peer, and those of each part by its title."""
        data = json.loads(self.run(peer, "--json", *options).stdout)
        parts = {part["part"]: part["lines"] for part in data["parts"]}
        return data["parts"][-1]["lines"][-1], parts

    def stop(self):
        for server in self.servers:
            server.stop()


@pytest.fixture
def elsewhere(authority, dns, tmp_path):
    made = Elsewhere(authority, dns, tmp_path)
    yield made
    made.stop()


def names(lines):
    return [line["name"] for line in lines]


def test_each_step_of_both_ways_is_told_when_all_is_well(elsewhere):
    mx, web = elsewhere.mx(), elsewhere.web()
    last, parts = elsewhere.end()
    assert (last["state"], last["detail"]) == ("ok", "it goes by HTTPS, /mxdeliv and by SMTP")
    assert names(parts["peer.test by HTTPS, /mxdeliv"]) == ["resolve", "connect", "TLS", "POST"]
    assert names(parts["peer.test by SMTP"]) == ["resolve", "connect", "greeting", "TLS", "EHLO", "MAIL", "RCPT"]
    assert not mx.mails and not any(body for _, _, body in web.requests), "no message is sent"


def test_one_way_is_enough(elsewhere):
    elsewhere.mx()
    last, parts = elsewhere.end()
    assert (last["state"], last["detail"]) == ("ok", "it goes by SMTP")
    assert parts["peer.test by HTTPS, /mxdeliv"][-1]["state"] == "note"


def test_a_port_25_that_does_not_answer_beside_a_web_server_that_does(elsewhere):
    elsewhere.web()
    last, parts = elsewhere.end()
    assert last["detail"] == "it goes by HTTPS, /mxdeliv"
    (hint, _) = parts["mail to zoe@peer.test"]
    assert hint["name"] == "port 25" and "providers block" in hint["advice"]


def expired(elsewhere):
    elsewhere.mx(elsewhere.authority.context("mx.peer.test", begins=-2 * DAY, ends=-DAY))


def wrong_name(elsewhere):
    elsewhere.mx(elsewhere.authority.context("other.test"))


def no_mx(elsewhere):
    elsewhere.dns.set("peer.test", "MX")
    elsewhere.dns.set("peer.test", "TXT", "here without mail")


def black_hole(elsewhere):
    """A listener whose queue is full: connections get no answer."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", elsewhere.ports["smtp_port"]))
    sock.listen(0)
    kept = [socket.socket() for _ in range(4)]
    for one in kept:
        one.setblocking(False)
        one.connect_ex(sock.getsockname())
    elsewhere.kept = (sock, kept)


def says(command, answer):
    def fault(elsewhere):
        elsewhere.mx().says[command] = answer

    return fault


FAULTS = {
    "no MX": (no_mx, "resolve", "has no mail server"),
    "null MX": (lambda e: e.dns.set("peer.test", "MX", "0 ."), "resolve", "null MX"),
    "refused": (lambda e: None, "connect", "refuse"),
    "black hole": (black_hole, "connect", "does not answer within 0.5 seconds"),
    "expired certificate": (expired, "TLS", "expired"),
    "wrong name": (wrong_name, "TLS", "another name"),
    "no STARTTLS": (lambda e: e.mx(None), "TLS", "STARTTLS"),
    "DNS timeout": (lambda e: e.dns.first.fault("peer.test", SILENT), "resolve", "DNS does not answer"),
    "greylisted": (says("RCPT", b"451 4.7.1 greylisted, come again\r\n"), "RCPT", "greylisted, come again"),
    "unknown user": (says("RCPT", b"550 5.1.1 no such user\r\n"), "RCPT", "no such user"),
    "refused at MAIL": (says("MAIL", b"550 5.7.1 not from you\r\n"), "MAIL", "not from you"),
    "no such domain": (lambda e: e.dns.first.fault("*", NXDOMAIN, "MX"), "resolve", "does not exist"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_step_at_which_it_ends_is_named_with_the_reason_and_what_to_do(elsewhere, fault):
    cause, step, words = FAULTS[fault]
    cause(elsewhere)
    last, _ = elsewhere.end()
    assert (last["name"], last["state"]) == (step, "bad")
    assert words in last["detail"] and last["advice"]
    done = elsewhere.run("zoe@peer.test")
    assert done.exit_code == 1
    assert f"  BAD   {step}: " in done.output and "        do: " in done.output
    assert "keep" in done.output.splitlines()[-1]


def test_a_message_is_sent_if_that_is_wanted(elsewhere):
    mx, web = elsewhere.mx(), elsewhere.web()
    last, parts = elsewhere.end("zoe@peer.test", "--send")
    assert last["state"] == "ok"
    assert names(parts["peer.test by SMTP"])[-2:] == ["RCPT", "DATA"]
    (mail,) = mx.mails
    (_, head, body) = web.requests[-1]
    assert (mail.sender, mail.recipients) == ("", ["zoe@peer.test"]) and "X-MAIL-TO: zoe@peer.test" in head
    for content in (mail.content, body):
        assert content.startswith(b"X-Signature: of this")
        report = email.message_from_bytes(content)
        assert report["From"] == "Mail delivery <mailer-daemon@example.org>" and report["Auto-Submitted"]
        assert report.get_content_type() == "multipart/report"
        assert report.get_payload()[1].get_payload()[1]["Action"] == "delayed"


def test_what_the_other_server_says_of_the_message_is_told(elsewhere):
    elsewhere.mx().says["."] = b"554 5.7.1 No valid DKIM signature found\r\n"
    last, _ = elsewhere.end("zoe@peer.test", "--send")
    assert (last["name"], last["state"]) == ("DATA", "bad") and "No valid DKIM signature" in last["detail"]


def test_a_message_that_cannot_be_signed_is_not_sent(elsewhere):
    mx = elsewhere.mx()
    elsewhere.gateway.hub.plugin("signer").broken = True
    last, _ = elsewhere.end("zoe@peer.test", "--send")
    assert (last["name"], last["state"]) == ("sign", "bad") and not mx.mails


def test_sending_needs_an_address(elsewhere):
    assert "needs an address" in elsewhere.run("peer.test", "--send").output
    assert elsewhere.run("--send").exit_code == 2


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ((), "missing: chatgate._domainkey.example.org TXT"),
        (("v=DKIM1;k=rsa;p=" + "QUJE" * 90,), "it is another key"),
        (("v=DKIM1;p=",), "revoked"),
    ],
)
def test_a_key_that_is_missing_or_another_one_is_named(elsewhere, records, words):
    elsewhere.dns.set("chatgate._domainkey.example.org", "TXT", *records)
    elsewhere.mx()
    _, parts = elsewhere.end()
    (line,) = [one for one in parts["domain example.org"] if one["name"] == "DKIM"]
    assert line["state"] == "bad" and words in line["detail"]
    assert 'chatgate._domainkey.example.org. 3600 IN TXT "v=DKIM1' in line["advice"]


def test_a_server_need_not_have_the_postmaster_that_nobody_named(elsewhere):
    elsewhere.mx().says["RCPT"] = b"550 5.1.1 no such user\r\n"
    last, parts = elsewhere.end("peer.test")
    assert last["state"] == "ok"
    assert parts["peer.test by SMTP"][-1]["state"] == "note"


def test_the_clock_is_compared_with_that_of_the_other_server(elsewhere):
    def at(seconds):
        when = datetime.datetime.fromtimestamp(time.time() + seconds, datetime.UTC)
        return response("404 Not Found", "", f"Date: {when:%a, %d %b %Y %H:%M:%S GMT}", "Connection: close")

    class Clock(Web):
        def _serve(self, sock, address):
            with self.context.wrap_socket(sock, server_side=True) as secured:
                secured.recv(65536)
                secured.sendall(self.answer)

    elsewhere.doctor.https_port = elsewhere.ports["https_port"]
    web = Clock(elsewhere.authority.context("mx.peer.test"), "127.0.0.1", elsewhere.ports["https_port"])
    elsewhere.servers.append(web)
    for offset, state, words in (
        (0, "ok", "as that of mx.peer.test"),
        (-100, "note", "ahead of that of"),
        (4000, "bad", "behind that of mx.peer.test"),
    ):
        web.answer = at(offset)
        _, parts = elsewhere.end()
        (line,) = [one for one in parts["this server"] if one["name"] == "clock"]
        assert line["state"] == state and words in line["detail"]
    web.answer = response("200 OK", "", "Date: yesterday", "Connection: close")
    _, parts = elsewhere.end()
    assert "does not say what time" in str(parts["this server"])


@pytest.mark.parametrize(
    ("text", "domain", "recipient", "named"),
    [
        ("Peer.Test", "peer.test", "postmaster@Peer.Test", False),
        ("Zoe@Peer.Test", "peer.test", "Zoe@Peer.Test", True),
        ("192.0.2.1", "[192.0.2.1]", "postmaster@[192.0.2.1]", False),
        ("2001:DB8::1", "[ipv6:2001:db8::1]", "postmaster@[IPv6:2001:db8::1]", False),
        ("zoe@192.0.2.1", "[192.0.2.1]", "zoe@[192.0.2.1]", True),
        ("_cg1.test", "_cg1.test", "postmaster@_cg1.test", False),
    ],
)
def test_a_peer_as_people_type_it(text, domain, recipient, named):
    assert parsed(text) == (domain, recipient, named)


def test_a_server_at_an_ip_address(elsewhere):
    elsewhere.mx(elsewhere.authority.context("other.test"))
    last, parts = elsewhere.end("zoe@127.0.0.1")
    assert last["state"] == "ok", "any certificate will do there"
    assert parts["[127.0.0.1] by SMTP"][0]["detail"] == "[127.0.0.1] takes mail at 127.0.0.1"


@pytest.mark.parametrize("peer", ["a b", "x@y@z", "@peer.test", ""])
def test_a_peer_that_cannot_be_one(elsewhere, peer):
    done = elsewhere.run(peer)
    assert done.exit_code == 2 and "neither a domain nor a mail address" in done.output


def test_an_own_domain_is_no_peer(elsewhere):
    done = elsewhere.run("someone@example.org")
    assert done.exit_code == 2 and "is a domain of this gateway" in done.output


def test_ctrl_c_ends_it_at_once_without_a_traceback(elsewhere):
    elsewhere.mx().says["greeting"] = None
    gevent.spawn_later(0.3, os.kill, os.getpid(), signal.SIGINT)
    done = elsewhere.run("zoe@peer.test")
    assert done.exit_code == 1 and done.output.endswith("Aborted!\n") and "Traceback" not in done.output
