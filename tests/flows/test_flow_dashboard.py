"""The dashboard of two processes: enabled and given a password as the docs say, and one login is good at both."""

from __future__ import annotations

import http.client
import re
from pathlib import Path
from urllib.parse import urlencode

from several import Several

from tests.ports import free_port


class Browser:
    def __init__(self, where: int) -> None:
        self.where, self.cookie = where, ""

    def connect(self) -> http.client.HTTPConnection:
        client = http.client.HTTPConnection("127.0.0.1", self.where, timeout=60)
        client.connect()
        return client

    def ask(
        self, client: http.client.HTTPConnection, path: str, form: dict[str, str] | None = None
    ) -> tuple[int, str, str]:
        """(status, where it leads, text)"""
        fields = {"Cookie": self.cookie} | ({"Content-Type": "application/x-www-form-urlencoded"} if form else {})
        client.request("POST" if form else "GET", path, urlencode(form) if form else None, fields)
        got = client.getresponse()
        if said := got.headers["Set-Cookie"]:
            self.cookie = said.partition(";")[0]
        return got.status, got.headers["Location"] or "", got.read().decode()


def _token(text: str) -> str:
    found = re.search(r'name="form-token" value="([0-9a-f]+)"', text)
    assert found is not None
    return found[1]


def test_one_login_is_good_at_each_process_and_ends_at_each(tmp_path: Path) -> None:
    with Several(tmp_path / "gate") as gateway:
        gateway.make()
        assert gateway.run("plugins", "enable", "admin").returncode == 0
        where = free_port()
        gateway.set("admin", listen=f'["127.0.0.1:{where}"]')
        assert "nobody can log in yet" in gateway.run("check").stdout
        password = gateway.run("admin", "password").stdout.strip()
        gateway.start()
        browser = Browser(where)
        both = gateway.of_each(browser.connect, lambda client: client.sock.fileno())
        one, other = both.values()
        token = _token(browser.ask(one, "/login")[2])
        form = {"form-token": token, "password": password}
        assert browser.ask(other, "/login", form)[:2] == (303, "/"), "the form of one, sent to the other"
        for client in (one, other):
            status, _, text = browser.ask(client, "/")
            assert status == 200 and "<h1>Overview</h1>" in text
        form = {"form-token": _token(text), "do": "sweep"}
        assert browser.ask(one, "/retention", form)[:2] == (303, "/retention")
        assert "weep" in browser.ask(other, "/retention")[2].partition('role="status"')[2], "told by the other process"
        assert gateway.run("admin", "logout").stdout == "1 ended\n"
        assert [browser.ask(client, "/")[:2] for client in (one, other)] == [(303, "/login")] * 2
        assert password not in gateway.output()
        assert gateway.stop() == 0
