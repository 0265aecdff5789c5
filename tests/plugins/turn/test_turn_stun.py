"""Messages, held against the test vectors of RFC 5769 and against damage."""

import ipaddress

import pytest
from chatgate_turn import stun
from hypothesis import given
from hypothesis import strategies as st

# RFC 5769 §2.4: a request with long-term credentials.
REQUEST = bytes.fromhex(
    "000100602112a44278ad3433c6ad72c029da412e"
    "00060012e3839ee38388e383aae38383e382afe382b90000"
    "0015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f726700"
    "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666"
)
KEY = stun.long_term_key("マトリックス", b"example.org", "TheMatrIX")

# RFC 5769 §2.2 and §2.3: answers with IPv4 and IPv6 addresses, signed with a short-term password, then FINGERPRINT.
PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
ANSWER = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
ANSWER_6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)


def test_a_request_is_built_and_read_as_in_the_rfc():
    message = stun.parse(REQUEST)
    assert message.get(stun.REALM) == b"example.org" and message.get(stun.USERNAME).decode() == "マトリックス"
    assert stun.signed(REQUEST, KEY) and not stun.signed(REQUEST, b"another")
    attributes = [(kind, value) for kind, value in message.attributes if kind != stun.MESSAGE_INTEGRITY]
    assert stun.build(0x0001, message.transaction, attributes, KEY) == REQUEST


@pytest.mark.parametrize(
    ("datagram", "address"), [(ANSWER, "192.0.2.1"), (ANSWER_6, "2001:db8:1234:5678:11:2233:4455:6677")]
)
def test_answers_are_read_as_in_the_rfc(datagram, address):
    message = stun.parse(datagram)
    assert message.type == 0x0101 and message.error == 0
    assert message.address(stun.XOR_MAPPED_ADDRESS) == (ipaddress.ip_address(address), 32853)
    assert stun.signed(datagram, PASSWORD)


kinds = st.integers(0, 0xFFFF).filter(lambda kind: kind != stun.MESSAGE_INTEGRITY)
attributes = st.lists(st.tuples(kinds, st.binary(max_size=40)), max_size=6)


@given(st.integers(0, 0x3FFF), st.binary(min_size=12, max_size=12), attributes, st.binary(max_size=20))
def test_what_is_built_is_read_back(kind, transaction, attributes, key):
    datagram = stun.build(kind, transaction, attributes, key)
    message = stun.parse(datagram)
    assert (message.type, message.transaction) == (kind, transaction)
    assert list(message.attributes)[: len(attributes)] == attributes
    assert stun.signed(datagram, key) is bool(key)


@given(attributes, st.data())
def test_a_changed_bit_breaks_the_signature(attributes, data):
    datagram = bytearray(stun.build(stun.ALLOCATE, bytes(12), attributes, b"key"))
    bit = data.draw(st.integers(0, len(datagram) * 8 - 1))
    datagram[bit // 8] ^= 1 << bit % 8
    try:
        stun.parse(bytes(datagram))
        intact = stun.signed(bytes(datagram), b"key")
    except ValueError:
        intact = False
    assert not intact


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=80).map(lambda b: stun._header(1, len(b), bytes(12)) + b)))
def test_octets_from_anywhere_are_a_message_or_a_value_error(datagram):
    try:
        message = stun.parse(datagram)
        stun.signed(datagram, b"key")
        _ = message.error, message.address(stun.XOR_RELAYED_ADDRESS)
    except ValueError:
        pass


@given(st.ip_addresses(), st.integers(0, 65535), st.binary(min_size=12, max_size=12))
def test_addresses_come_back(address, port, transaction):
    value = stun.xor_address(address, port, transaction)
    assert stun.Message(0x0101, transaction, ((0x20, value),)).address(0x20) == (address, port)


@pytest.mark.parametrize("cut", range(len(ANSWER)))
def test_a_cut_off_message_is_none(cut):
    with pytest.raises(ValueError):
        stun.parse(ANSWER[:cut])


def test_error_codes():
    message = stun.Message(stun.ALLOCATE | stun.ERROR, bytes(12), ((stun.ERROR_CODE, b"\0\0\x04\x26Stale Nonce"),))
    assert message.error == 438
    with pytest.raises(ValueError):
        _ = stun.Message(stun.ALLOCATE | stun.ERROR, bytes(12), ()).error
