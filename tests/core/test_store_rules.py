"""What all stores do alike with addresses, names, flags and headers."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatgate.api import Impossible, LimitReached, Reply, StoreError, Usage
from chatgate.store import rules

names = st.text(st.sampled_from("iInNbBoOxX/ äÄ\t%"), max_size=12) | st.text(max_size=300)
flags = st.frozensets(st.text(st.sampled_from("\\sSeEnRctaä $"), max_size=7), max_size=5)


@given(st.text(max_size=40) | st.sampled_from(["U@127.0.0.1", "u@[ipv6:::1]", "u@::1", "A@B.example", "İ@x.de"]))
def test_a_key_is_its_own_key(text):
    key = rules.address_key(text)
    assert rules.address_key(key) == key == key.lower()


@given(names)
@example("inbox")
@example("Inbox/Sub")
def test_a_name_has_one_form(name):
    kept = rules.mailbox_name(name)
    assert rules.mailbox_name(kept) == kept and len(kept) == len(name) and kept.lower() == name.lower()
    assert kept == name or kept.partition("/")[0] == "INBOX"
    try:
        assert rules.new_mailbox_name(name) == kept
    except Impossible:
        assert not (name and name.isascii() and name.isalpha() and len(name) < 256)
    else:
        assert 0 < len(kept.encode()) <= rules.LONGEST_NAME and "//" not in f"/{kept}/"


def test_which_names_are_inside_others():
    assert rules.inside("a/b", "a") and rules.inside("a/b/c", "a") and rules.inside("INBOX/a", "INBOX")
    assert not any(rules.inside(name, "a") for name in ("a", "ab", "ab/c", "A/b", "b/a"))
    assert sorted(["Z", "a", "INBOX/a", "INBOX", "Äpfel"], key=rules.mailbox_order) == [
        "INBOX",
        "INBOX/a",
        "Z",
        "a",
        "Äpfel",
    ]


@given(flags)
def test_flags_have_one_form(given_flags):
    try:
        kept = rules.normal_flags(given_flags)
    except Impossible:
        assert any(not flag or " " in flag or not flag.isascii() for flag in given_flags)
        return
    assert rules.normal_flags(kept) == kept and "\\Recent" not in kept
    assert {flag for flag in given_flags if flag[0] != "\\"} == {flag for flag in kept if flag[0] != "\\"}
    assert all(flag == "\\" + flag[1:].capitalize() for flag in kept if flag[0] == "\\")


@pytest.mark.parametrize("many", [{f"$k{number}" for number in range(51)}, {"x" * 501, "y" * 500}])
def test_flags_that_are_too_many(many):
    for check in (rules.normal_flags, rules.few_flags):
        with pytest.raises(LimitReached):
            check(frozenset(many))
    few = frozenset(sorted(many)[1:])
    assert rules.few_flags(few) == rules.normal_flags(few) == few


@given(st.lists(st.sampled_from([b"\r\n", b"\n", b"A: b", b"\x00"]), max_size=9).map(b"".join))
def test_a_header_ends_behind_its_empty_line(content):
    header, body = content[: rules.header_size(content)], content[rules.header_size(content) :]
    assert (
        header == b"\r\n" if content.startswith(b"\r\n") else header.count(b"\r\n\r\n") == header.endswith(b"\r\n\r\n")
    )
    assert not body or header.endswith(b"\r\n\r\n") or header == b"\r\n"


def test_what_another_server_said_is_one_short_line():
    kept = rules.kept_reply(Reply(451, "4.3.0", " come\r\n again " + "x" * 600, "LIMIT"))
    assert kept.text.startswith("come again xxx") and len(kept.text) == 500
    assert (kept.code, kept.enhanced, kept.imap) == (451, "4.3.0", "")


def test_each_kind_of_refusal_has_a_text():
    kinds, seen = [StoreError], set()
    while kinds:
        kind = kinds.pop()
        if kind not in seen:
            seen.add(kind)
            kinds += kind.__subclasses__()
            assert str(kind()) and str(kind("why")) == "why" and kind.__doc__
    assert len(seen) >= 12


@pytest.mark.parametrize(
    ("usage", "octets", "messages", "room"),
    [
        (Usage(10, 1, 0, 0), 1 << 60, 1 << 30, True),
        (Usage(10, 1, 20, 2), 10, 1, True),
        (Usage(10, 1, 20, 2), 11, 1, False),
        (Usage(10, 1, 20, 2), 0, 2, False),
        (Usage(30, 3, 20, 2), 0, 0, False),
        (Usage(30, 1, 0, 2), 5, 1, True),
    ],
)
def test_who_has_room(usage, octets, messages, room):
    assert usage.has_room(octets, messages) is room
