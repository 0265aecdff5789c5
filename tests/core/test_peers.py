"""Who counts as one client."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatgate.network import peers
from chatgate.network.session import Session


@pytest.mark.parametrize(
    ("peer", "normal", "client", "neighbourhood"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
        ("64:ff9b::c000:207", "192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
        ("2001:db8:1:2:3::7", "2001:db8:1:2:3::7", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64", "fe80::/48"),
        ("127.0.0.9", "127.0.0.9", "", ""),
        ("::ffff:127.0.0.1", "127.0.0.1", "", ""),
        ("::1", "::1", "", ""),
        ("", "", "", ""),
    ],
)
def test_what_addresses_say(peer, normal, client, neighbourhood):
    assert peers.normal(peer) == normal
    for form in (peer, normal):
        assert (peers.client(form), peers.neighbourhood(form)) == (client, neighbourhood)
        session = Session("mx", form)
        assert bool(session.client) == bool(client) and bool(session.network) == bool(neighbourhood)


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_however_ipv4_clients_are_written_they_are_the_same_and_apart_from_others(one, other):
    mapped = "::ffff:" + str(one)
    assert peers.client(mapped) == peers.client(str(one))
    assert Session("mx", mapped).client == Session("mx", str(one)).client
    if one != other and not (one.is_loopback and other.is_loopback):
        assert peers.client(mapped) != peers.client("::ffff:" + str(other))


@given(st.ip_addresses())
def test_networks(address):
    peer = peers.normal(str(address))
    network = ipaddress.ip_network(peer)
    assert peer in peers.Networks([str(network)]) and peer not in peers.Networks([])
    assert "" not in peers.Networks(["0.0.0.0/0", "::/0"])


def test_a_session_tells_no_address():
    session = Session("mx", "192.0.2.7")
    assert "192" not in repr(session) and session.client != session.network
    assert "192" not in session.client + session.network
