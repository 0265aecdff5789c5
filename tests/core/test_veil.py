"""Networks are hidden under a key of the day, which processes on one folder share."""

import stat
import threading

from hypothesis import given
from hypothesis import strategies as st

from chatgate.network.veil import Veil

DAY = 86400


def test_processes_and_restarts_agree_within_a_day_and_nobody_after_it(tmp_path):
    path, now = tmp_path / "data" / "network-key", [100 * DAY + 5.0]
    one, other = (Veil(path, lambda: now[0]) for _ in range(2))
    first = one.hidden("192.0.2.0/24")
    assert other.hidden("192.0.2.0/24") == first == Veil(path, lambda: now[0]).hidden("192.0.2.0/24")
    assert other.hidden("198.51.100.0/24") != first and one.hidden("") == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    old = path.read_bytes()
    now[0] += DAY
    second = one.hidden("192.0.2.0/24")
    assert second != first and second == other.hidden("192.0.2.0/24")
    assert old[8:] not in path.read_bytes(), "nobody can find out any more who it was"


def test_at_midnight_who_is_late_takes_the_new_key(tmp_path):
    early = Veil(tmp_path / "key", lambda: 101.0 * DAY)
    late = Veil(tmp_path / "key", lambda: 101.0 * DAY - 0.1)
    assert early.hidden("x") == late.hidden("x") == early.hidden("x")


def test_a_clock_that_was_wrong_leaves_no_key_for_years(tmp_path):
    wrong = Veil(tmp_path / "key", lambda: 9000.0 * DAY).hidden("x")
    assert Veil(tmp_path / "key", lambda: 100.0 * DAY).hidden("x") != wrong


@given(st.binary(max_size=50))
def test_a_spoilt_file_is_made_anew(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("veil") / "key"
    path.write_bytes(content)
    hidden = {Veil(path, lambda: 100.0 * DAY).hidden("x") for _ in range(3)}
    assert len(hidden) == 1


def test_many_at_once_make_one_key(tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(Veil(tmp_path / "key").hidden("x"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20 and len(set(found)) == 1


def test_without_a_file_it_goes_on_alone(tmp_path, caplog):
    (tmp_path / "key").mkdir()
    veil = Veil(tmp_path / "key")
    assert veil.hidden("x") == veil.hidden("x") and "not shared" in caplog.text
