"""A plugin that fails harms nobody but its own purpose."""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from chatgate.api import Envelope, Gateway, Session, hookimpl
from chatgate.testing import SHIPPED, imap_client, new_login, pgp_message, smtp_client

SECRET = "text of an exception 4711"


class Plugin:
    Options = None

    def __init__(self, gateway: Gateway, options: Any) -> None:
        self.calls = 0


class CrashingFilter(Plugin):
    order = 1

    @hookimpl
    def chatgate_filter(self, session: Session, envelope: Envelope) -> None:
        raise RuntimeError(SECRET)


class SlowFilter(Plugin):
    order = 1

    @hookimpl
    def chatgate_filter(self, session: Session, envelope: Envelope) -> None:
        gevent.sleep(1000)


class CrashingObserver(Plugin):
    order = 1

    @hookimpl
    def chatgate_stored(self, envelope: Envelope, stored: Any) -> None:
        self.calls += 1
        raise RuntimeError(SECRET)

    @hookimpl
    def chatgate_logged_in(self, session: Session, account: Any) -> None:
        self.calls += 1
        raise RuntimeError(SECRET)


class CrashingReceive(Plugin):
    order = 1

    @hookimpl
    def chatgate_receive(self, session: Session, envelope: Envelope) -> None:
        raise RuntimeError(SECRET)


class CrashingAuthenticate(Plugin):
    order = 1

    @hookimpl
    def chatgate_authenticate(self, session: Session, credentials: Any) -> None:
        raise RuntimeError(SECRET)


@pytest.mark.parametrize("plugin", (CrashingFilter, CrashingReceive, SlowFilter))
def test_a_failing_decision_refuses_for_now_and_stores_nothing(
    gateway_factory: Callable[..., Gateway], caplog: pytest.LogCaptureFixture, plugin: type[Plugin]
) -> None:
    gateway = gateway_factory(*SHIPPED, plugin, core={"hook_seconds": 5.0} if plugin is SlowFilter else None)
    alice, bob = new_login(gateway), new_login(gateway)
    reader = imap_client(gateway, bob)
    with caplog.at_level(logging.DEBUG), smtp_client(gateway, alice) as sender:
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            sender.sendmail(alice[0], bob[0], pgp_message(alice[0], bob[0]))
        assert sender.noop()[0] == 250, "the connection goes on"
    assert refusal.value.smtp_code == 451
    assert SECRET.encode() not in refusal.value.smtp_error
    assert reader.select("INBOX") == ("OK", [b"0"])
    blamed = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert any(f"plugin={plugin.__name__.lower()} " in line for line in blamed), blamed
    assert SECRET not in caplog.text


def test_a_failing_observer_stops_no_mail(
    gateway_factory: Callable[..., Gateway], caplog: pytest.LogCaptureFixture
) -> None:
    gateway = gateway_factory(*SHIPPED, CrashingObserver)
    alice = new_login(gateway)
    reader = imap_client(gateway, alice)
    with smtp_client(gateway, alice) as sender:
        assert sender.sendmail(alice[0], alice[0], pgp_message(alice[0], alice[0])) == {}
    assert reader.select("INBOX") == ("OK", [b"1"])
    assert gateway.hub.plugin("crashingobserver").calls == 3, "two logins and one message"
    assert "plugin=crashingobserver " in caplog.text
    assert SECRET not in caplog.text


def test_a_failing_authentication_is_no_wrong_password(gateway_factory: Callable[..., Gateway]) -> None:
    """Delta Chat counts wrong passwords by the word "authentication" and tells its user."""
    gateway = gateway_factory(*SHIPPED, CrashingAuthenticate)
    login = new_login(gateway)
    with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
        smtp_client(gateway, login)
    assert refusal.value.smtp_code == 451 or refusal.value.smtp_code == 454
    client = imap_client(gateway)
    with pytest.raises(client.error) as no:
        client.login(*login)
    assert "UNAVAILABLE" in str(no.value) and "authentication" not in str(no.value).lower()
    assert gateway.store.account(login[0]) is None
