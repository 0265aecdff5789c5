"""In a whole gateway: METADATA over IMAP, mail over SMTP, commands."""

from __future__ import annotations

import json
import logging
import socket
import sqlite3
from typing import Any

import gevent
import pytest
from chatgate_push import Push
from click.testing import CliRunner
from push_fakes import Service, hang

from chatgate.api import Gateway
from chatgate.cli import cli
from chatgate.cli.folder import Folder
from chatgate.hosting.options import render
from chatgate.running.gateway import Gateway as RealGateway
from chatgate.testing import (
    SHIPPED,
    client_tls,
    config,
    mx_client,
    new_login,
    pgp_message,
    port,
    smtp_client,
    until,
)

TOKEN = "openpgp:" + "wcBMA" * 180  # as long as Delta Chat's


class Imap:
    """A connection that shows every octet."""

    def __init__(self, gateway: Gateway, login: tuple[str, str]) -> None:
        sock = socket.create_connection(("127.0.0.1", port(gateway, "imaps")), timeout=60)
        self._sock = client_tls().wrap_socket(sock)
        self._file = self._sock.makefile("rb")
        self.greeting = self._file.readline()
        self.ask(b'LOGIN "%s" "%s"' % (login[0].encode(), login[1].encode()))

    def ask(self, command: bytes, until: bytes = b"a1 ") -> list[bytes]:
        """The lines of the answer, to the one that begins so."""
        self._sock.sendall(b"a1 " + command + b"\r\n")
        lines = [self._file.readline()]
        while not lines[-1].startswith(until):
            assert lines[-1], "the connection was closed"
            lines.append(self._file.readline())
        return lines

    def close(self) -> None:
        self._file.close()
        self._sock.close()


@pytest.fixture
def start(gateway_factory, service):
    """A whole gateway that notifies the fake service."""

    def make(**options: Any) -> Gateway:
        settings = {"url": service.url, "coalesce_seconds": 0.1} | options
        smtp = {"max_user_send_burst_size": 1000}
        imap = {"capabilities": ("XCHATMAIL",)}
        core = {"stop_seconds": 0.2}
        return gateway_factory(*SHIPPED, push=settings, smtp=smtp, imap=imap, core=core)

    return make


@pytest.fixture
def person(start):
    """A gateway, and somebody with a raw IMAP connection."""
    gateway = start()
    login = new_login(gateway)
    imap = Imap(gateway, login)
    yield gateway, login, imap
    imap.close()


def status(gateway: Gateway, *options: str) -> str:
    group = Folder(gateway.config.folder)
    found: Any = cli.__class__("test")
    gateway.hub.commands.or_raise(cli=found, gateway=gateway)
    result = CliRunner().invoke(found.commands["push"], ["status", *options], obj=group)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_token_over_imap_as_delta_chat_sets_it(person):
    _, _, imap = person
    assert b" XDELTAPUSH" not in imap.greeting and b" XDELTAPUSH" in imap.ask(b"CAPABILITY")[0]
    set_first = b'SETMETADATA "INBOX" (/private/devicetoken "%s")' % TOKEN.encode()
    assert imap.ask(set_first) == [b"a1 OK Setmetadata completed.\r\n"]
    assert imap.ask(b"SETMETADATA INBOX (/private/devicetoken {6+}\r\nsecond)") == [b"a1 OK Setmetadata completed.\r\n"]
    assert imap.ask(set_first) == [b"a1 OK Setmetadata completed.\r\n"]
    both = f"{TOKEN} second".encode()
    assert imap.ask(b'GETMETADATA "INBOX" /private/devicetoken') == [
        b'* METADATA "INBOX" (/private/devicetoken {%d}\r\n' % len(both),
        both + b")\r\n",
        b"a1 OK Getmetadata completed.\r\n",
    ]
    assert imap.ask(b"GETMETADATA inbox (/Private/DeviceToken)")[1] == both + b")\r\n"


def test_what_is_no_token_is_refused_and_the_connection_goes_on(person):
    _, _, imap = person
    assert imap.ask(b'SETMETADATA INBOX (/private/devicetoken "two words")')[0].startswith(b"a1 NO [CANNOT]")
    assert imap.ask(b"GETMETADATA INBOX /private/devicetoken") == [b"a1 OK Getmetadata completed.\r\n"]


