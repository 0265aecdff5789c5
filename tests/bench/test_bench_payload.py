"""The messages of the benchmark are ones that a chatmail server must take."""

import base64
import email
import email.policy

import pytest
from chatgate_gate import openpgp
from hypothesis import given
from hypothesis import strategies as st

from contrib.bench.payload import Messages, armored, crc24, encrypted_body, packet


def test_crc24_of_the_usual_check_string():
    assert crc24(b"123456789") == 0x21CF02


@given(st.binary(min_size=1, max_size=2000))
def test_armor_gives_back_the_packets_and_their_checksum(packets):
    lines = armored(packets).split(b"\r\n")
    assert lines[0] == b"-----BEGIN PGP MESSAGE-----" and lines[1] == b""
    assert lines[-2:] == [b"-----END PGP MESSAGE-----", b""]
    assert base64.b64decode(b"".join(lines[2:-3]), validate=True) == packets
    assert lines[-3] == b"=" + base64.b64encode(crc24(packets).to_bytes(3, "big"))
    assert max(map(len, lines[2:-3])) <= 64


@pytest.mark.parametrize(
    ("size", "length"),
    [(191, b"\xbf"), (192, b"\xc0\x00"), (8383, b"\xdf\xff"), (8384, b"\xff\x00\x00\x20\xc0")],
)
def test_packet_lengths_of_each_form(size, length):
    made = packet(18, bytes(size))
    assert made[:1] == b"\xd2" and made[1:-size] == length


@pytest.mark.parametrize("size", [700, 4096, 65_536, 300_000])
def test_a_message_is_an_encrypted_one_of_about_its_size(size):
    content = Messages((size,), variants=1).message(7, "sender@example.org", ["one@example.org", "two@example.org"])
    # The smallest frame alone has 750 octets.
    assert abs(len(content) - size) < max(size * 0.02, 600)
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert message.get_content_type() == "multipart/encrypted" and not message.defects
    version, data = message.iter_parts()
    assert version.get_content().strip() in (b"Version: 1", "Version: 1")
    assert data.get_content_type() == "application/octet-stream"
    armor = data.get_payload()
    octets = base64.b64decode(armor.split("\r\n\r\n" if "\r\n" in armor else "\n\n")[1].partition("\n=")[0])
    assert octets[0] == 0xC0 | openpgp.PKESK
    assert octets[2 + octets[1]] == 0xC0 | openpgp.SEIPD


@pytest.mark.parametrize("size", [700, 4096, 300_000])
def test_it_can_be_sent_as_it_is(size):
    """No dot-stuffing, no line too long, no bare CR or LF, CRLF at the end."""
    content = Messages((size,), variants=1).message(1, "s@example.org", [f"r{i}@example.org" for i in range(100)])
    assert content.endswith(b"\r\n") and content.count(b"\r\n") == content.count(b"\r") == content.count(b"\n")
    lines = content.split(b"\r\n")
    assert not any(line.startswith(b".") for line in lines) and max(map(len, lines)) <= 998


def test_number_is_found_again_and_only_in_the_same_run():
    messages, others = Messages((4096,)), Messages((4096,))
    content = messages.message(41, "s@example.org", ["r@example.org"])
    header, _, body = content.partition(b"\r\n\r\n")
    assert messages.number(b"Received: from x\r\n" + header.replace(b"Message-ID", b"message-id")) == 41
    assert others.number(header) is None
    assert body == messages.body(41) != messages.body(42)


def test_bodies_differ_from_each_other():
    assert encrypted_body(4096, "b") != encrypted_body(4096, "b")
