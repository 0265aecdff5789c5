"""Who gets in: password, second factor, tries, the end of logins, forms of others, the secret path."""

import base64
import http.client
import re
import time
from urllib.parse import urlencode

import pytest
from chatgate_admin import totp
from chatgate_admin.database import Database
from chatgate_admin.keys import Keys
from chatgate_admin.logins import Logins
from chatgate_admin.options import AdminOptions
from click.testing import CliRunner
from dashboard import LISTEN, PASSWORD, PLUGINS, Browser

from chatgate.api import Secret
from chatgate.testing import port

SECRET = "x7JqPm2vT9wLk4Rs8ZdB"


@pytest.fixture
def gateway(gateway_factory):
    gateway = gateway_factory(*PLUGINS, admin=LISTEN | {"secret_path": Secret(SECRET)})
    gateway.hub.plugin("admin").keys.set_password(PASSWORD)
    return gateway


@pytest.fixture
def browser(gateway):
    return Browser(gateway)


def command(gateway, *arguments, input=None, code=0):
    import click

    cli = click.Group()
    gateway.hub.plugin("admin").chatgate_commands(cli)
    result = CliRunner().invoke(cli, ["admin", *arguments], input=input)
    assert result.exit_code == code, result.output
    return result.output.strip()


def test_nobody_sees_anything_without_a_login(browser):
    for path in ("/", "/accounts", "/configuration", "/log", "/nothing", "/logout"):
        answer = browser.ask("GET", path)
        assert (answer.status, answer.headers["Location"], answer.text) == (303, "/login", "")
    assert browser.ask("GET", "/style.css").status == 200
    assert browser.log_in("wrong password").status == 403
    page = browser.log_in()
    assert page.status == 200 and "<h1>Overview</h1>" in page.text


