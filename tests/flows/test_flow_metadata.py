"""What a client finds out that does not know what to ask for: all of METADATA, from all plugins."""

from __future__ import annotations

import re
from collections.abc import Callable

from chatgate.running.gateway import Gateway
from chatgate.testing import imap_client, new_login


def test_everything_there_is(gateway_factory: Callable[..., Gateway]) -> None:
    plugins = ("tls", "maildb", "passwordless", "gate", "smtp", "imap", "site", "push", "iroh", "selfservice")
    site, iroh = {"comment": "hello", "contact": "op@example.net"}, {"url": "https://iroh.example.org"}
    gateway = gateway_factory(*plugins, site=site, iroh=iroh, passwordless={"scrypt_cost": 10})
    with imap_client(gateway, new_login(gateway)) as imap:
        imap.xatom("SETMETADATA", "INBOX", '(/private/devicetoken "openpgp:abc")')
        imap.xatom("SETMETADATA", "INBOX", '(/private/comment "mine")')

        def found(mailbox: str) -> list[str]:
            assert imap.xatom("GETMETADATA", "(DEPTH infinity)", mailbox, "(/private /shared)")[0] == "OK"
            parts = imap.response("METADATA")[1]
            answer = b"".join(b"".join(part) if isinstance(part, tuple) else part for part in parts)
            return re.findall(r"(/[a-z0-9/]+) \{", answer.decode())

        assert sorted(found('""')) == [
            "/private/vendor/chatgate/account",
            "/shared/admin",
            "/shared/comment",
            "/shared/vendor/deltachat/irohrelay",
            "/shared/vendor/deltachat/maxsmtprecipients",
        ]
        assert found("INBOX") == ["/private/devicetoken", "/private/comment"]
        assert imap.xatom("GETMETADATA", "(DEPTH infinity)", "Sent", "(/private /shared)")[0] == "OK"
