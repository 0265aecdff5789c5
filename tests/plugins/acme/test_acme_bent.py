"""Authorities that are out of order, and what pebble has not: profiles, times to renew."""

import datetime
import os
import time

import pytest
from chatgate_acme import AcmeOptions, present
from chatgate_acme.renewal import Renewal

from chatgate.domains import Domain
from tests.plugins.acme.standin import StandIn

NAME = "chat.example.org"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    made = StandIn(tmp_path_factory.mktemp("standin") / "s", caaIdentities=["standin.example"])
    yield made
    made.close()


@pytest.fixture
def authority(running):
    yield running
    running.bend, running.window, running.days = {}, None, 90
    running.meta = {"caaIdentities": ["standin.example"]}
    running.asked.clear()


@pytest.fixture
def renewal(tmp_path, running):
    def make(name=NAME, **options):
        general = AcmeOptions(**running.settings | {"request_seconds": 5.0, "run_seconds": 60.0} | options)
        made = Renewal(tmp_path, Domain(name), general, lambda name: None, lambda text: None)
        made._addresses = lambda name: None if name == NAME else _absent(name)
        return made

    return make


def _absent(name):
    from chatgate_resolver import NoSuchName

    raise NoSuchName(f"{name}: no such name")


def path(folder, name=NAME):
    return folder / f"tls/acme/{name}.pem"


def soon(hours):
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)


def test_the_stand_in_works(authority, renewal, tmp_path):
    made = renewal()
    assert made.look() == "fetched", made.state
    assert present.load(path(tmp_path)).names == (NAME,)


# ------------------------------------------------------------------------------------------ times to renew, profiles


def test_the_authority_says_when_to_renew(authority, renewal, tmp_path):
    authority.window = soon(24 * 30), soon(24 * 31)
    assert renewal().look() == "fetched"
    made = renewal()
    assert made.look() == "not due"
    assert soon(24 * 30).timestamp() - 60 <= made.state.renew_at <= soon(24 * 31).timestamp()
    asked = len(authority.asked)
    assert renewal().look() == "not due" and len(authority.asked) == asked  # it is asked again in some hours
    authority.window = soon(-2), soon(-1)  # all are to be replaced at once
    made = renewal()
    made.state.ask_at = 0.0
    assert made.look() == "fetched"
    assert authority.order["replaces"].count(".") == 1


def test_one_that_it_cannot_replace_any_more_is_ordered_all_the_same(authority, renewal, tmp_path):
    authority.window = soon(-2), soon(-1)
    assert renewal().look() == "fetched"
    orders = []

    def refuse(handler):
        orders.append(1)
        if len(orders) == 1:
            return authority.problem(409, "alreadyReplaced")(handler)
        authority.order = authority.asked[-1][1]
        authority.reply(handler, 201, authority._state("ready"), Location=f"{authority.base}/order/1")

    authority.bend["/neworder"] = refuse
    assert renewal().look(force=True) == "fetched" and len(orders) == 2
    assert "replaces" not in authority.order


@pytest.mark.parametrize("window", [("2999-01-01T00:00:00Z", "2999-01-02T00:00:00Z"), ("x", "y"), (1, []), None])
def test_a_time_that_makes_no_sense_lets_none_end(authority, renewal, tmp_path, window):
    authority.window = soon(1), soon(2)
    assert renewal().look() == "fetched"
    there = present.load(path(tmp_path))
    said = {"suggestedWindow": {"start": window[0], "end": window[1]}} if window else {}
    authority.bend["/renewal"] = lambda handler: authority.reply(handler, 200, said)
    made = renewal()
    assert made.look() == "not due"
    made = renewal()
    made._clock = lambda: there.latest + 10
    assert made.look() == "fetched"


def test_profiles(authority, renewal, tmp_path):
    authority.meta = {"profiles": {"classic": "c", "shortlived": "six days"}}
    made = renewal("[127.0.0.1]")
    assert made.look() == "fetched", made.state
    assert authority.order["profile"] == "shortlived"
    assert authority.order["identifiers"] == [{"type": "ip", "value": "127.0.0.1"}]
    assert renewal().look() == "fetched" and "profile" not in authority.order
    assert renewal(profile="classic").look(force=True) == "fetched" and authority.order["profile"] == "classic"
    made = renewal(profile="other")
    assert made.look(force=True) == "failed"
    assert made.state.problem == "the authority has no profile 'other'; it has classic, shortlived"


