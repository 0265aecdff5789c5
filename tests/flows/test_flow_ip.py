"""A relay that has only an IP address, for people who leave the brackets of user@[127.0.0.1] away."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chatgate.running.gateway import Gateway
from chatgate.testing import imap_client, pgp_message, smtp_client

ADDRESSES = {"127.0.0.4": "[127.0.0.4]", "[2001:db8:0::1]": "[IPv6:2001:db8::1]"}


@pytest.mark.parametrize("typed", ADDRESSES)
def test_an_address_as_people_type_it(gateway_factory: Callable[..., Gateway], typed: str) -> None:
    plugins = ("tls", "maildb", "passwordless", "gate", "smtp", "imap")
    gateway = gateway_factory(*plugins, domain=ADDRESSES[typed], passwordless={"scrypt_cost": 10})
    alice, bob = (f"{name * 9}@{typed}" for name in "ab")
    imap_client(gateway, (bob, "a password of bob")).logout()
    header = f"{'a' * 9}@{ADDRESSES[typed]}" if ":" in typed else alice  # there it must have its tag
    message = pgp_message(header, bob)
    with smtp_client(gateway, (alice, "a password of alice")) as smtp:
        assert smtp.sendmail(alice, [bob, f"{'b' * 9}@{ADDRESSES[typed].lower()}"], message) == {}
    with imap_client(gateway, (f"{'b' * 9}@{ADDRESSES[typed]}", "a password of bob")) as imap:
        assert imap.select() == ("OK", [b"1"])
    assert len(gateway.store.accounts()) == 2
