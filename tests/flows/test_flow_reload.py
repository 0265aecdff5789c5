"""`chatgate reload` beside a gateway that serves."""

from __future__ import annotations

import json
import os
import secrets
import signal
import smtplib
from collections.abc import Callable
from pathlib import Path

import pytest
from gateway_process import GatewayProcess
from local_gateway import LocalGateway
from several import Several

from chatgate.testing import pgp_message

Make = Callable[[], LocalGateway]


def said(gateway: GatewayProcess, code: int = 0) -> dict[str, object]:
    done = gateway.run("reload", "--json")
    assert done.returncode == code, done
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_open_sessions_see_a_new_limit_and_none_is_lost(local_gateway: Make) -> None:
    gateway = local_gateway().start()
    login = gateway.account()
    idle = gateway.imap(login)
    idle.select()
    client = gateway.submissions(login)
    size = client.esmtp_features["size"]
    gateway.set("chatgate", max_message_bytes="30000", stop_seconds="3.5")
    gateway.set("maildb", quota_bytes="77000000")
    checked = gateway.run("check").stdout
    assert "note: not in force until 'chatgate reload': max_message_bytes, maildb: quota_bytes" in checked
    assert "note: not in force until a restart: stop_seconds" in checked
    with idle.idling():
        done = gateway.run("reload")
        assert done.returncode == 0, done
        assert done.stdout.splitlines() == [
            "the certificate is the same",
            "changed: max_message_bytes, maildb: quota_bytes",
            "a restart is needed for stop_seconds",
        ]
        client.ehlo()
        assert client.esmtp_features["size"] == "30000" != size
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            client.sendmail(login[0], [login[0]], pgp_message(login[0], login[0], 40000))
        assert refused.value.smtp_code == 552
        client.sendmail(login[0], [login[0]], pgp_message(login[0], login[0]))
        idle.waits_for(rb"\* 1 EXISTS")
    (quota,) = idle.getquotaroot("INBOX")[1][1]
    assert b" 75195" in quota  # KiB
    assert "chatgate reload" not in gateway.run("check").stdout
    assert gateway.stop() == 0


def test_each_domain_has_its_own(local_gateway: Make) -> None:
    gateway = local_gateway()
    file = gateway.folder / "conf.d" / "domains" / "b.example.toml"
    file.parent.mkdir()
    file.touch()
    gateway.start()
    file.write_text("max_message_bytes = 40000\n[sweeper]\ndays = 3\n")
    assert said(gateway)["changed"] == ["b.example: max_message_bytes", "b.example: sweeper: days"]
    login = f"{secrets.token_hex(5)[:9]}@b.example", secrets.token_urlsafe(18)
    with gateway.submissions(login) as client:
        client.ehlo()
        assert client.esmtp_features["size"] == "40000"
    (gateway.folder / "conf.d" / "domains" / "c.example.toml").touch()
    assert said(gateway)["waiting"] == ["domain c.example"]
    assert gateway.stop() == 0


def test_all_processes_take_it_and_those_that_come_later(tmp_path: Path) -> None:
    gateway = Several(tmp_path / "gateway")
    gateway.make()
    gateway.start()
    gateway.set("chatgate", max_message_bytes="30000")
    data = said(gateway)
    assert (data["processes"], data["changed"]) == (2, ["max_message_bytes"])
    gone = gateway.children()[0]
    os.kill(gone, signal.SIGKILL)
    gateway.replaced(gone)
    assert said(gateway)["changed"] == []
    assert gateway.stop() == 0
