"""Addresses, rates and budgets by themselves."""

import pytest
from chatgate_smtp.addresses import host_name, valid
from chatgate_smtp.limits import Budget, Rate, Share
from chatgate_smtp.options import SmtpOptions
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "address",
    [
        "a@b",
        "alice@example.org",
        "Alice.B+tag@Example.ORG",
        "u@[127.0.0.4]",
        "u@[IPv6:2001:db8::1]",
        "u@[ipv6:::1]",
        "x@_cg1.test",
        "!#$%&'*+/=?^_`{|}~-@xn--bcher-kva.example",
        "a" * 64 + "@" + ".".join(["b" * 62] * 4),
    ],
)
def test_addresses_that_are_taken(address):
    assert valid(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "@b",
        "a@",
        "a@@b",
        "a@b@c",
        ".a@b",
        "a.@b",
        "a..b@c",
        "a@b.",
        "a@.b",
        "a@b..c",
        "a@-b",
        "a@b-",
        '"a b"@c',
        "@x,@y:a@b",
        "a b@c",
        " a@b",
        "a@b ",
        "a@b\t",
        "a\0@b",
        "a@b\x7f",
        "ü@b",
        "a@bü",
        "a@[127.0.0.256]",
        "a@[127.1]",
        "a@[IPv6:1.2.3.4]",
        "a@[::1]",
        "a@[IPv6:::1",
        "a@[example.org]",
        "a@127.0.0.1]",
        "a" * 65 + "@b",
        "a@" + ".".join(["b" * 63] * 4) + ".c",
        "a@" + "b" * 64,
    ],
)
def test_addresses_that_are_refused(address):
    assert not valid(address)


@given(st.text(alphabet='ab.@[]<>:,"\\ +-_\r\n\0ü1', max_size=40))
def test_a_valid_address_cannot_break_out_of_a_line(address):
    if valid(address):
        assert address.isascii() and address.isprintable() and address.count("@") == 1
        assert not set(address) & set('<>," \\\r\n')


@pytest.mark.parametrize(
    "name, shown",
    [
        ("example.org", "example.org"),
        ("127.0.0.4", "[127.0.0.4]"),
        ("[127.0.0.4]", "[127.0.0.4]"),
        ("::1", "[IPv6:::1]"),
        ("[::1]", "[IPv6:::1]"),
    ],
)
def test_host_names(name, shown):
    assert host_name(name) == shown


def test_rate_lets_a_burst_through_and_then_the_average():
    rate = Rate(60, 10)
    assert [rate.wait(1, 100.0) for _ in range(12)] == [0] * 10 + [1, 1]
    assert rate.wait(2, 100.0) == 0  # others are not concerned
    assert rate.wait(1, 100.9) == 1
    assert rate.wait(1, 101.0) == 0
    assert rate.wait(1, 101.0) == 1
    assert [rate.wait(1, 1000.0) for _ in range(11)] == [0] * 10 + [1]


@given(st.lists(st.floats(0, 20), max_size=60), st.integers(1, 120), st.integers(1, 10))
def test_rate_never_lets_more_through_than_it_says(pauses, per_minute, burst):
    rate, now, passed = Rate(per_minute, burst), 0.0, []
    for pause in pauses:
        now += pause
        if not rate.wait(7, now):
            passed.append(now)
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - start) * per_minute / 60 + 1e-6


def test_rate_says_how_long_to_wait_and_means_it():
    rate = Rate(7, 2)
    assert not rate.wait(1, 0.0) and not rate.wait(1, 0.0)
    seconds = rate.wait(1, 0.0)
    assert rate.wait(1, float(seconds)) == 0


def test_rate_forgets_those_at_rest():
    rate = Rate(60, 10)
    for key in range(10000):
        assert rate.wait(key, key * 0.1) == 0
        assert len(rate._at_rest) <= 1024
    rate.forget(9999)
    rate.forget(9999)
    assert 9999 not in rate._at_rest


def test_shares_of_a_budget():
    budget = Budget(100)
    with Share(budget) as one, Share(budget) as two:
        assert one.become(60) and not two.become(50) and two.become(40)
        assert budget.free == 0
        assert one.become(10) and two.become(90)
    assert budget.free == 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_user_send_per_minute": 0},
        {"max_user_send_burst_size": 0},
        {"max_recipients": 0},
        {"max_command_bytes": 100},
        {"max_line_bytes": 500},
    ],
)
def test_options_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SmtpOptions(**wrong)