def test_every_answer_keeps_others_out(browser):
    browser.log_in()
    for path in ("/", "/login", "/nothing", "/style.css", "/domains"):
        fields = browser.ask("GET", path).headers
        policy = fields["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "script" not in policy
        assert fields["Cache-Control"] == "no-store"
        assert fields["X-Content-Type-Options"] == "nosniff"


def test_the_cookie_is_for_this_browser_and_path_alone(gateway):
    local, public = Browser(gateway), Browser(gateway, f"/{SECRET}", "https", tls=True)
    for browser, path, secure in ((local, "/", False), (public, f"/{SECRET}", True)):
        answer = browser.ask("GET", "/login")
        parts = [part.strip().lower() for part in answer.headers["Set-Cookie"].split(";")[1:]]
        assert {"httponly", "samesite=strict", f"path={path.lower()}"} <= set(parts)
        assert ("secure" in parts) == secure


def test_a_login_gives_a_new_cookie(browser):
    browser.get("/login")
    before = browser.cookie
    browser.log_in()
    assert browser.cookie != before


def test_logging_out_ends_the_login_for_whoever_has_the_cookie(browser):
    browser.log_in()
    cookie = browser.cookie
    page = browser.get("/")
    browser.post("/logout", page.forms[0])
    browser.cookie = cookie
    assert browser.ask("GET", "/").status == 303


def test_too_many_tries_and_nobody_is_looked_at(gateway_factory):
    gateway = gateway_factory(*PLUGINS, admin=LISTEN | {"tries_in_all": 3})
    gateway.hub.plugin("admin").keys.set_password(PASSWORD)
    browser = Browser(gateway)
    assert [browser.log_in("wrong").status for _ in range(4)] == [403, 403, 403, 429]
    assert browser.log_in().status == 429
    assert "wait" in browser.log_in().message


def test_a_right_password_costs_no_try(gateway_factory):
    gateway = gateway_factory(*PLUGINS, admin=LISTEN | {"tries_in_all": 2})
    gateway.hub.plugin("admin").keys.set_password(PASSWORD)
    assert [Browser(gateway).log_in().status for _ in range(4)] == [200] * 4


def test_logins_end(tmp_path):
    now = [1_700_000_000.0]
    database = Database(tmp_path / "admin.db")
    options = AdminOptions(idle_minutes=30, session_hours=2, max_sessions=2)
    logins = Logins(database, options, lambda: now[0])
    token = logins.begin()
    for _ in range(4):  # used every 29 minutes, so it is not idle
        now[0] += 29 * 60
        assert logins.find(token)
    now[0] += 5 * 60  # more than two hours after it began
    assert logins.find(token) is None
    token = logins.begin()
    now[0] += 31 * 60
    assert logins.find(token) is None
    token = logins.begin()
    now[0] += 20 * 60
    assert logins.find(token, used=False)  # by a page that comes again by itself
    now[0] += 11 * 60
    assert logins.find(token) is None
    first, second, third = logins.begin(), logins.begin(), logins.begin()
    assert [logins.find(one) is not None for one in (second, third)].count(True) + (logins.find(first) is not None) == 2
    assert logins.find(third) and logins.count() == 2
    assert logins.find("") is None and logins.find("made up") is None
    database.close()


def test_changes_end_all_logins(gateway, browser):
    other = Browser(gateway)
    other.log_in()
    browser.log_in()
    browser.do("/security", "password", now=PASSWORD, new="another long one", again="another long one")
    assert other.ask("GET", "/").status == browser.ask("GET", "/").status == 303
    assert browser.log_in().status == 403
    assert browser.log_in("another long one").status == 200
    other.log_in("another long one")
    browser.do("/security", "logout")
    assert other.ask("GET", "/").status == 303


def test_whoever_finds_a_browser_cannot_change_the_password(browser):
    browser.log_in()
    page = browser.do("/security", "password", now="guessed", new="another long one", again="another long one")
    assert page.message == "The password is wrong"
    page = browser.do("/security", "password", now=PASSWORD, new="short", again="short")
    assert "12 characters" in page.message
    page = browser.do("/security", "password", now=PASSWORD, new="another long one", again="yet another one")
    assert "not the same" in page.message


@pytest.mark.parametrize("change", ["none", "wrong", "of another login", "elsewhere"])
def test_forms_of_others_are_refused(gateway, browser, change):
    browser.log_in()
    fields, headers = browser.get("/security").form("logout"), {}
    if change == "none":
        del fields["form-token"]
    elif change == "wrong":
        fields["form-token"] = "0" * 64
    elif change == "of another login":
        other = Browser(gateway)
        other.log_in()
        fields["form-token"] = other.get("/security").form("logout")["form-token"]
    else:
        headers["Sec_Fetch_Site"] = "cross-site"
    assert browser.post("/security", fields, **headers).status == 403
    assert browser.get("/").status == 200 and "Overview" in browser.get("/").text


def test_a_login_needs_the_form_of_this_browser(browser):
    """Nobody can log a browser in to have its owner work under another's eyes."""
    assert browser.ask("POST", "/login", urlencode({"password": PASSWORD})).status == 403
    page = browser.get("/login")
    browser.cookie = "chatgate_admin=another"
    assert browser.post("/login", page.forms[0] | {"password": PASSWORD}).status == 403


def test_bodies_have_a_length_and_a_limit(gateway, browser):
    browser.log_in()
    assert browser.ask("POST", "/security", "x" * 70_000).status == 413
    client = http.client.HTTPConnection("127.0.0.1", port(gateway, "dashboard"), timeout=60)
    client.request("POST", "/security", iter([b"do=logout"]), {"Cookie": browser.cookie}, encode_chunked=True)
    assert client.getresponse().status in (400, 411)
    assert browser.ask("PUT", "/security").status == 405


def test_the_secret_path_of_the_site(gateway):
    browser = Browser(gateway, f"/{SECRET}", "https", tls=True)
    page = browser.log_in()
    assert page.status == 200 and f'href="/{SECRET}/domains"' in page.text
    assert browser.get("/domains").status == 200
    assert browser.do("/security", "logout").status == 200
    assert "/login" in browser.ask("GET", "/").headers["Location"]
    for path in ("/x7JqPm2vT9wLk4Rs8ZdC/login", "/admin", "/login", "/style.css/../login"):
        assert Browser(gateway, "", "https", tls=True).ask("GET", path).status == 404


def test_the_secret_path_is_not_shown(gateway, browser):
    browser.log_in()
    assert SECRET not in browser.get("/configuration?all=1").text
    assert SECRET not in repr(gateway.config)


@pytest.mark.parametrize("path", ["short", "with/slash/in/the/middle", "x" * 101, "blank in the middle of it"])
def test_a_path_that_can_be_guessed_is_refused(path):
    with pytest.raises(ValueError, match="secret_path"):
        AdminOptions(secret_path=path)


# ---------------------------------------------------------------------------------------------- second factor


def test_codes_are_those_of_the_standard():
    """RFC 6238 appendix B, for SHA-1."""
    secret = base64.b32encode(b"12345678901234567890").decode()
    for at, code in ((59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"), (20000000000, "65353130")):
        assert totp.code(secret, at // 30, 8) == code
    assert totp.matching(secret, totp.code(secret, 100), 3000) == 100
    assert totp.matching(secret, totp.code(secret, 99), 3000) == 99
    assert totp.matching(secret, totp.code(secret, 98), 3000) is None
    assert totp.matching(secret, totp.code(secret, 100), 3000, last=100) is None
    assert totp.matching(secret, "", 3000) is totp.matching(secret, "٣٣٣٣٣٣", 3000) is None
    with pytest.raises(ValueError):
        totp.code("not base32!", 1)


def test_a_second_factor_is_set_up_and_asked_for(gateway, browser):
    browser.log_in()
    page = browser.get("/security?totp=1")
    assert "<svg" in page.text
    form = page.form("totp_on")
    wrong = browser.post("/security?totp=1", form | {"code": "000000", "now": PASSWORD})
    assert "not the code" in wrong.message
    code = totp.code(form["secret"], int(time.time()) // 30)
    shown = browser.post("/security", form | {"code": code, "now": PASSWORD})
    codes = re.search(r'<pre class="codes">(.*?)</pre>', shown.text, re.S)[1].split()
    assert len(codes) == 8
    assert browser.log_in().status == 403
    assert browser.log_in(code=code).status == 403, "a code is good once"
    assert browser.log_in(code=codes[0]).status == 200
    assert browser.log_in(code=codes[0]).status == 403
    keys = gateway.hub.plugin("admin").keys
    assert keys.codes_left() == 7
    browser.log_in(code=codes[1].upper().replace("-", ""))
    browser.do("/security", "totp_off", now=PASSWORD)
    assert browser.log_in().status == 200


def test_the_command_does_the_same(gateway, browser):
    password = command(gateway, "password")
    assert len(password) == 22 and browser.log_in(password).status == 200
    assert "12 characters" in command(gateway, "password", "--set", input="short\n", code=2)
    command(gateway, "password", "--set", input=f"{PASSWORD}\n")
    secret = totp.new_secret()
    code = totp.code(secret, int(time.time()) // 30)
    assert "not the code" in command(gateway, "totp", "on", "--secret", secret, "--code", "12345", code=1)
    codes = command(gateway, "totp", "on", "--secret", secret, "--code", code).splitlines()[1:]
    assert command(gateway, "totp") == "on, 8 recovery codes left"
    assert browser.log_in(code=codes[3]).status == 200
    assert command(gateway, "logout") == "1 ended"
    assert browser.ask("GET", "/").status == 303
    assert command(gateway, "totp", "off") == "off"
    log = command(gateway, "log")
    assert "command: totp on" in log and "login: log in" in log and "127.0.0.1" not in log


def test_only_hashes_are_kept(gateway, browser):
    browser.log_in()
    gateway.hub.plugin("admin").database.close()
    text = b"".join(path.read_bytes() for path in gateway.path("data").glob("admin.db*"))
    assert PASSWORD.encode() not in text
    assert browser.cookie.partition("=")[2].encode() not in text


def test_without_a_password_nobody_gets_in(gateway_factory):
    gateway = gateway_factory(*PLUGINS, admin=LISTEN)
    page = Browser(gateway).get("/login")
    assert "chatgate admin password" in page.text
    assert Keys(gateway.hub.plugin("admin").database, 10).right("") is False
    assert any("nobody can log in yet" in problem.text for problem in gateway.check())


def test_a_dashboard_that_is_nowhere_is_told(gateway_factory):
    gateway = gateway_factory(*PLUGINS, admin={"listen": ()})
    assert any("the dashboard is nowhere" in problem.text for problem in gateway.check())
    gateway.stop()
    gateway = gateway_factory(*PLUGINS, admin={"listen": (), "secret_path": Secret(SECRET)})
    gateway.hub.plugin("admin").keys.set_password(PASSWORD)
    assert not any("nowhere" in problem.text for problem in gateway.check())
    assert any("totp on" in problem.text for problem in gateway.check())
    assert Browser(gateway, f"/{SECRET}", "https", tls=True).log_in().status == 200


def test_other_machines_reach_it_by_https_only():
    assert AdminOptions(listen=("10.0.0.1:9797", "127.0.0.1:1")).listen
    with pytest.raises(ValueError, match="decrypted"):
        AdminOptions(listen=("10.0.0.1:9797 decrypted",))
