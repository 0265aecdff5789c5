"""A site that is only a part of its host's: every address in its pages and links has the path."""

from __future__ import annotations

import re

import pytest
from chatgate_invite import Invite
from chatgate_invite.plugin import InviteOptions
from chatgate_selfservice import SelfService
from chatgate_selfservice.plugin import SelfServiceOptions

from chatgate.hosting.confd import Enabled

URL = "https://example.org/chat/mail"


@pytest.fixture
def site(start):
    more = Enabled("selfservice", SelfService, SelfServiceOptions()), Enabled("invite", Invite, InviteOptions())
    return start("example.org", *more, signed=True, url=URL + "/")


@pytest.mark.parametrize("path", ["/", "/info", "/privacy", "/account", "/invite", "/nothing"])
@pytest.mark.parametrize("before", ["", "/chat/mail"])  # whether the proxy takes it off or not
def test_addresses_in_pages(site, path, before):
    answer = site.ask(before + path)
    found = re.findall(r'(?:href|src|action)="(/[^"]*)"', answer.text)
    assert found and all(where.startswith("/chat/mail/") for where in found)
    for where in set(found):
        assert site.ask(where).status == (404 if path == "/nothing" and "/nothing" in where else 200)


def test_links_and_redirects(site):
    assert site.ask("/chat/mail/new").headers["location"] == f"dcaccount:{URL}/new"
    assert site.ask("/chat/mail/new", "POST").json["email"].endswith("@example.org")
    assert site.ask("/chat/mail").status == 200
    assert site.ask("/chat/mail/info?a=b", scheme="http").headers["location"] == f"{URL}/info?a=b"
    assert site.ask("/info?a=b", scheme="http").headers["location"] == f"{URL}/info?a=b"
    assert "/chat/mail/new</code>" in site.ask("/info").text


def test_what_other_programs_ask_for_is_where_they_ask(site):
    assert site.ask("/.well-known/autoconfig/mail/config-v1.1.xml").status == 200
    assert site.ask("/healthz", scheme="http").text == "ok\n"


@pytest.mark.parametrize(
    "path",
    [
        "/chat",
        "/chat/mailing",
        "/chat/mail/../../info",
        "/chat/mail/%2e%2e/info",
        "/chat/mail//info",
        "/chat/mail/chat/mail/info",
    ]
    + ["//chat/mail/info", "/CHAT/MAIL/info", "/chat%2fmail/../info"],
)
def test_no_other_path_leads_in(site, path):
    assert site.ask(path).status == 404
