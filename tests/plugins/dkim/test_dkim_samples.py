"""The examples of the RFCs, and mail that others have signed."""

import base64

import pytest
from chatgate_dkim import signature, verifying
from chatgate_dkim.message import Message

from tests.plugins.dkim.sample import MAIL

RSA_6376 = (
    b"v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCj"
    b"xOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcW"
    b"ToIMmPSPDdQPNUYckcQ2QIDAQAB"
)
ED25519_8463 = b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
RSA_8463 = (
    b"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOK"
    b"b2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBf"
    b"O2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
)
# OpenDKIM 2.11 as chatmail relays set it up: relaxed/simple, oversigned.
OPENDKIM = (
    b"v=DKIM1;k=rsa;p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxZit0dFtb7i8Bg11aK+9ExmufdixNCVSrajpFXS3"
    b"8LD7zxIma09Xf99bBMp7+03PZ7UQnp9MmcoLOiISKJNNt7KkVXOICqPoWv6LtCk3yTaN2/QdYOSI9AnClVVS9l6q9dqSO+C4PCQF"
    b"wCsAIzA7eYWBjmSlv8vbUrhbdPaM9ORFKLoERt9mY6wKNuTRm2uAuZOHdgrnywhmtaH7a658AafRc3eBzN6lzszBrnFKZoXu/oEN"
    b"/sisvsHLh9mtKt4DBfy5uRZGoVWl9KvAB1RYc/GvGBLnoSLv4i1INo4IHo79iiiDWrkvC7PVHHIxOLsuQRWLXWLZhAU8IKumFSUS"
    b"PwIDAQAB;s=email;t=s"
)
SAMPLES = [
    ("dkim-rfc6376.eml", 0, RSA_6376),
    ("dkim-rfc8463.eml", 0, ED25519_8463),
    ("dkim-rfc8463.eml", 1, RSA_8463),
    ("dkim-opendkim.eml", 0, OPENDKIM),
]


@pytest.mark.parametrize(("name", "which", "text"), SAMPLES)
def test_it_is_right(name, which, text):
    content = (MAIL / name).read_bytes()
    message = Message(content)
    claim = signature.parse(message.named(b"dkim-signature")[which])
    assert not verifying.verify(message, claim, text)
    for old, new in ((b"From: ", b"From: a"), (b"\r\n\r\n", b"\r\n\r\na")):
        message = Message(content.replace(old, new, 1))
        assert verifying.verify(message, claim, text)


def test_the_bare_rsa_key_that_the_rfc_names():
    """RFC 6376 §3.6.1 asks for RSAPublicKey, though its own examples, and everybody, have SubjectPublicKeyInfo."""
    der = base64.b64decode(RSA_6376.partition(b"p=")[2])
    bare = b"p=" + base64.b64encode(der[der.index(b"\x03\x81\x8d\x00") + 4 :])
    message = Message((MAIL / "dkim-rfc6376.eml").read_bytes())
    assert not verifying.verify(message, signature.parse(message.fields[0][1]), bare)
