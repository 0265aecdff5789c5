"""The self-test against a server with any of the faults it is there to find."""

import time

import gevent
import pytest
from chatgate_turn import stun
from chatgate_turn.credentials import make_credentials
from chatgate_turn.probe import ProbeError, probe
from turn_fakes import SECRET


def ask(fake, seconds=5.0, host="127.0.0.1", life=600):
    return probe(host, fake.port, make_credentials(SECRET, int(time.time() + life)), seconds)


def reason(fake, **arguments):
    with pytest.raises(ProbeError) as raised:
        ask(fake, **arguments)
    return str(raised.value)


def test_a_sound_server_passes_and_gets_its_allocation_back(fake):
    fake.start()
    assert ask(fake) == fake.relayed
    assert (fake.allocated, fake.released, fake.bound) == (1, 1, 1)


@pytest.mark.parametrize("trouble", [{"lose": 1}, {"stale": 1}, {"foreign": True}])
def test_what_every_client_must_stand_does_not_fail_it(fake, trouble):
    vars(fake).update(trouble)
    fake.start()
    assert ask(fake) == fake.relayed


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ({"secret": "another-secret-0123456789"}, "static-auth-secret is another one"),
        ({"open": True}, "relays for anybody"),
        ({"unsigned": True}, "not signed"),
        ({"stale": 9}, "error 438"),
        ({"error": 486}, "quota"),
        ({"error": 508}, "all its relay ports"),
        ({"error": 300}, "error 300"),
        ({"stun": 401}, "no STUN requests"),
        ({"without": (stun.NONCE,)}, "missing"),
        ({"without": (stun.XOR_RELAYED_ADDRESS,)}, "missing"),
        ({"without": (stun.XOR_MAPPED_ADDRESS,)}, "missing"),
    ],
)
def test_each_fault_is_named(fake, trouble, words):
    vars(fake).update(trouble)
    fake.start()
    assert words in reason(fake)
    assert fake.allocated == fake.released


def test_a_server_that_answers_no_stun_is_named(fake):
    fake.stun = False
    fake.start()
    assert "no STUN requests" in reason(fake, seconds=1)


def test_expired_credentials_fail(fake):
    fake.start()
    assert "clock" in reason(fake, life=-60)


def test_a_closed_port_is_known_at_once(fake):
    assert "refused" in reason(fake, seconds=60).lower()


def test_a_server_that_hangs_fails_it_and_no_other_greenlet_waits(fake):
    fake.silent = True
    fake.start()
    turns = []

    def others():
        while True:
            turns.append(len(turns))
            gevent.sleep(0.01)

    other = gevent.spawn(others)
    assert "does not answer" in reason(fake, seconds=1)
    other.kill()
    assert len(turns) > 10


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70 + ".example"])
def test_a_name_without_an_address_is_a_reason(fake, host):
    assert reason(fake, host=host)