def test_other_private_entries_stay_with_the_store(person):
    _, _, imap = person
    assert imap.ask(b'SETMETADATA INBOX (/private/comment "hello")')[0].startswith(b"a1 OK")
    assert imap.ask(b'SETMETADATA "" (/private/devicetoken "kept")')[0].startswith(b"a1 OK")
    assert b"hello" in b"".join(imap.ask(b"GETMETADATA INBOX /private/comment"))
    assert imap.ask(b"GETMETADATA INBOX /private/devicetoken") == [b"a1 OK Getmetadata completed.\r\n"]


def test_mail_over_smtp_wakes_the_recipient_and_not_the_sender(person, service):
    gateway, (recipient, _), imap = person
    imap.ask(b'SETMETADATA INBOX (/private/devicetoken "theirs")')
    sender = new_login(gateway)
    own = Imap(gateway, sender)
    own.ask(b'SETMETADATA INBOX (/private/devicetoken "mine")')
    with smtp_client(gateway, sender) as smtp:
        for _ in range(3):
            smtp.sendmail(sender[0], [recipient, sender[0]], pgp_message(sender[0], recipient))
    until(lambda: service.requests)
    gevent.sleep(0.3)
    assert set(service.tokens) == {"theirs"}
    own.close()


def test_mail_from_elsewhere_wakes_the_recipient_also_while_another_device_idles(person, service):
    gateway, (recipient, password), imap = person
    imap.ask(b'SETMETADATA INBOX (/private/devicetoken "theirs")')
    other = Imap(gateway, (recipient, password))
    other.ask(b"SELECT INBOX")
    assert other.ask(b"IDLE", until=b"+")[-1] == b"+ idling\r\n"
    with mx_client(gateway) as smtp:
        smtp.sendmail("a@example.com", [recipient], pgp_message("a@example.com", recipient))
    until(lambda: service.tokens == ["theirs"])
    other.close()


def test_mail_is_delivered_while_the_service_hangs(start, service):
    service.default = hang
    gateway = start(connections=5)
    sender, recipient = new_login(gateway), new_login(gateway)
    imap = Imap(gateway, recipient)
    for i in range(10):
        imap.ask(b'SETMETADATA INBOX (/private/devicetoken "token%d")' % i)
    with smtp_client(gateway, sender) as smtp:
        smtp.sendmail(sender[0], [recipient[0]], pgp_message(sender[0], recipient[0]))
        until(lambda: service.at_once == 5)
        for _ in range(15):
            smtp.sendmail(sender[0], [recipient[0]], pgp_message(sender[0], recipient[0]))
    assert b"MESSAGES 16" in imap.ask(b"STATUS INBOX (MESSAGES)")[0]
    imap.close()
    assert len(service.requests) == service.at_once == 5  # none of them has ended


def test_a_restart_of_the_gateway_keeps_tokens_and_what_waits(start, service):
    gateway = start(coalesce_seconds=1000.0)
    recipient = new_login(gateway)
    imap = Imap(gateway, recipient)
    imap.ask(b'SETMETADATA INBOX (/private/devicetoken "theirs")')
    imap.close()
    with mx_client(gateway) as smtp:
        smtp.sendmail("a@example.com", [recipient[0]], pgp_message("a@example.com", recipient[0]))
    gateway.stop()
    assert not service.requests
    gateway = start(max_retry_seconds=0.1)  # no entry waits longer than that
    until(lambda: service.tokens == ["theirs"])
    imap = Imap(gateway, recipient)
    assert b"theirs)\r\n" in imap.ask(b"GETMETADATA INBOX /private/devicetoken")
    imap.close()


def test_an_account_deleted_by_the_operator_is_not_notified(person, service):
    gateway, (address, _), imap = person
    imap.ask(b'SETMETADATA INBOX (/private/devicetoken "theirs")')
    account = gateway.store.account(address)
    elsewhere = RealGateway(gateway.config)  # as `chatgate accounts delete` does it, in a process of its own
    elsewhere.accounts.delete(account)
    elsewhere.stop()
    assert json.loads(status(gateway, "--json"))["tokens"] == 0


def test_status(person, service):
    gateway, (recipient, _), imap = person
    assert "0  tokens of 0 accounts" in status(gateway)
    imap.ask(b'SETMETADATA INBOX (/private/devicetoken "theirs")')
    with mx_client(gateway) as smtp:
        smtp.sendmail("a@example.com", [recipient], pgp_message("a@example.com", recipient))

    def accepted() -> bool:
        return json.loads(status(gateway, "--json"))["accepted"] == 1

    until(accepted)
    data = json.loads(status(gateway, "--json"))
    assert (data["tokens"], data["accounts"], data["waiting"], data["requests"]) == (1, 1, 0, 1)
    text = status(gateway)
    assert "1  tokens of 1 accounts" in text and "99%  of accepted ones within" in text
    assert "theirs" not in text and recipient not in text


