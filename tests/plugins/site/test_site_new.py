"""POST /new, as Delta Chat asks it."""

from __future__ import annotations

import re
import socket
from urllib.parse import parse_qs

import gevent
import pytest
from chatgate_site.forwarded import Forwarded
from hypothesis import given
from hypothesis import strategies as st
from site_fakes import raw, unverified

from chatgate.api import UNAVAILABLE, Reply


@pytest.mark.parametrize("path", ["/new", "/cgi-bin/newemail.py"])
def test_the_account_is_reserved(site, path):
    answer = site.ask(path, "POST")
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json) == {"email", "password"}
    assert re.fullmatch(r"[a-z0-9]{9}@chat\.example\.org", answer.json["email"])
    assert re.fullmatch(r"[A-Za-z0-9]{22}", answer.json["password"])
    (created,) = site.accounts.created
    assert created == {
        "address": answer.json["email"], "password": answer.json["password"], "way": "site", "generated": True
    }  # fmt: skip


def test_the_very_octets_of_delta_chat(site):
    request = b"POST /new HTTP/1.1\r\nhost: chat.example.org\r\ncontent-length: 0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.port()), timeout=60) as plain:
        with unverified().wrap_socket(plain) as sock:
            sock.sendall(request)
            found = b""
            while b'"}' not in found:
                found += sock.recv(65536)
    assert found.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_dclogin_link_comes_along_where_dcaccount_cannot_work(start):
    answer = start("[127.0.0.1]").ask("/new", "POST").json
    assert answer["email"].endswith("@[127.0.0.1]")
    assert answer["dclogin_url"].startswith(f"dclogin:{answer['email']}?p={answer['password']}&v=1&ih=127.0.0.1&")
    assert parse_qs(answer["dclogin_url"].partition("?")[2])["ic"] == ["3"]


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        (Reply(550, "5.7.1", "Only members may join"), 403, "Only members may join"),
        (Reply(451, "4.3.0", "Disk is nearly full"), 503, "Disk is nearly full"),
        (Reply(452, "4.7.0", "Enough for this hour", "LIMIT"), 429, "Enough for this hour"),
        (None, 403, "This server takes no new accounts"),
        (lambda: 1 / 0, 503, UNAVAILABLE.text),
    ],
)
def test_a_refusal_gives_the_reason(site, said, status, reason):
    site.accounts.answer = said
    answer = site.ask("/new", "POST")
    assert (answer.status, answer.json) == (status, {"reason": reason})
    assert ("retry-after" in answer.headers) == (status != 403)


def test_get_new_leads_to_the_app(site, start):
    for method in ("GET", "HEAD"):
        answer = site.ask("/new", method)
        assert (answer.status, answer.headers["location"]) == (301, "dcaccount:https://chat.example.org/new")
    answer = start("[127.0.0.1]").ask("/new")
    assert answer.status == 302 and answer.headers["location"].startswith("dclogin:")
    assert answer.headers["cache-control"] == "no-store"
    assert site.accounts.created == []


def test_no_password_over_plain_http(start):
    running = start("chat.example.org", signed=True)
    answer = running.ask("/new", "POST", "http")
    assert answer.status == 403 and "https" in answer.json["reason"]
    assert running.accounts.created == []


def test_the_budget_of_a_minute(start):
    running = start("chat.example.org", signed=True, new_per_minute=2)
    answers = [running.ask("/new", "POST") for _ in range(3)]
    assert [a.status for a in answers] == [200, 200, 429]
    assert "try again" in answers[2].json["reason"] and len(running.accounts.created) == 2


def test_behind_a_proxy_limits_are_for_visitors(start):
    running = start(
        "chat.example.org",
        signed=True,
        url="https://chat.example.org",
        https=(),
        new_per_network=2,
        forwarded_for_from=("127.0.0.0/8", "198.51.100.7"),
    )

    def ask(forwarded):
        return running.ask("/new", "POST", "http", headers={"X-Forwarded-For": forwarded}).status

    assert [ask("192.0.2.1") for _ in range(3)] == [200, 200, 429]
    assert ask("192.0.2.2, 198.51.100.7") == 200
    assert ask("10.9.8.7, 192.0.2.1") == 429, "what the client says itself is not believed"
    assert [ask(f"2001:db8::{number}") for number in range(3)] == [200, 200, 429]
    assert ask("::ffff:192.0.2.1") == 429


def test_without_a_proxy_what_a_client_says_of_its_address_is_not_believed():
    assert Forwarded(()).client("192.0.2.1", "10.9.8.7") == "192.0.2.1"
    assert Forwarded(("127.0.0.1",)).client("192.0.2.1", "10.9.8.7") == "192.0.2.1"


@pytest.mark.parametrize(
    ("peer", "fields", "client"),
    [
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "1.1.1.1,192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "1.1.1.1, 192.0.2.1, 10.0.0.9", "192.0.2.1"),
        ("127.0.0.1", "192.0.2.1:4711", "192.0.2.1"),
        ("127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "192.0.2.1,, 10.0.0.9", "192.0.2.1"),
        ("", "192.0.2.1", "192.0.2.1"),
    ],
)
def test_the_last_hop_that_is_no_proxy_is_the_client(peer, fields, client):
    assert Forwarded(("127.0.0.1", "10.0.0.0/8", "unix")).client(peer, fields) == client
    assert Forwarded(("127.0.0.1",)).client("", "192.0.2.1") == ""


@given(st.text(st.sampled_from("0123456789.:[], af%"), max_size=60))
def test_no_field_is_too_strange(fields):
    Forwarded(("127.0.0.1",)).client("127.0.0.1", fields)


def test_more_at_once_wait_for_their_turn(start):
    running = start("chat.example.org", signed=True, new_at_once=1)
    busy, most = [0], [0]

    def slowly():
        busy[0] += 1
        most[0] = max(most[0], busy[0])
        gevent.sleep(0.05)
        busy[0] -= 1
        return Reply(550, "", "no")

    running.accounts.answer = slowly
    asked = [gevent.spawn(running.ask, "/new", "POST") for _ in range(4)]
    gevent.joinall(asked, timeout=60)
    assert [g.value.status for g in asked] == [403] * 4 and most[0] == 1


def test_a_body_is_not_read_at_length(site):
    assert site.ask("/new", "POST", body=b"x" * 1024).status == 200
    answer = site.ask("/new", "POST", body=b"x" * 1025)
    assert answer.status == 413 and set(answer.json) == {"reason"}
    found = raw(site.port(), b"POST /new HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 300000)
    assert found.startswith(b"HTTP/1.1 413 ")  # and the connection was closed
