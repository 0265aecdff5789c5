"""The state of a transaction: frozen, but for what grows by its own rules."""

import pytest

from chatgate.api import Envelope, Outgoing
from chatgate.mail.envelope import _MOST_HOPS


@pytest.mark.parametrize("field", ["sender", "recipients", "content", "origin", "id", "size", "destinations"])
def test_no_field_is_set_in_passing(field):
    with pytest.raises(AttributeError):
        setattr(Envelope(), field, "x")


def test_the_content_comes_into_the_same_transaction():
    before = Envelope("a@d.test", ["b@d.test"], origin="account", size=7)
    before.destinations["b@d.test"] = Outgoing("b@d.test", "d.test")
    after = before.with_content(b"x")
    for field in ("sender", "recipients", "origin", "id", "size", "destinations", "refused", "results"):
        assert getattr(after, field) is getattr(before, field)
    assert (before.content, after.content) == (b"", b"x")


@pytest.mark.parametrize(
    ("content", "hops"),
    [
        (b"", 0),
        (b"Received: a\r\nreceived : b\r\nX: Received:\r\n c\r\nRECEIVED\t:d\r\n\r\nReceived: e\r\n", 3),
        (b"Received: a\r\n Received: folded\r\nReceived-SPF: b", 1),
        (b"\r\nReceived: a", 0),
        (b"Received: a\r\n" * 5000, _MOST_HOPS),
    ],
)
def test_hops(content, hops):
    assert Envelope(content=content).hops == hops
