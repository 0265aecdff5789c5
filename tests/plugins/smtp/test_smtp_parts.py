"""Addresses and budgets by themselves."""

import pytest
from chatgate_smtp.addresses import host_name, valid
from chatgate_smtp.limits import Budget, Share
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
