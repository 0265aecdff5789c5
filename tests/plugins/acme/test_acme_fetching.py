"""Certificates of a real authority (pebble), with real challenges."""

import stat

import pytest
from chatgate_acme import present
from chatgate_acme.wanted import wanted
from chatgate_resolver import Absent, Trouble
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec


def leaf(path):
    return x509.load_pem_x509_certificates(path.read_bytes())[0]


def test_the_first_one_has_the_names_that_are_in_the_dns(renewal, web, tmp_path, pebble):
    made = renewal()
    assert made.look() == "fetched", made.state
    path = tmp_path / "tls/acme/chat.example.org.pem"
    assert set(present.load(path).names) == {"chat.example.org", "www.chat.example.org"}
    assert isinstance(leaf(path).public_key().curve, ec.SECP256R1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().count("BEGIN CERTIFICATE") == 2 and path.read_text().count("PRIVATE KEY-----") == 2
    assert [p for p in (tmp_path / "tls/challenges").rglob("*") if p.is_file()] == []
    assert len(web.asked) >= 2 and all(p.startswith("/.well-known/acme-challenge/") for p in web.asked)
    again = renewal()
    assert again.look() == "not due" and again.steps == []
    assert again.state.look_at > 0 and again.state.directory == pebble.url


@pytest.mark.parametrize("keep", (True, False))
def test_renewal_keeps_the_key_by_option(renewal, web, tmp_path, keep):
    path = tmp_path / "tls/acme/chat.example.org.pem"
    assert renewal().look() == "fetched"
    before = leaf(path)
    assert renewal(reuse_key=keep).look(force=True) == "fetched"
    assert leaf(path).serial_number != before.serial_number
    assert (leaf(path).public_key() == before.public_key()) is keep


def test_it_is_renewed_after_its_share_of_life(renewal, web, tmp_path):
    assert renewal().look() == "fetched"
    there = present.load(tmp_path / "tls/acme/chat.example.org.pem")
    life = there.ends - there.begins
    assert 0.64 < (there.due(0.67) - there.begins) / life < 0.7
    made = renewal()
    made._clock = lambda: there.due(0.67) - 10
    assert made.look() == "not due" and made.state.look_at <= there.due(0.67) + 1
    made._clock = lambda: there.due(0.67) + 1
    assert made.look() == "fetched"


def test_a_name_added_by_option_is_asked_for(renewal, web, tmp_path):
    path = tmp_path / "tls/acme/chat.example.org.pem"
    assert renewal().look() == "fetched"
    assert renewal(names=("b.example.net", "nowhere.example.net")).look() == "fetched"
    assert set(present.load(path).names) == {"chat.example.org", "www.chat.example.org", "b.example.net"}


def test_trouble_with_the_dns_takes_nothing_out_and_adds_nothing():
    def addresses(name):
        if name.startswith("www."):
            raise Trouble("no answer")
        if name.startswith("mta-sts."):
            raise Absent("no such name")

    names = ["chat.example.org", "www.chat.example.org", "mta-sts.chat.example.org"]
    assert wanted(names, [], [], addresses).names == ("chat.example.org",)
    assert wanted(names, names, [], addresses).names == ("chat.example.org", "www.chat.example.org")
    assert "does not say" in wanted(["www.chat.example.org"], [], [], addresses).missing


def test_a_host_that_is_not_in_the_dns_costs_the_authority_nothing(renewal, web, tmp_path):
    made = renewal("nowhere.example.org")
    assert made.look() == "waits" and made.state.problem == "nowhere.example.org has no address in the DNS"
    assert not (tmp_path / "data/acme/accounts").exists() and made.state.failures == 0


@pytest.mark.parametrize("name", ("_chat.example.org", "localhost", "[10.0.0.1]"))
def test_names_that_no_authority_certifies(renewal, name):
    made = renewal(name, ca_bundle="")
    assert made.look() == "waits" and "no authority certifies" in made.state.problem and made.steps == []


def test_nothing_is_asked_without_the_terms(renewal, tmp_path):
    made = renewal(agree_to_terms=False)
    assert made.look() == "waits" and "agree_to_terms" in made.state.problem
    assert not (tmp_path / "data/acme/accounts").exists()


def test_two_domains_share_the_account(renewal, web, tmp_path, pebble):
    assert renewal().look() == "fetched"
    second = renewal("b.example.net", own={"reuse_key": False})
    assert second.look() == "fetched" and "making an account" not in second.steps
    assert sorted(p.name for p in (tmp_path / "tls/acme").iterdir()) == ["b.example.net.pem", "chat.example.org.pem"]


def test_a_lost_key_of_the_account_is_one_more_account(renewal, web, tmp_path):
    assert renewal().look() == "fetched"
    (folder,) = (tmp_path / "data/acme/accounts").iterdir()
    before = (folder / "account.json").read_text()
    (folder / "key.pem").unlink()
    made = renewal()
    assert made.look(force=True) == "fetched" and "making an account" in made.steps
    assert (folder / "account.json").read_text() != before


def test_a_lost_address_of_the_account_is_found_by_its_key(renewal, web, tmp_path):
    assert renewal().look() == "fetched"
    (folder,) = (tmp_path / "data/acme/accounts").iterdir()
    before = (folder / "account.json").read_text()
    (folder / "account.json").unlink()
    assert renewal().look(force=True) == "fetched"
    assert (folder / "account.json").read_text() == before


def test_an_authority_that_has_forgotten_the_account(renewal, web, tmp_path, pebble):
    assert renewal().look() == "fetched"
    (folder,) = (tmp_path / "data/acme/accounts").iterdir()
    uri = (folder / "account.json").read_text()
    pebble.stop()
    pebble.start()
    made = renewal()
    assert made.look(force=True) == "fetched", made.state
    assert (folder / "account.json").read_text() != uri or "making an account" in made.steps


def test_a_name_that_leads_elsewhere_is_left_out(renewal, web, tmp_path, dns):
    before = dns.zone
    dns.zone = before | {"mta-sts.chat.example.org": {"A": "127.0.0.9"}}
    try:
        made = renewal()
        assert made.look() == "fetched", made.state
        path = tmp_path / "tls/acme/chat.example.org.pem"
        assert set(present.load(path).names) == {"chat.example.org", "www.chat.example.org"}
        assert list(made.state.refused) == ["mta-sts.chat.example.org"]
        assert renewal().look() == "not due"
    finally:
        dns.zone = before


def test_the_authority_cannot_see_us(renewal, web, tmp_path):
    assert renewal().look() == "fetched"
    before = (tmp_path / "tls/acme/chat.example.org.pem").read_bytes()
    web.folder = tmp_path / "nowhere"
    made = renewal()
    assert made.look(force=True) == "failed"
    assert "chat.example.org: the authority refuses: " in made.state.problem and made.state.failures == 1
    assert (tmp_path / "tls/acme/chat.example.org.pem").read_bytes() == before
    asked = len(web.asked)
    waiting = renewal()
    waiting._clock = lambda: made.state.retry_at - 10
    waiting.state.directory = ""  # so that it is due
    assert waiting.look(patient=True) == "waits" and len(web.asked) == asked
    first = made.state.retry_at
    assert made.look(force=True) == "failed" and made.state.retry_at > first + 1000


def test_the_other_way_is_tried_at_once(renewal, web, tmp_path):
    web.folder = tmp_path / "nowhere"
    made = renewal(challenges=("http-01", "tls-alpn-01"))
    assert made.look() == "failed" and made.state.failures == 1
    ways = [step.rpartition(" ")[2] for step in made.steps if step.startswith("chat.example.org by ")]
    assert ways == ["http-01", "tls-alpn-01"]


def test_nonces_that_are_refused(dns, tmp_path, renewal, web, pebble):
    pebble.stop()
    pebble._nonces = 30
    pebble.start()
    try:
        made = renewal()
        assert made.look() == "fetched", made.state
    finally:
        pebble.stop()
        pebble._nonces = 0
        pebble.start()


def test_an_authority_that_is_down(renewal, web, tmp_path):
    made = renewal(directory="https://127.0.0.1:1/dir")
    assert made.look() == "failed" and made.state.problem == "the directory cannot be reached, or does not speak HTTP"
    made = renewal(ca_bundle="")
    made._options = made._general
    assert made.look() == "failed" and "own certificate cannot be verified" in made.state.problem


def test_an_ip_address(renewal, web, tmp_path):
    made = renewal("[127.0.0.1]")
    assert made.look() == "fetched", made.state
    assert present.load(tmp_path / "tls/acme/127.0.0.1.pem").names == ("127.0.0.1",)
