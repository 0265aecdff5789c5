"""Accounts that come with a hash of another server: verified at the first login, and hashed anew."""

import base64
import ctypes
import ctypes.util
import dataclasses
import hashlib
import subprocess
import sys

import bcrypt
import gevent
import pytest
from chatgate_passwordless import PasswordlessOptions, foreign, hashing, shacrypt
from chatgate_passwordless.hashing import Busy, Hasher
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from hypothesis import given, settings
from hypothesis import strategies as st
from passwordless_gate import ADDRESS, PASSWORD, Gate, wrong

from chatgate.reply import Reply
from chatgate.store.records import Account, StoreFull


def bcrypted(password=PASSWORD, prefix=b"2b"):
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode().replace("$2b$", f"${prefix.decode()}$")


def argon2ed(password=PASSWORD):
    kdf = Argon2id(salt=bytes(16), length=64, iterations=1, lanes=2, memory_cost=64)
    return kdf.derive_phc_encoded(password.encode())


def maddys_sha256(password=PASSWORD):
    salt = bytes(range(32))
    both = (salt, hashlib.sha256(salt + password.encode()).digest())
    return "$sha256$" + "$".join(base64.b64encode(text).decode().rstrip("=") for text in both)


# By crypt(3), of PASSWORD.
SHA512 = "$6$saltsalt$UdVOtJCybZHWmxg2TMb07YQF3AOLm6ccohzdLeuKKLv6DxklqovT38EbK9AxulO7um5tVMkfnHd7hCGPp.MnR/"
SHA256 = "$5$rounds=1001$saltsalt$q1jtklHtTUhPGz3yTLqPxNEV44aBHAL2.xE8425hwjA"

EACH = {
    "SHA512-CRYPT": SHA512,
    "SHA256-CRYPT": SHA256,
    "2a": bcrypted(prefix=b"2a"),
    "2b": bcrypted(),
    "2y": bcrypted(prefix=b"2y"),
    "argon2id": argon2ed(),
    "sha256": maddys_sha256(),
}


def moved_in(gate, secret, address=ADDRESS):
    return gate.gateway.accounts.restore(Account(0, address, secret, created=20000))


@pytest.fixture(params=EACH)
def secret(request):
    return EACH[request.param]


@pytest.fixture
def gate(tmp_path):
    gate = Gate(tmp_path, store="maildb")
    yield gate
    gate.gateway.stop()


# -------------------------------------------------------------------------------- the first login


def test_the_first_login_verifies_and_hashes_anew(gate, secret):
    account = moved_in(gate, secret)
    wrong(gate.login(password=PASSWORD + "?"))
    assert gate.store.account(ADDRESS) == account, "a wrong password changes nothing"
    answer = gate.login()
    assert answer.id == account.id and answer == gate.store.account(ADDRESS)
    assert answer.secret.startswith("$scrypt$ln=10,")
    gate.gateway.hub.plugin("passwordless")._verified.forget(answer)
    wrong(gate.login(password=PASSWORD + "?"))
    assert gate.login() == answer, "and that is the last time"


def test_it_is_on_disk(tmp_path):
    gate = Gate(tmp_path, store="maildb")
    moved_in(gate, EACH["2b"])
    account = gate.login()
    gate.gateway.stop()
    again = Gate(tmp_path, store="maildb")
    assert again.store.account(ADDRESS) == account
    assert again.login() == account
    again.gateway.stop()


def test_who_was_removed_comes_back_with_it(gate, secret):
    gate.gateway.accounts.delete(moved_in(gate, secret))
    wrong(gate.login(password=PASSWORD + "?"))
    answer = gate.login()
    assert isinstance(answer, Account) and answer.secret.startswith("$scrypt$")
    assert gate.store.account(ADDRESS) == answer


def test_two_logins_at_once(gate, monkeypatch):
    """As of two processes: the second one replaces nothing, and neither session is ended for it."""
    moved_in(gate, EACH["2b"])
    monkeypatch.setattr(gate.gateway.hub.plugin("passwordless")._flights, "once", lambda _, work: work())
    logins = [gevent.spawn(gate.login) for _ in range(6)]
    gevent.joinall(logins, timeout=60, raise_error=True)
    current = gate.store.account(ADDRESS)
    assert {login.value for login in logins} == {current} and current.secret.startswith("$scrypt$")


@pytest.mark.parametrize("new", ["a new password", None])
def test_the_password_changes_while_it_is_verified(gate, monkeypatch, new):
    account, make = moved_in(gate, EACH["2b"]), Hasher.make
    logins = gate.gateway.hub.plugin("passwordless")

    def late(self, password, generated=False):
        monkeypatch.setattr(Hasher, "make", make)
        if new:
            logins.chatgate_set_password(account, new)
        else:
            gate.gateway.accounts.delete(account)
        return make(self, password, generated)

    monkeypatch.setattr(Hasher, "make", late)
    answer = gate.login()
    assert isinstance(answer, Reply), "the password was right, but is not any more"
    assert wrong(answer) if new else answer.temporary
    if new:
        assert gate.login(password=new).id == account.id


