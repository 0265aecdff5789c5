"""Each page and each of its actions, by plain HTTP: no script runs here. One gateway for all of them."""

from __future__ import annotations

import pytest
from dashboard import LISTEN, PASSWORD, Browser

from chatgate.running.gateway import Gateway
from chatgate.testing import config

ALL = ("tls", "maildb", "accounts", "passwordless", "invite", "smtp", "imap", "site", "push", "sweeper", "admin")
HOSTILE = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    gateway = Gateway(config(tmp_path_factory.mktemp("gateway"), *ALL, admin=LISTEN, domains={"b.example": {}}))
    gateway.start()
    gateway.hub.plugin("admin").keys.set_password(PASSWORD)
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def browser(gateway):
    browser = Browser(gateway)
    browser.log_in()
    return browser


def test_every_page_of_the_menu_is_there(gateway, browser):
    """Those of the dashboard itself, and those that plugins bring by chatgate_admin_pages."""
    pages = gateway.hub.plugin("admin").shell._pages
    assert len(pages) > 6
    for path, page in pages.items():
        answer = browser.get(f"/{path}")
        assert answer.status == 200 and f"<h1>{page.title}</h1>" in answer.text
        assert f'href="/{path}" aria-current="page"' in answer.text
        for query in ("?" + "a" * 500, "?address=%00&match=%ff&id=9999999999999999999999&plugin=../..&after=-1"):
            assert browser.get(f"/{path}{query}").status == 200, path


def test_an_unknown_action_or_page_is_not_found(browser):
    form = browser.get("/security").form("logout")
    assert browser.post("/security", form | {"do": "nothing"}).status == 404
    assert browser.post("/nothing", form).status == 404
    assert browser.get("/nothing").status == 404


def test_secrets_are_hidden(browser):
    text = browser.get("/configuration?all=1").text
    assert "scrypt_cost" in text and "secret_path" in text


# ---------------------------------------------------------------------------------------------- invitations


def test_an_invitation_is_made_and_revoked(gateway, browser):
    kept = gateway.hub.plugin("invite").kept
    page = browser.do("/invites", "create", uses="3", expires="7d", quota="50M", note=HOSTILE, domain="b.example")
    (token,) = kept.all()
    assert (token.uses, token.quota, token.note, token.domain) == (3, 50_000_000, HOSTILE, "b.example")
    assert token.token in page.text and "<svg" in page.text
    listed = browser.get("/invites")
    assert "<script" not in listed.text and "<img" not in listed.text and "&lt;script&gt;" in listed.text
    page = browser.do("/invites", "revoke", {"token": token.token})
    assert page.message.startswith("Revoked") and not kept.all()
    assert browser.post("/invites", listed.form("revoke", token=token.token)).message == "There is no such token"


@pytest.mark.parametrize(
    "field",
    [{"uses": "-1"}, {"uses": "many"}, {"expires": "soon"}, {"quota": HOSTILE}, {"note": "a\nb"}, {"domain": HOSTILE}],
)
def test_a_wrong_invitation_is_refused_with_a_reason(gateway, browser, field):
    page = browser.do("/invites", "create", **field)
    assert page.message and page.status == 200 and "<script" not in page.text
    assert not gateway.hub.plugin("invite").kept.all()


# ---------------------------------------------------------------------------------------------- what is logged


def test_the_log_of_actions_says_what_was_done(browser, caplog):
    with caplog.at_level("INFO", "chatgate.admin"):
        browser.do("/invites", "create", uses="nonsense")
        browser.do("/invites", "create", uses="7", note="for the choir")
    text = browser.get("/log").text
    assert "refused" in text and "for 7 accounts" in text
    assert "page=invites action=create" in caplog.text
    table = text.partition("<table>")[2]
    assert table and "127.0.0.1" not in table + caplog.text