def test_status_before_the_first_start(tmp_path):
    gateway = RealGateway(config(tmp_path, *SHIPPED))
    found: Any = cli.__class__("test")
    gateway.hub.commands.or_raise(cli=found, gateway=gateway)
    result = CliRunner().invoke(found.commands["push"], ["status"])
    assert result.exit_code == 1 and "start the gateway" in result.output
    assert not (tmp_path / "data").exists()


def problems(tmp_path, **options: Any) -> list[str]:
    gateway = RealGateway(config(tmp_path, Push, push=options))
    return [problem.text for found in gateway.hub.check.or_raise(gateway=gateway) for problem in found]


def test_check_finds_nothing_wrong_by_default_and_unencrypted_ways(tmp_path, certificate):
    chain = str(certificate[0])
    assert problems(tmp_path, ca_file=chain) == []
    assert problems(tmp_path, url="http://127.0.0.1:9/notify") == []
    assert "not https" in problems(tmp_path, url="http://push.example.org/notify")[0]
    assert "cannot be used" in problems(tmp_path, ca_file=str(tmp_path / "none.pem"))[0]


def test_check_tells_of_notifications_that_wait(tmp_path, push, service, clock):
    service.default = hang
    plugin = push(clock=clock)
    plugin.set(1, "a")
    clock.now -= 1800
    plugin.mail(1)
    plugin.advance(0)
    plugin.stop()
    assert "notifications waiting: 1, the oldest for 30 minutes" in problems(tmp_path)[0]


def test_check_names_a_database_that_cannot_be_used_and_goes_on(tmp_path):
    path = tmp_path / "data/push.db"
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 1000)
    first, second = problems(tmp_path, url="http://push.example.org/notify")
    assert f"{path} cannot be opened" in first and "not https" in second
    path.unlink()
    with sqlite3.connect(path) as other:  # of the right version, but without tables
        other.execute("PRAGMA user_version=1")
    assert "cannot be read: no such table" in problems(tmp_path)[0]


def test_every_option_is_explained():
    text = render(Push.Options, "Push")
    assert "url = " in text and "token_days = 90" in text


def test_nothing_secret_in_the_logs_of_a_whole_gateway(person, service: Service, caplog):
    caplog.set_level(logging.DEBUG)
    gateway, (recipient, _), imap = person
    service.answers = {TOKEN: [hang], "second": [b"HTTP/1.1 500 second\r\nContent-Length: 0\r\n\r\n"]}
    imap.ask(b'SETMETADATA INBOX (/private/devicetoken "%s")' % TOKEN.encode())
    imap.ask(b'SETMETADATA INBOX (/private/devicetoken "second")')
    imap.ask(b'SETMETADATA INBOX (/private/devicetoken "thi rd")')
    with mx_client(gateway) as smtp:
        smtp.sendmail("a@example.com", [recipient], pgp_message("a@example.com", recipient))
    until(lambda: len(service.requests) >= 2)
    gevent.sleep(0.1)
    assert "stored id=" in caplog.text  # the log is on
    for secret in (TOKEN, "second", "thi rd"):
        assert secret not in caplog.text


def test_further_processes_count_for_themselves_and_leave_what_waits_to_the_first(tmp_path):
    from chatgate_push.command import read
    from chatgate_push.database import Waiting, database
    from chatgate_push.hooks import Days
    from chatgate_push.keeper import Keeper
    from chatgate_push.metrics import Metrics
    from chatgate_push.options import PushOptions
    from chatgate_push.queue import Queue
    from chatgate_push.tokens import FileTokens

    file, options, found = database(tmp_path / "push.db"), PushOptions(), []
    kept = FileTokens(file)
    row = {"digest": b"x", "stored": 1000.0, "latest": 1000.0, "due": 1000.0, "tries": 0}
    file.run(lambda db: Waiting.insert(row).execute(db))
    for number in (0, 1, 2):
        queue, metrics = Queue(options), Metrics()
        keeper = Keeper(
            options, file, kept, queue, metrics, lambda: Days(0, 1), lambda: 1000.0, lambda: None, lambda n=number: n
        )
        keeper.load()
        found.append(len(queue))
        metrics.add("requests", number + 1)
        keeper._save()
    assert found == [1, 0, 0]
    assert read(file, kept, 1000.0)["requests"] == 6
    file.close()