def test_a_full_disk_or_queue_keeps_nobody_out(gate, monkeypatch):
    account = moved_in(gate, EACH["2b"])
    verified = gate.gateway.hub.plugin("passwordless")._verified

    def failing(*_, **__):
        raise StoreFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(gate.store, "set_secret", failing)
        assert gate.login().id == account.id
    verified.forget(account)

    def busy(*_):
        raise Busy

    with monkeypatch.context() as patch:
        patch.setattr(Hasher, "make", busy)
        assert gate.login() == account
    assert gate.store.account(ADDRESS) == account
    verified.forget(account)
    assert gate.login().secret.startswith("$scrypt$"), "another time"


def test_generated_passwords_stay_as_they_are(gate):
    account = gate.create(password="k3b5j2h4g6f8d1s9a7p0q2", generated=True)
    assert gate.login(password="k3b5j2h4g6f8d1s9a7p0q2") == account


# -------------------------------------------------------------------------------- which hashes


def test_what_bcrypt_does_not_look_at(gate):
    long = "x" * 100
    moved_in(gate, bcrypted(long))
    wrong(gate.login(password="x" * 71))
    assert isinstance(gate.login(password=long), Account)


def test_octets_and_long_passwords(gate, secret):
    moved_in(gate, secret)
    for password in ("\udcff", "nul\0", PASSWORD + "\0", "é" * 1024):
        wrong(gate.login(password=password))


CRYPT = ctypes.util.find_library("crypt")


@pytest.mark.skipif(not CRYPT, reason="no libcrypt")
@settings(max_examples=60, deadline=None)
@given(
    password=st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=120),
    salt=st.text("abcXYZ019./", max_size=16),
    kind=st.sampled_from("56"),
    rounds=st.sampled_from(["", "rounds=1000$", "rounds=1043$"]),
)
def test_sha_crypt_is_that_of_libcrypt(password, salt, kind, rounds):
    crypt = ctypes.CDLL(CRYPT).crypt
    crypt.restype = ctypes.c_char_p
    made = crypt(password.encode(), f"${kind}${rounds}{salt}".encode()).decode()
    hashed = foreign.read(made)
    assert hashed.fits(password.encode())
    assert not hashed.fits(password.encode() + b"x")


def test_a_password_that_crypt_would_not_take():
    assert not foreign.read(SHA512).fits(PASSWORD.encode() + bytes(600))
    assert shacrypt.LONGEST == 511


DEAR = {
    "$2b$31$" + "a" * 53: "161061.3 s",
    "$2b$15$" + "a" * 53: "2.5 s",
    "$6$rounds=999999999$salt$" + "a" * 86: "1400.0 s",
    "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$" + "a" * 43: "5.5 s",
    "$argon2id$v=19$m=262144,t=1,p=1$c2FsdHNhbHQ$" + "a" * 43: "269 MB",
    "$argon2id$v=19$m=8000,t=1,p=999$c2FsdHNhbHQ$" + "a" * 43: "1055 MB",  # as many threads
    "$argon2id$v=19$m=8,t=4294967295,p=1$c2FsdHNhbHQ$" + "a" * 43: " s, more than imported_hash_seconds",
    "$argon2id$v=19$m=9999999999,t=9999999999,p=1$c2FsdHNhbHQ$" + "a" * 43: " s, ",
    "$scrypt$ln=99,r=99,p=99$c2FsdA$aGFzaA": "too much",
    "$scrypt$ln=20,r=9,p=1$c2FsdA$aGFzaA": "too much",
    "$scrypt$ln=10,r=90,p=90$c2FsdA$aGFzaA": "",
    "$2x$10$" + "a" * 53: "not known",
    "$1$salt$" + "a" * 22: "not known",
    "$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$" + "a" * 43: "not known",
    "plain text": "not known",
    "": "not known",
}


@pytest.mark.parametrize("secret", DEAR)
def test_what_costs_too_much_is_never_computed(gate, monkeypatch, caplog, secret):
    """The client hears what everybody hears, the operator why."""
    why = Hasher(10, 1, 1).unusable(secret)
    assert (DEAR[secret] in why) if DEAR[secret] else not why
    if not why or not secret:
        return
    ran, timed = [], hashing._timed
    monkeypatch.setattr(hashing, "_timed", lambda work, *args: ran.append(work) or timed(work, *args))
    moved_in(gate, secret)
    assert wrong(gate.login()).text == "Authentication failed: wrong address or password"
    assert ran == [hashing._compute], "the price of any no"
    assert why in caplog.text and ADDRESS not in caplog.text and PASSWORD not in caplog.text


def test_the_operator_may_allow_more():
    (dear,) = (secret for secret, why in DEAR.items() if why == "2.5 s")
    assert not Hasher(10, 1, 1, seconds=2.5).unusable(dear)
    (large,) = (secret for secret, why in DEAR.items() if why == "269 MB")
    assert not Hasher(10, 1, 1, megabytes=270).unusable(large)
    assert PasswordlessOptions().imported_hash_megabytes < 268


