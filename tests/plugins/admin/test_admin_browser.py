"""The dashboard in a real Chromium: the login and each action by mouse and keyboard, on small and large screens, in
both themes; axe-core finds nothing.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import axe_core_python
import pytest
from chatgate_invite.tokens import draw
from dashboard import HOSTILE, PASSWORD

from chatgate.api import Outgoing, Trouble
from chatgate.testing import port, until
from tests.chromium import CHROMIUM, Chromium

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium (Debian: chromium) to show the pages with")

AXE = Path(axe_core_python.__file__).with_name("axe.min.js").read_text("utf-8")


class Chrome(Chromium):
    """At the dashboard."""

    base = ""

    def go(self, path):
        self.open(self.base + path)

    def log_in(self):
        self.go("/login")
        if self.run("location.pathname") == "/login":
            self.send("login", password=PASSWORD)


@pytest.fixture(scope="module")
def world(gateway):
    """The gateway with something on each page."""
    store = gateway.store
    for name in ("alice", "bob", "a-name-that-is-quite-long-for-a-phone"):
        store.create_account(f"{name}@example.org", "secret")
    gateway.accounts.disable(store.account("bob@example.org"), "Write to us first")
    goes = [Outgoing(one, one.rpartition("@")[2]) for one in ("xi@far.test", "yan@far.test", "zoe@other.test")]
    store.store(b"Subject: [...]\r\n\r\nbody\r\n", goes, True, "alice@example.org", None, "aa11bb22")
    until(lambda: store.queue() and all(row.reply for row in store.queue()))
    gateway.hub.plugin("courier").outcomes.save()
    kept = gateway.hub.plugin("invite").kept
    for note in ("For the choir", HOSTILE, "x" * 200):
        kept.create(draw(3, 0, 50_000_000, note, "b.example"))
    kept.create(draw(1, 1_800_000_000, None, "y" * 200))
    kept.create(draw(1, 1, None, "one that is over"))
    gateway.hub.refusals.add("recipient", "accounts", "550", "5.1.1")
    gateway.hub.refusals.add("filter", "gate", "523", "5.7.1")
    now = time.time()
    metrics, points = (
        gateway.hub.plugin("metrics"),
        [(now - at * 600, 5 + 4 * math.sin(at / 9)) for at in range(144, 0, -1)],
    )
    metrics.series = lambda name, labels=None, since=0: points
    metrics.rates = lambda name, labels=None, since=0: points
    gateway.troubles = lambda: [Trouble("disk", f"the disk is full {HOSTILE}", now - 9000, "df -h; " + "y" * 150)]
    yield gateway
    del metrics.series, metrics.rates, gateway.troubles
    for row in store.queue():
        store.drop([row.id])
    for account in store.accounts():
        gateway.accounts.delete(account, tombstone=False)
    gateway.store.forget_tombstone("alice@example.org")
    for token in kept.all():
        kept.revoke(token.token)


@pytest.fixture(scope="module")
def chrome(world, tmp_path_factory):
    chrome = Chrome(tmp_path_factory.mktemp("chromium"))
    chrome.base = f"http://127.0.0.1:{port(world, 'dashboard')}"
    chrome.look(1280, dark=False)
    yield chrome
    chrome.close()


def test_a_login_by_hand(chrome):
    chrome.go("/login")
    chrome.send("login", password="not it")
    assert "That was not right" in chrome.text
    chrome.send("login", password=PASSWORD)
    assert "1 thing is wrong" in chrome.text and "<script>alert(1)" in chrome.text
    chrome.send("/logout")
    assert chrome.run("location.pathname") == "/login"


def test_nothing_is_wrong_with_any_page_in_either_theme(world, chrome):
    """Nor is any page wider than the screen, however long the words in it are."""
    chrome.log_in()
    row = world.store.queue()[0].id
    paths = [*world.hub.plugin("admin").shell._pages, f"queue?row={row}", "accounts?address=bob@example.org"]
    paths += ["security?totp=1", "plugins?plugin=admin", "nothing"]
    found = []
    for path in paths:
        chrome.look(360, dark=False)
        chrome.go(f"/{path}")
        found += [f"{path}: {problem}" for problem in chrome.problems_in_both_themes(AXE)]
        for width in (360, 1280):
            chrome.look(width, dark=False)
            if (wide := chrome.run("document.documentElement.scrollWidth")) > width:
                found.append(f"{path} is {wide} wide on {width}")
    assert not found, "\n".join(found)


def test_the_page_has_its_own_style_in_both_themes(chrome):
    chrome.log_in()
    for dark, colour in ((False, "rgb(246, 244, 239)"), (True, "rgb(18, 25, 28)")):
        chrome.look(360, dark)
        assert chrome.run("getComputedStyle(document.body).backgroundColor") == colour
    assert chrome.run("document.querySelectorAll('.plot polyline').length") >= 6
    chrome.look(1280, dark=False)


def test_no_page_has_a_script_and_none_would_run(chrome):
    chrome.log_in()
    for path in ("/invites", "/queue", "/peers", "/"):
        chrome.go(path)
        assert chrome.run("document.scripts.length") == 0
        assert chrome.run("document.querySelectorAll('img').length") == 0
    run = "(() => { const s = document.createElement('script'); s.text = 'window.ran = 1'; document.body.append(s); "
    assert chrome.run(run + "return window.ran || 0 })()") == 0


def test_each_action_by_mouse(world, chrome):
    chrome.log_in()
    store = world.store
    chrome.go("/accounts?address=alice@example.org")
    chrome.send("quota", quota="7M")
    assert "The quota is set" in chrome.text and store.account("alice@example.org").quota == 7_000_000
    chrome.send("disable", reason="For now")
    assert store.account("alice@example.org").disabled == "For now"
    chrome.send("enable")
    assert not store.account("alice@example.org").disabled
    chrome.send("delete")
    assert "The account is deleted" in chrome.text and store.account("alice@example.org") is None
    chrome.go("/invites")
    chrome.send("create", uses="2", note="Made by hand")
    assert "The invitation is made" in chrome.text and "Made by hand" in chrome.text
    chrome.send("revoke")
    assert "Revoked" in chrome.text
    row = store.queue()[0].id
    for do, text in (
        ("freeze", "Frozen: 1"),
        ("thaw", "Tried now: 1"),
        ("retry", "Tried now: 1"),
        ("drop", "Removed: 1"),
    ):
        chrome.go(f"/queue?row={row}")
        chrome.send(do)
        assert text in chrome.text
    chrome.go("/peers")
    chrome.send("freeze")
    assert "All mail for it waits" in chrome.text
    chrome.send("thaw")
    chrome.go("/retention")
    chrome.send("sweep")
    assert "weep" in chrome.text
    chrome.go("/log")
    assert "accounts" in chrome.text and "invites" in chrome.text and "alice" not in chrome.text
    chrome.go("/security")
    chrome.send("logout")
    assert chrome.run("location.pathname") == "/login"


def test_the_keyboard_alone_is_enough_to_log_in(chrome):
    chrome.go("/login")
    chrome.run("document.querySelector('input[name=password]').focus()")
    chrome.call("Input.insertText", text=PASSWORD)
    for kind in ("keyDown", "keyUp"):
        chrome.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    chrome.wait("Page.loadEventFired")
    until(lambda: chrome.run("location.pathname") == "/")
