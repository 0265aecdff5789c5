"""With the real store and the real keeper of passwords: an account from the site is one that can log in."""

from __future__ import annotations

import click
import pytest
from chatgate_maildb.plugin import MailDb
from chatgate_passwordless.plugin import Passwordless
from chatgate_site.plugin import Site
from chatgate_tls.plugin import Tls
from click.testing import CliRunner
from site_fakes import LOCAL, Running

from chatgate.api import Account, Credentials, Gateway, Session
from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions


@pytest.fixture
def whole(tmp_path):
    listen = {"https": LOCAL, "http": ()}
    enabled = [
        Enabled(name, factory, factory.Options(**(listen if factory is Site else {})))
        for name, factory in (("tls", Tls), ("site", Site), ("passwordless", Passwordless), ("maildb", MailDb))
    ]
    gateway = Gateway(Config(tmp_path, CoreOptions("_cg.test", stop_seconds=2.0), tuple(enabled)))
    gateway.start()
    yield Running(gateway)
    gateway.stop()


def test_the_account_is_on_disk_and_logs_in(whole):
    given = whole.ask("/new", "POST").json
    assert whole.gateway.store.account(given["email"])
    session = Session("imaps", "127.0.0.1", tls=True)
    for password, welcome in ((given["password"], True), (given["password"][:-1] + "!", False)):
        answer = whole.gateway.hub.authenticate(session=session, credentials=Credentials(given["email"], password))
        assert isinstance(answer, Account) == welcome


def test_a_frozen_gateway_says_why(whole):
    frozen = whole.gateway.path(whole.gateway.hub.plugin("passwordless").options.freeze_file)
    frozen.touch()
    answer = whole.ask("/new", "POST")
    assert answer.status == 403 and answer.json["reason"].endswith(
        "no new accounts at the moment, please come back later"
    )
    page = whole.ask("/").text
    assert "takes no new accounts at the moment. Please come back later" in " ".join(page.split())
    assert "Open the invitation" not in page and "ready in a minute" not in page
    (shown,) = whole.gateway.hub.ready.or_raise(gateway=whole.gateway)
    assert f"as long as {frozen} is there" in shown and "dcaccount:" not in shown
    group = click.Group()
    whole.gateway.hub.commands.or_raise(cli=group, gateway=whole.gateway)
    done = CliRunner().invoke(group, ["qr"])
    assert done.exit_code == 0 and f"as long as {frozen} is there" in done.stderr and "▄" in done.stdout
    frozen.unlink()
    assert "dcaccount:" in whole.gateway.hub.ready.or_raise(gateway=whole.gateway)[0]
    assert CliRunner().invoke(group, ["qr"]).stderr == ""
    assert whole.ask("/new", "POST").status == 200


def test_healthz_asks_the_store(whole):
    assert whole.ask("/healthz").text == "ok\n"
