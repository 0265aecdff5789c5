import pytest
from chatgate_smtp import data as module
from chatgate_smtp.data import BARE, LINE_TOO_LONG, TOO_BIG, Data
from hypothesis import given
from hypothesis import strategies as st

from chatgate.api import Reply

# What tears readers of DATA apart: line ends, halves of them, dots, and a little text.
PIECES = st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"..", b"x", b"\r\n.", b"abc", b"\0"]), max_size=40)


def fed(chunks, limit=10**6, max_line=1000):
    """(message or refusal, what follows it); None while the end has not come."""
    data = Data(limit)
    for number, chunk in enumerate(chunks):
        if data.feed(chunk):
            return data.content(max_line), data.rest + b"".join(chunks[number + 1 :])
    return None


def reference(stream, limit=10**6, max_line=1000):
    """The same, a line at a time and an octet at a time."""
    lines, rest = [], stream
    while True:
        line, end, rest = rest.partition(b"\r\n")
        if not end:
            return None
        if line == b".":
            break
        lines.append(line)
    if any(b"\r" in line or b"\n" in line for line in lines):
        refusal = BARE
    elif any(len(line) + 2 > max_line for line in lines):
        refusal = LINE_TOO_LONG
    else:
        refusal = None
    content = b"".join((line[1:] if line.startswith(b".") else line) + b"\r\n" for line in lines)
    if len(content) > limit:
        return TOO_BIG, rest
    return refusal or content, rest


def cut(stream, places):
    places = sorted({min(place, len(stream)) for place in places})
    return [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]


@given(PIECES, st.lists(st.integers(0, 80)), st.booleans())
def test_chunking_makes_no_difference(pieces, places, ended):
    stream = b"".join(pieces) + (b"\r\n.\r\nNOOP\r\n" if ended else b"")
    chunks = [chunk for chunk in cut(stream, places) if chunk]
    assert fed(chunks) == reference(stream)


@given(PIECES, st.lists(st.integers(0, 80)), st.integers(0, 40), st.integers(2, 12))
def test_limits_are_exact_whatever_the_chunks(pieces, places, limit, max_line):
    stream = b"".join(pieces) + b"\r\n.\r\n"
    chunks = [chunk for chunk in cut(stream, places) if chunk]
    got, wanted = fed(chunks, limit, max_line), reference(stream, limit, max_line)
    assert got[1] == wanted[1]
    if got[0] != wanted[0]:
        # Several things may be wrong with one message; then any of them is a fair answer.
        assert isinstance(got[0], Reply) and isinstance(wanted[0], Reply)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_any_octets_stuffed_as_clients_do_come_out_as_they_were(content, places):
    lines = content.replace(b"\r", b"").split(b"\n")
    sent = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b"\r\n.\r\n"
    chunks = [chunk for chunk in cut(sent, places) if chunk]
    assert fed(chunks) == (b"\r\n".join(lines) + b"\r\n", b"")


@pytest.mark.parametrize(
    "stream, content",
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...\r\n..x\r\n.\r\n", b"..\r\n.x\r\n"),
        (b".x\r\n.\r\n", b"x\r\n"),
    ],
)
def test_dots(stream, content):
    for size in range(1, len(stream) + 1):
        chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert fed(chunks) == (content, b"")


def test_nothing_is_kept_beyond_the_limit():
    data = Data(1000)
    for _ in range(100):
        assert not data.feed(b"x" * 98 + b"\r\n")
        assert data.held <= 1004
    assert data.received == 10000 and data.held == 0 and data.refusal is TOO_BIG
    assert data.feed(b".\r\n") and data.content(1000) is TOO_BIG


def test_stuffing_does_not_count():
    stuffed = b"..\r\n" * 100
    assert fed([stuffed, b".\r\n"], limit=300)[0] == b".\r\n" * 100
    assert fed([stuffed, b".\r\n"], limit=299)[0] == TOO_BIG


@given(st.lists(st.integers(0, 12), max_size=30), st.integers(2, 14))
def test_line_lengths_are_found_without_looking_at_each_line(lengths, limit):
    raw = b"".join(b"x" * length + b"\r\n" for length in lengths)
    assert module._lines_fit(raw, limit) == all(length + 2 <= limit for length in lengths)
