"""Each page and each of its actions, by plain HTTP: no script runs here. One gateway for all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_type_hints

import pytest
from chatgate_admin.pages import configuration
from chatgate_courier.command import queue as queue_command
from chatgate_courier.health import UNREACHABLE
from chatgate_courier.health import command as health_command
from chatgate_sweeper import lately
from click.testing import CliRunner
from dashboard import HOSTILE, LISTEN, PASSWORD, Browser

from chatgate.api import Outgoing, PluginError, Secret, hookimpl
from chatgate.hosting import confd
from chatgate.testing import until

EXAMPLES = Path(__file__).parents[3] / "contrib/examples"


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


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("secret", Secret("s3cr3t"), "***"),
        ("anything", Secret("s3cr3t"), "***"),
        ("api_key", "s3cr3t", "***"),  # of a plugin that does not say so
        ("secret", Secret(""), '""'),
        ("secret_file", "data/secret", '"data/secret"'),
        ("proxy", "socks5://user:s3cr3t@127.0.0.1:9050", '"socks5://***@127.0.0.1:9050"'),
        ("fields", ("token=s3cr3t", "topic=chat"), '["token=***", "topic=chat"]'),
        ("password_min_length", 9, "9"),
    ],
)
def test_what_may_be_secret_is_not_shown(name, value, shown):
    assert configuration.shown(name, value) == shown


def test_every_option_that_is_a_secret_says_so():
    """Else it would get into logs, too."""
    words = re.compile(r"(?:^|_)(?:secret|password|passphrase|token|credentials?|webhook|auth)(?:$|_(?:path|header)$)")
    for plugin, points in confd.installed().items():
        kinds = get_type_hints(points[0].load().Options)
        wrong = [name for name, kind in kinds.items() if kind is str and words.search(name)]
        assert not wrong, f"{plugin}: {wrong}"


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


# ---------------------------------------------------------------------------------------------- accounts


@pytest.fixture
def account(gateway):
    """Makes an account, which the test may delete."""
    made = []

    def make(name):
        made.append(f"{name}@example.org")
        return gateway.store.create_account(made[-1], "secret")

    yield make
    for address in made:
        if (found := gateway.store.account(address)) is not None:
            gateway.accounts.delete(found, tombstone=False)


def test_accounts_are_found_by_part_of_the_address(gateway, browser, account):
    for name in ("alice", "alina", "bob"):
        account(name)
    gateway.accounts.disable(gateway.store.account("bob@example.org"), "gone fishing")
    text = browser.get("/accounts?match=ALI").text
    assert "alice@example.org" in text and "alina@example.org" in text and "bob@" not in text
    text = browser.get("/accounts?only=disabled").text
    assert "bob@example.org" in text and "alice@" not in text
    assert "alice@example.org" in browser.get("/accounts?after=aaa@example.org").text
    assert "No account is like that" in browser.get("/accounts?match=nobody").text


def test_each_account_is_on_one_page(gateway, browser, account):
    names = [f"n{number:03}" for number in range(60)]
    for name in names:
        account(name)
    first = browser.get("/accounts?match=n0").text
    more = [one for one in first.split('"') if one.startswith("/accounts?match=n0") and "after=" in one]
    second = browser.get(more[0].replace("&amp;", "&")).text
    shown = [name for name in names if (f"{name}@" in first) != (f"{name}@" in second)]
    assert shown == names and "after=" not in second.partition("<main")[2]


def test_an_account_is_shown_disabled_enabled_and_deleted(gateway, browser, account):
    made = account("zoe")
    page = "/accounts?address=zoe@example.org"
    text = browser.get(page).text
    assert "zoe@example.org" in text and "Quota octets" in text and "Notification tokens" in text
    assert browser.do(page, "quota", quota="5M").message == "The quota is set."
    assert gateway.store.account("zoe@example.org").quota == 5_000_000
    browser.do(page, "quota", quota="")
    assert gateway.store.account("zoe@example.org").quota is None
    assert "no size" in browser.do(page, "quota", quota=HOSTILE).message
    browser.do(page, "disable", reason="Write to us first")
    assert gateway.store.account("zoe@example.org").disabled == "Write to us first"
    browser.do(page, "enable")
    assert not gateway.store.account("zoe@example.org").disabled
    answer = browser.do(page, "delete", after="final")
    assert answer.message == "The account is deleted." and gateway.store.account("zoe@example.org") is None
    assert gateway.store.tombstone("zoe@example.org") == ""
    assert "There is no account zoe@" in browser.get(page).text
    log = browser.get("/log").text
    assert f"account {made.id}" in log and "zoe@" not in log
    gateway.store.forget_tombstone("zoe@example.org")


def test_hostile_words_about_accounts_stay_words(gateway, browser, account):
    account("zoe'&b")
    text = browser.get("/accounts").text + browser.get("/accounts?match=" + HOSTILE.replace(" ", "%20")).text
    assert "zoe&#x27;&amp;b@" in text and "<script" not in text and "<img" not in text
    text = browser.get("/accounts?address=%3Cscript%3Ealert(1)%3C/script%3E").text
    assert "<script" not in text
    account("yan")
    page = browser.do("/accounts?address=yan@example.org", "disable", reason=HOSTILE)
    assert "<script" not in page.text and "<img" not in page.text


# ---------------------------------------------------------------------------------------------- the queue, and peers


@pytest.fixture
def waiting(gateway):
    """Rows of the queue that were tried once."""
    store = gateway.store
    goes = [Outgoing(one, one.rpartition("@")[2]) for one in ("xi@far.test", "yan@far.test", "zoe@other.test")]
    store.store(b"Subject: [...]\r\n\r\nbody\r\n", goes, True, "<i>alice</i>@example.org", None, "aa11bb22")
    until(lambda: all(row.reply for row in store.queue()) and store.queue())
    gateway.hub.plugin("courier").outcomes.save()
    yield {row.recipient: row.id for row in store.queue()}
    store.drop([row.id for row in store.queue()])


def test_the_queue_says_what_waits_and_why(gateway, browser, waiting):
    text = browser.get("/queue").text
    assert "xi@far.test" in text and "zoe@other.test" in text and "451 4.3.0" in text
    assert "<script" not in text and "<img" not in text and "<i>" not in text
    text = browser.get("/queue?domain=Other.test").text
    assert "zoe@other.test" in text and "xi@far.test" not in text
    text = browser.get(f"/queue?row={waiting['xi@far.test']}").text
    assert "it was tried 1 time" in text and "aa11bb22" in text and "<script" not in text
    assert "It is gone" in browser.get("/queue?row=99999").text


def test_rows_are_tried_frozen_and_dropped(gateway, browser, waiting):
    row = waiting["xi@far.test"]
    page = f"/queue?row={row}"

    def now():
        return next((one for one in gateway.store.queue() if one.id == row), None)

    assert browser.do(page, "freeze").message == "Frozen: 1." and now().held
    assert browser.do(page, "thaw").message == "Tried now: 1." and not now().held
    before = now().attempts
    assert browser.do(page, "retry").message == "Tried now: 1."
    until(lambda: now().attempts > before)
    assert browser.do(page, "drop").message == "Removed: 1." and now() is None
    assert browser.post(page, browser.get("/queue?domain=far.test").form("retry") | {"row": "1;--"}).message


def test_mail_for_a_domain_is_frozen_in_both_places(gateway, browser, waiting):
    policies = gateway.hub.plugin("courier").policies
    browser.do("/peers", "freeze", {"domain": "far.test"})
    assert policies.of("far.test").hold and "frozen" in browser.get("/peers").text
    browser.do("/queue?domain=far.test", "thaw", {"domain": "far.test"})
    assert not policies.of("far.test").hold
    assert browser.do("/queue?domain=far.test", "retry", {"domain": "far.test"}).message == "Tried now: 2."


def test_how_mail_goes_to_others_is_a_page_and_a_command(gateway, browser, waiting, monkeypatch):
    down = [["mx.far.test", 1.7e9, ["far.test"]]]
    monkeypatch.setitem(gateway.control._functions, UNREACHABLE, lambda facts: down)
    text = browser.get("/peers").text
    assert "Cannot be reached" in text and "mx.far.test" in text and "2023-11-14 22:13 UTC" in text
    assert "far.test" in text and "2, for" in text and "<script" not in text
    courier = gateway.hub.plugin("courier")
    run = health_command(gateway, courier.policies, courier.outcomes)
    found = json.loads(CliRunner().invoke(run, ["--json"]).output)
    far = next(one for one in found["domains"] if one["domain"] == "far.test")
    assert found["unreachable"] == [{"name": "mx.far.test", "since": 1.7e9, "domains": ["far.test"]}]
    assert far["waiting"] == 2 and far["put_off"] >= 2 and far["delivered"] == 0 and "come again" in far["reply"]
    assert "far.test" in CliRunner().invoke(run).output
    run = queue_command(gateway, courier.policies, courier.outcomes)
    assert "dropped: 2" in CliRunner().invoke(run, ["drop", "--domain", "far.test", "--yes"]).output


# ---------------------------------------------------------------------------------------------- upkeep


def test_a_sweep_now_and_what_it_did(gateway, browser):
    assert browser.do("/retention", "sweep").message in ("Swept.", "A sweep has begun.")
    found = until(lambda: lately.last(gateway))
    assert found["dry_run"] is False
    text = browser.get("/retention").text
    assert "20 days" in text and "old messages" in text and "There was none yet" not in text


def test_alerts_are_joined_tested_and_left(gateway, browser):
    alerts = gateway.hub.plugin("alerts")
    page = browser.do("/alerts", "join")
    assert page.message.startswith("The link is good until") and "<svg" in page.text and alerts.members.us()
    assert browser.do("/alerts", "test").message.startswith("A test is on its way")
    form = browser.get("/alerts").form("test") | {"do": "remove", "address": HOSTILE}
    assert browser.post("/alerts", form).message == "That address is not in the group"
    address = alerts.members.us().address
    alerts.members.end()
    gateway.accounts.delete(gateway.store.account(address), tombstone=False)


def test_notifications_disk_and_domains_are_shown(gateway, browser):
    assert "notifications that had to be sent" in browser.get("/push").text.lower()
    text = browser.get("/disk").text
    assert "mail.db" in text and "Free" in text
    text = browser.get("/domains").text
    assert "b.example" in text and "self-signed" in text


def test_plugins_are_shown_with_what_they_cost(gateway, browser):
    text = browser.get("/plugins?plugin=admin").text
    assert "maildb" in text and "services" in text and "Failures" in text


def test_the_overview_shows_trouble(gateway, browser, monkeypatch):
    from chatgate.api import Trouble

    monkeypatch.setattr(gateway, "troubles", lambda: [])
    assert "All is well" in browser.get("/").text
    trouble = Trouble("disk", f"the disk is full of {HOSTILE}", 0, "df -h")
    monkeypatch.setattr(gateway, "troubles", lambda: [trouble])
    text = browser.get("/").text
    assert "df -h" in text and "The disk is full" in text and "<script" not in text


def test_a_page_comes_again_only_where_that_is_wanted(browser):
    assert "Refresh" not in browser.ask("GET", "/overview").headers
    assert browser.ask("GET", "/overview?again=1").headers["Refresh"] == "60"


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


# ---------------------------------------------------------------------------------------------- pages of others


def test_the_example_brings_a_page(gateway_factory, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES / "chatgate_tally")
    from chatgate_tally import Tally

    gateway = gateway_factory("tls", "maildb", "site", "admin", Tally, admin=LISTEN)
    gateway.hub.plugin("admin").keys.set_password(PASSWORD)
    browser = Browser(gateway)
    browser.log_in()
    gateway.hub.plugin("tally").counts["logins"] += 7
    assert "logins" in browser.get("/tally").text
    page = browser.do("/tally", "turn")
    assert page.message == "maintenance is on"
    assert gateway.path("maintenance").exists() and "nobody is let in" in page.text
    assert browser.do("/tally", "turn").message == "maintenance is off"
    form = browser.get("/tally").form("turn")
    assert browser.post("/tally", form | {"state": HOSTILE}).message == "Maintenance is on or off"


def _raise(error):
    raise error


def test_a_page_that_fails_harms_no_other(gateway_factory, caplog):
    class Broken:
        def __init__(self, gateway, options):
            pass

        @hookimpl(optionalhook=True)
        def chatgate_admin_pages(self, admin):
            page = admin.page("broken", "Broken", lambda request: 1 / 0, {"do": lambda form: _raise(KeyError(HOSTILE))})
            fine = admin.page("fine", HOSTILE, lambda request: '<form method="post"><input name="do" value="x"></form>')
            return [page, fine]

    gateway = gateway_factory("tls", "maildb", "site", "admin", Broken, admin=LISTEN)
    gateway.hub.plugin("admin").keys.set_password(PASSWORD)
    browser = Browser(gateway)
    browser.log_in()
    answer = browser.get("/broken")
    assert answer.status == 500 and "ZeroDivision" not in answer.text and "ZeroDivisionError" in caplog.text
    form = browser.get("/fine").form("x")
    assert "form-token" in form, "the page needs not know of it"
    assert browser.post("/broken", form | {"do": "do"}).status == 500
    assert "<script" not in browser.get("/fine").text


@pytest.mark.parametrize("path", ["login", "overview", "../etc", "", "a b"])
def test_a_page_of_a_bad_path_is_refused_at_start(gateway_factory, path):
    class Bad:
        def __init__(self, gateway, options):
            pass

        @hookimpl(optionalhook=True)
        def chatgate_admin_pages(self, admin):
            return [admin.page(path, "Bad", lambda request: "")]

    with pytest.raises(PluginError, match="no page can be at"):
        gateway_factory("tls", "maildb", "site", "admin", Bad, admin=LISTEN)
