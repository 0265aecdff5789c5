"""Mail of an address literal comes from that address, as nothing else shows whose it is."""

from __future__ import annotations

import socket

import pytest
from chatgate_courier.transport.connect import connect


@pytest.mark.parametrize(
    "addresses, source, seen",
    (
        (["127.0.0.1"], "", "127.0.0.1"),
        (["127.0.0.1"], "127.0.0.5", "127.0.0.5"),
        (["127.0.0.1", "127.0.0.2"], "127.0.0.5", "127.0.0.5"),
        (["127.0.0.1"], "192.0.2.9", "127.0.0.1"),  # the address of the router in front of this machine
        (["::1", "127.0.0.1"], "127.0.0.5", "127.0.0.5"),  # a host that has both kinds is asked by that of the source
        (["127.0.0.1"], "2001:db8::1", "127.0.0.1"),  # and one that has the other kind only, by that
    ),
)
def test_where_it_comes_from(addresses: list[str], source: str, seen: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with connect(addresses, listener.getsockname()[1], 5.0, source):
            accepted, peer = listener.accept()
            accepted.close()
    assert peer[0] == seen