def test_the_account_for_the_dns_record(authority, renewal, tmp_path):
    assert renewal().look() == "fetched"
    (file,) = (tmp_path / "data/acme/accounts").glob("*/account.json")
    assert '"caa": "standin.example"' in file.read_text() and f'"{authority.base}/acct/1"' in file.read_text()


# ------------------------------------------------------------------------------------------ bent answers


def slowly(handler):
    handler.send_response(200)
    handler.end_headers()
    for _ in range(10000):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.01)


def large(handler):
    handler.send_response(200)
    handler.send_header("Replay-Nonce", "AAAA")
    handler.end_headers()
    for _ in range(10000):
        handler.wfile.write(bytes(65536))


def raw(octets):
    def answer(handler):
        handler.wfile.write(octets)
        handler.close_connection = True

    return answer


def elsewhere(handler):
    handler.send_response(302)
    handler.send_header("Location", "http://127.0.0.1:1/")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


BENT = {
    "slow": slowly,
    "large": large,
    "silent": lambda handler: time.sleep(3),
    "no http": raw(b"\0\1\2\r\n\r\n"),
    "nothing": raw(b""),
    "elsewhere": elsewhere,
    "half": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"),
    "deep": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\nReplay-Nonce: AAAA\r\n\r\n" + b"[" * 20000),
    "long header": raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200000 + b"\r\n\r\n"),
}
JSON = ("[]", "{}", "null", "{", '{"status": 5, "meta": []}')
PATHS = ("/dir", "/nonce", "/account", "/neworder", "/authz", "/finalize", "/order", "/cert")


def refused(made, tmp_path, before):
    began = time.monotonic()
    done = made.look(force=True)
    assert time.monotonic() - began < 60
    assert done == "failed" and made.state.problem and "\n" not in made.state.problem, made.state
    assert len(made.state.problem) < 500
    assert path(tmp_path).read_bytes() == before
    return made.state.problem


@pytest.mark.parametrize("how", BENT)
def test_bent_answers_cost_little_time_and_memory_and_the_old_certificate_stays(authority, renewal, tmp_path, how):
    assert renewal().look() == "fetched"
    before = path(tmp_path).read_bytes()
    for place in ("/dir", "/neworder", "/cert"):
        authority.bend = {place: BENT[how]}
        refused(renewal(request_seconds=0.3), tmp_path, before)


@pytest.mark.parametrize("place", PATHS)
def test_answers_that_make_no_sense(authority, renewal, tmp_path, place):
    assert renewal().look() == "fetched"
    before = path(tmp_path).read_bytes()
    for text in JSON:
        for file in (tmp_path / "data/acme/accounts").glob("*/account.json"):
            file.unlink()
        authority.bend = {place: lambda handler, text=text: authority.reply(handler, 200, text)}
        if place == "/nonce" or (place == "/finalize" and text != "{"):
            renewal(run_seconds=0.7).look(force=True)  # nobody reads what it says
        else:
            refused(renewal(run_seconds=0.7), tmp_path, before)


def test_it_gives_a_certificate_of_somebody_else(authority, renewal, tmp_path):
    assert renewal().look() == "fetched"
    before, other = path(tmp_path).read_bytes(), authority.chain
    authority.bend["/cert"] = lambda handler: authority.reply(handler, 200, other)
    assert "for another key" in refused(renewal(reuse_key=False), tmp_path, before)
    authority.bend = {}
    authority.days = -0.01
    assert "that is over" in refused(renewal(), tmp_path, before)


@pytest.mark.parametrize(
    ("value", "seconds"), [("7200", 7200), ("-1", 0), ("99999999999999", 0), ("x", 0), ("99999999", 604800)]
)
def test_it_wants_us_to_wait(authority, renewal, tmp_path, value, seconds):
    authority.bend["/neworder"] = authority.problem(429, "rateLimited", Retry_After=value)
    made = renewal()
    assert made.look() == "failed"
    assert made.state.problem == "the authority refuses: because (rateLimited)"
    wait = made.state.retry_at - time.time()
    assert max(seconds, 1800) - 5 <= wait <= max(seconds, 1800) * 1.25 + 5
    asked = len(authority.asked)
    assert renewal().look(patient=True) == "waits" and len(authority.asked) == asked
    assert made.state.look_at >= made.state.retry_at or not seconds


