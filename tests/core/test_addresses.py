"""What can be an address, and how it is spelled."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatgate.addresses import address_literal, normal_address, valid_address


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
    assert valid_address(address)


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
    assert not valid_address(address)


@given(st.text(alphabet='ab.@[]<>:,"\\ +-_\r\n\0ü1', max_size=40))
def test_a_valid_address_cannot_break_out_of_a_line(address):
    if valid_address(address):
        assert address.isascii() and address.isprintable() and address.count("@") == 1
        assert not set(address) & set('<>," \\\r\n')


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("example.org", None),
        ("", None),
        ("127.0.0.4", "[127.0.0.4]"),
        ("[127.0.0.4]", "[127.0.0.4]"),
        ("127.0.0.04", None),
        ("127.1", None),
        ("::1", "[IPv6:::1]"),
        ("[::1]", "[IPv6:::1]"),
        ("[ipv6:2001:DB8:0:0::1]", "[IPv6:2001:db8::1]"),
        ("fe80::1%eth0", None),
        ("[127.0.0.4", None),
        ("[[127.0.0.4]]", None),
    ],
)
def test_address_literals(text, literal):
    assert address_literal(text) == literal


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("u@127.0.0.1", "u@[127.0.0.1]"),
        ("u@[127.0.0.1]", "u@[127.0.0.1]"),
        ("u@::1", "u@[IPv6:::1]"),
        ("u@[::1]", "u@[IPv6:::1]"),
        ("u@[ipv6:0:0::1]", "u@[IPv6:::1]"),
        ("U@Example.org", "U@Example.org"),
        ("u@host1", "u@host1"),
        ("u@256.0.0.1", "u@256.0.0.1"),
        ("u@", "u@"),
        ("", ""),
    ],
)
def test_one_spelling(typed, normal):
    assert normal_address(typed) == normal


@given(st.ip_addresses(), st.sampled_from(["{}", "[{}]", "IPv6:{}", "[IPv6:{}]", "[ipv6:{}]"]))
def test_all_spellings_of_an_address_are_one(address, form):
    if address.version == 4 and "v6" in form:
        return
    for text in {str(address), address.exploded, str(address).upper()}:
        found = normal_address(f"u@{form.format(text)}")
        assert found == normal_address(f"u@{address}") == normal_address(found) and valid_address(found)
        assert ipaddress.ip_address(found[3:-1].removeprefix("IPv6:")) == address


@given(st.text(max_size=30))
def test_anything_has_one_spelling(text):
    assert normal_address(normal_address(text)) == normal_address(text)
