"""What an authority is answered, from the files of ACME clients."""

from __future__ import annotations

import os

import pytest

TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
PATH = "/.well-known/acme-challenge/"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_our_own_and_those_of_others(start, tmp_path, scheme):
    site = start("chat.example.org", signed=True, url="https://chat.example.org", webroot=str(tmp_path / "web"))
    theirs = tmp_path / "web/.well-known/acme-challenge"
    ours = site.gateway.path("tls/challenges")
    for folder, text in ((theirs, "theirs"), (ours, "ours")):
        assert site.ask(PATH + TOKEN, scheme=scheme).status == 404  # never 301, to nothing that could answer
        folder.mkdir(parents=True)
        (folder / TOKEN).write_text(text)
        answer = site.ask(PATH + TOKEN, scheme=scheme, headers={"Host": "www.chat.example.org"})
        assert (answer.status, answer.text, answer.headers["cache-control"]) == (200, text, "no-store")
        (folder / TOKEN).unlink()
    assert site.ask(PATH + TOKEN, scheme=scheme).status == 404


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "%2e%2e",
        "..%2fkey.pem",
        "../key.pem",
        "%2e%2e%2fkey.pem",
        "a%00",
        "a.b",
        "alpn",
        "fifo",
        "link",
        "%2f",
    ]
    + ["a" * 300, "..%5ckey.pem", "k%C3%A9y"],
)
def test_nothing_but_a_file_named_by_a_token(site, token):
    folder = site.gateway.path("tls/challenges")
    (folder / "alpn").mkdir(parents=True)
    (site.gateway.path("tls") / "key.pem").touch()
    os.mkfifo(folder / "fifo")
    (folder / "link").symlink_to(site.gateway.path("tls/key.pem"))
    (folder / "a.b").write_text("hidden")
    assert site.ask(PATH + token, scheme="http").status in (301, 404)
    assert site.ask(PATH + token).status == 404


def test_a_long_file_is_not_given_out(site):
    folder = site.gateway.path("tls/challenges")
    folder.mkdir(parents=True)
    (folder / TOKEN).write_bytes(b"x" * 100_000)
    assert len(site.ask(PATH + TOKEN).body) <= 4096