def test_waits_grow_and_end_somewhere(authority, renewal):
    authority.bend["/dir"] = authority.problem(500, "serverInternal")
    waits = []
    made = renewal()
    for _ in range(9):
        assert made.look(force=True) == "failed"
        waits.append(made.state.retry_at - time.time())
    assert 1790 < waits[0] < 2300 and max(waits) <= 86400 * 1.25 + 5
    authority.bend = {}
    assert made.look(force=True) == "fetched" and made.state.failures == 0


def test_an_account_that_is_bound_elsewhere(authority, renewal):
    authority.meta = {"externalAccountRequired": True}
    made = renewal()
    assert made.look() == "failed" and "not supported" in made.state.problem


def test_it_wants_to_see_somebody_else(authority, renewal, tmp_path):
    """Its name would become that of a file."""
    said = {"status": "pending", "identifier": {"type": "dns", "value": "../../key"}}
    said["challenges"] = [
        {"type": "tls-alpn-01", "url": f"{authority.base}/challenge", "token": "a" * 43, "status": "pending"}
    ]
    authority.bend["/authz"] = lambda handler: authority.reply(handler, 200, said)
    made = renewal(challenges=("tls-alpn-01",))
    assert made.look() == "failed" and "nobody asked for" in made.state.problem
    assert not (tmp_path / "tls/key.pem").exists()


@pytest.mark.parametrize("token", ("../../../x", "", "a b", 5, None, "\u00e4", "x" * 5000))
def test_tokens_that_are_none(authority, renewal, tmp_path, token):
    said = {"status": "pending", "identifier": {"type": "dns", "value": NAME}}
    said["challenges"] = [
        {"type": "http-01", "url": f"{authority.base}/challenge", "token": token, "status": "pending"}
    ]
    authority.bend["/authz"] = lambda handler: authority.reply(handler, 200, said)
    made = renewal(challenges=("http-01",))
    assert made.look() == "failed" and made.state.problem
    assert not [one for one in (tmp_path / "tls/challenges").rglob("*") if one.is_file()]


def test_who_is_killed_in_the_middle_does_not_come_back_at_once(authority, renewal, tmp_path):
    class Killed(BaseException):
        pass

    def killed(text):
        if text.startswith("fetching"):
            raise Killed

    made = renewal()
    made._report = killed
    with pytest.raises(Killed):
        made.look()
    orders = len(authority.asked)
    again = renewal()
    assert again.look(patient=True) == "waits" and len(authority.asked) == orders
    assert "cut off" in again.state.problem and 0 < again.state.retry_at - time.time() <= 300
    assert again.look() == "fetched" and again.state.problem == "" and again.state.retry_at == 0


def test_nothing_is_asked_when_nothing_can_be_remembered(authority, renewal, tmp_path):
    (tmp_path / "data/acme").mkdir(parents=True)
    made = renewal()
    (tmp_path / f"data/acme/{NAME}.json").mkdir()
    with pytest.raises(OSError):
        made.look()
    assert authority.asked == []


def test_a_lost_memory_is_no_reason_to_ask(authority, renewal, tmp_path):
    assert renewal().look() == "fetched"
    (tmp_path / f"data/acme/{NAME}.json").write_text(
        '{"retry_at": "x", "refused": [1], "failures": 1e99, "problem": 5}'
    )
    orders = [one for one, _ in authority.asked].count("/neworder")
    made = renewal()
    assert made.look() == "not due"
    assert [one for one, _ in authority.asked].count("/neworder") == orders


def test_a_clock_that_was_ahead(authority, renewal, tmp_path):
    made = renewal()
    made.state.retry_at = made.state.ask_at = time.time() + 1e9
    assert made.look(patient=True) == "fetched"


# ------------------------------------------------------------------------------------------ the disk, and being killed


def test_a_full_disk(authority, renewal, tmp_path, monkeypatch):
    assert renewal().look() == "fetched"
    before = path(tmp_path).read_bytes()
    real, orders = os.fsync, len([1 for one, _ in authority.asked if one == "/neworder"])

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("chatgate.running.replacing.os.fsync", full)
    made = renewal()
    with pytest.raises(OSError):  # not even what happened can be kept
        made.look(force=True)
    assert "No space left" in made.state.problem and path(tmp_path).read_bytes() == before
    assert len([1 for one, _ in authority.asked if one == "/neworder"]) == orders  # and nothing was asked for in vain
    monkeypatch.setattr("chatgate.running.replacing.os.fsync", real)
    assert sorted(p.name for p in (tmp_path / "tls/acme").iterdir()) == [f"{NAME}.pem"]
    assert renewal().look(force=True) == "fetched"
