"""Header edits touch the header alone, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatgate.mail.headers import Prepend, Remove, Replace, edited, fields, split

MAIL = b"A: 1\r\nReceived: x\r\n\tfolded\r\nSubject: hi\r\nSUBJECT: again\r\n\r\nReceived: body\r\n"


def test_remove_takes_every_field_of_the_name_with_its_folded_lines():
    assert edited(MAIL, [Remove("received")]) == b"A: 1\r\nSubject: hi\r\nSUBJECT: again\r\n\r\nReceived: body\r\n"


def test_replace_keeps_the_place_and_leaves_one():
    assert edited(MAIL, [Replace("Subject", "[...]")]).count(b"ubject") == 1
    assert b"folded\r\nSubject: [...]\r\n\r\n" in edited(MAIL, [Replace("Subject", "[...]")])


def test_replace_adds_and_prepend_tops():
    assert edited(b"A: 1\r\n\r\nbody", [Replace("B", "2"), Prepend("C", "3")]) == b"C: 3\r\nA: 1\r\nB: 2\r\n\r\nbody"


@pytest.mark.parametrize("edit", [Prepend("X", "a\r\nEvil: b"), Replace("X\n", "b"), Prepend("X:", "b")])
def test_an_edit_cannot_break_out_of_its_line(edit):
    with pytest.raises(ValueError):
        edited(MAIL, [edit])


@given(st.binary())
def test_nothing_is_lost_in_the_split_and_the_fields(content):
    header, body = split(content)
    assert header + body == content
    assert b"".join(field for _, field in fields(header)) == header


@given(st.lists(st.sampled_from([b"A : 1", b"no field", b" folded: x", b"\tb", b""]).map(lambda line: line + b"\r\n")))
def test_fields_are_lines_with_those_that_continue_them(lines):
    expected: list[bytes] = []
    for line in lines:
        if line[:1] in b" \t" and expected:
            expected[-1] += line
        else:
            expected.append(line)
    found = list(fields(b"".join(lines)))
    assert [field for _, field in found] == expected
    names = {b"A": b"a", b"n": b"", b"\r": b"", b" ": b" folded", b"\t": b""}
    assert [name for name, _ in found] == [names[field[:1]] for field in expected]


@given(st.lists(st.sampled_from([b"A: 1\r\n", b" fold\r\n", b"Subject: s\r\n", b"x\r\n"])), st.binary())
def test_the_body_is_never_touched(lines, body):
    content = b"A: 0\r\n" + b"".join(lines) + b"\r\n" + body
    out = edited(content, [Remove("a"), Replace("Subject", "[...]")])
    assert out.endswith(b"\r\n" + body) and out.count(b"Subject: [...]") >= 1
