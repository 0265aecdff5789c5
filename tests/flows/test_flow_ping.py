"""`chatgate ping` through a whole gateway that its operator has changed."""

from __future__ import annotations

import shutil

import pytest
from local_gateway import Make

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="GnuPG is not installed")


@pytest.mark.parametrize("proxies", ('["127.0.0.1"]', '["127.0.0.0/8", "::1"]', '["192.0.2.1"]'))
@pytest.mark.parametrize("starttls", (False, True))
def test_ping_speaks_the_proxy_protocol_where_it_is_awaited(local_gateway: Make, proxies: str, starttls: bool) -> None:
    gateway = local_gateway(chatgate={"proxy_protocol_from": proxies})
    if starttls:
        gateway.set("smtp", submissions="[]")
        gateway.set("imap", imaps="[]")
    gateway.start()
    done = gateway.run("ping", "-c", "1")
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_says_that_gpg_is_missing(local_gateway: Make) -> None:
    gateway = local_gateway(ping={"gpg": '"no-such-gpg"'}, gate={"gpg": '"no-such-gpg"', "second_opinion": "true"})
    done = gateway.run("check")
    assert done.returncode == 1
    assert "warning: ping: there is no program 'no-such-gpg'" in done.stdout
    assert "error: gate: second_opinion is on, but gpg cannot be used" in done.stdout
    assert not (gateway.folder / "data" / "gate-gnupg").exists()