@pytest.mark.parametrize(
    "secret",
    [
        "$2b$03$" + "a" * 53,
        "$2b$04$" + "z" * 53,
        "$argon2id$v=19$m=1,t=1,p=8$c2FsdHNhbHQ$" + "a" * 43,
        "$argon2id$v=19$m=64,t=1,p=999$c2FsdHNhbHQ$" + "a" * 43,
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQab$" + "a" * 41,
        "$scrypt$ln=1,r=1,p=1$c2FsdA$aGFzaA",
    ],
)
def test_a_spoilt_hash_is_a_wrong_password(gate, secret):
    moved_in(gate, secret)
    wrong(gate.login())


@settings(max_examples=100, deadline=None)
@given(st.from_regex(r"\A\$(2[aby]|5|6|argon2id|argon2i|scrypt|sha256)\$[a-zA-Z0-9=,./+$]{0,90}\Z"))
def test_any_text_can_be_read(secret):
    hasher = Hasher(10, 1, 1, seconds=0.001, megabytes=1)
    assert not hasher.verify("x", secret)
    assert not hasher.outdated("x" * 20, secret) or foreign.read(secret)


def test_a_library_that_is_too_old(gate, monkeypatch, caplog):
    from cryptography.hazmat.primitives.kdf import argon2

    moved_in(gate, EACH["argon2id"])
    monkeypatch.delattr(argon2, "Argon2id")
    wrong(gate.login())
    assert "has no argon2id" in caplog.text


# -------------------------------------------------------------------------------- what others can see


def test_a_no_takes_as_long_for_all(gate, monkeypatch):
    """The time of computing is part of the time that each refusal takes, whatever was computed."""
    hasher = gate.gateway.hub.plugin("passwordless")._hasher
    waits, took = [], {}

    def timed(work, *arguments):
        result = work(*arguments)
        kind = "scrypt" if work is hashing._compute else "other"
        return result, took[kind]

    monkeypatch.setattr(hashing, "_timed", timed)
    monkeypatch.setattr(hashing.gevent, "sleep", waits.append)
    took |= {"scrypt": 0.05, "other": 0.2}
    hasher._refusal = 0.5
    for number, (kind, secret) in enumerate(EACH.items()):
        address = f"imported{number}@example.org"
        moved_in(gate, secret, address)
        known = wrong(gate.login(address, "a wrong password"))
        computed = 0.05 if kind == "sha256" else 0.2
        assert known.text == "Authentication failed: wrong address or password"
        assert waits.pop() + computed == pytest.approx(0.5)
    gate.login()
    wrong(gate.login(password="a wrong password"))
    assert waits.pop() + 0.05 == pytest.approx(0.5) and not waits


def test_a_dear_hash_makes_each_refusal_later(gate, monkeypatch):
    waits = []
    monkeypatch.setattr(hashing, "_timed", lambda work, *arguments: (False if work is hashing._fits else b"", 0.0))
    monkeypatch.setattr(hashing.gevent, "sleep", waits.append)
    moved_in(gate, "$2b$13$" + "a" * 53)  # 0.6 seconds by its figures
    wrong(gate.login())
    wrong(gate.login("nobodyhas@example.org", "short"))
    assert waits[0] == waits[1] == pytest.approx(1.5 * 75e-6 * 2**13)


def test_the_hub_goes_on_meanwhile(gate):
    salt = base64.b64encode(b"saltsalt").decode()
    digest = shacrypt.sha512_crypt(PASSWORD.encode(), salt[:8].encode(), 100000)
    moved_in(gate, f"$6$rounds=100000${salt[:8]}${digest}")
    login, turns = gevent.spawn(gate.login), 0
    while not login.ready():
        gevent.sleep(0.001)
        turns += 1
    assert isinstance(login.value, Account) and turns > 5


def test_libraries_are_loaded_when_needed():
    program = (
        "import sys; import chatgate_passwordless.plugin; from chatgate_passwordless import foreign; "
        "hashed = foreign.read('$2b$04$' + 'abcdefghijklmnopqrstuu' + 'a' * 31); assert hashed; "
        "assert 'bcrypt' not in sys.modules and 'cryptography' not in sys.modules; hashed.fits(b'x'); "
        "assert 'bcrypt' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    "options", [{"refusal_seconds": -1}, {"imported_hash_seconds": 61}, {"imported_hash_megabytes": -1}]
)
def test_options_that_make_no_sense(options):
    with pytest.raises(ValueError):
        dataclasses.replace(PasswordlessOptions(), **options)


def test_who_imports_is_told_what_will_not_do(gate):
    accounts = gate.gateway.accounts
    for secret in (*EACH.values(), Hasher(10, 1, 1).make("x")):
        assert accounts.secret_problem(secret) == ""
    for secret, why in DEAR.items():
        told = accounts.secret_problem(secret)
        assert why in told and (not secret or secret not in told)
