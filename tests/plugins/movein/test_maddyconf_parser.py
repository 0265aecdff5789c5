"""maddy.conf as Maddy reads it, and what it can be made to cost."""

import os
import string
from pathlib import Path

import pytest
from chatgate_movein.maddyconf.files import MaddyError
from chatgate_movein.maddyconf.lexer import words
from chatgate_movein.maddyconf.parser import parse
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture
def read(tmp_path):
    """Parse a text, and give its directives as nested lists."""

    def reader(text, environ=None, **files):
        for name, content in files.items():
            (tmp_path / f"{name}.conf").write_text(content)
        path = tmp_path / "maddy.conf"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return plain(parse(path, environ or {}).nodes)

    return reader


def plain(nodes):
    return [[node.name, *node.args, *([] if node.block is None else [plain(node.block)])] for node in nodes]


def lexed(text):
    return [(word.text, word.line) for word in words(text)]


# -------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b\nc", [("a", 1), ("b", 1), ("c", 2)]),
        ('a "b c" d', [("a", 1), ("b c", 1), ("d", 1)]),
        ('a "b\nc" d\ne', [("a", 1), ("b\nc", 1), ("d", 2), ("e", 3)]),
        (r'"a\"b\\c\n"', [(r"a\"b\\c\n".replace(r"\"", '"'), 1)]),
        ('""', [("", 1)]),
        ('"a"b', [("a", 1), ("b", 1)]),
        ('a"b c"', [('a"b', 1), ('c"', 1)]),
        ("# a b\nc # d", [("c", 2)]),
        ("a#b c\nd", [("a", 1), ("c", 1), ("d", 2)]),  # a comment that touches a word ends at the next space
        ("a\rb\r\nc", [("ab", 1), ("c", 2)]),
        ("\ufeffa\u3000b\x85c", [("a", 1), ("b", 1), ("c", 1)]),
        ('a "b', [("a", 1), ("b", 1)]),
        ('a "', [("a", 1)]),
        ("", []),
    ],
)
def test_words(text, expected):
    assert lexed(text) == expected


_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=200)


@given(_text)
def test_words_take_each_letter_once(text):
    found = lexed(text)
    assert sum(len(word) for word, _ in found) <= len(text)
    assert all(1 <= line <= text.count("\n") + 1 for _, line in found)
    assert [line for _, line in found] == sorted(line for _, line in found)


_quotable = st.text(st.characters(exclude_categories=("Cs",), exclude_characters='\\"\0'), max_size=20)


@given(st.lists(_quotable, max_size=9))
def test_quoted_words_come_back(texts):
    assert [text for text, _ in lexed(" ".join(f'"{text}"' for text in texts))] == texts


# -------------------------------------------------------------------------------- directives


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b c\nd", [["a", "b", "c"], ["d"]]),
        ("a {\n b\n c d\n}\ne", [["a", [["b"], ["c", "d"]]], ["e"]]),
        ("a { }\nb {\n}", [["a", []], ["b", []]]),
        ("a { b c }\nd", [["a", [["b", "c"]]], ["d"]]),
        ("a {\n b { c }\n}", [["a", [["b", [["c"]]]]]]),
        ("a b \\\n  c \\\n d\ne", [["a", "b", "c", "d"], ["e"]]),
        ('a "b\nc" {\n d\n}', [["a", "b\nc", [["d"]]]]),
        ("$(x) = 1 2\na $(x) $(y)\nb z", [["a", "1", "2"], ["b", "z"]]),
        ("$(x) = 1\n$(y) = a$(x)b\nc $(y)/$(x)", [["c"]]),  # it begins and ends as one macro, which is unknown
        ("$(x) = 1\n$(y) = a$(x)b\nc /$(y)/$(x)", [["c", "/a1b/1"]]),
        ("$(x) = 1\na b$(y)c", [["a", "bc"]]),
        ("a $(x)\n$(x) = 1", [["a"]]),
        ("(s) {\n b\n}\na {\n import s\n}\nimport s", [["a", [["b"]]], ["b"]]),
        ("(s) {\n import t\n}\n(t) {\n b\n}\nimport s", [["b"]]),
        ("a {env:HERE} x{env:THERE}y {env:OPEN", [["a", "there", "xy", "{env:OPEN"]]),
    ],
)
def test_directives(read, text, expected):
    assert read(text, {"HERE": "there"}) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a {", ":1: the file ends within a block"),
        ("a\nb {\n c {\n }\n", "the file ends within a block"),
        ("a\n}", ":2: a } without its {"),
        ("a { b { c } }", "the file ends within a block"),
        ("a { } b", ":1: after a } the line must end"),
        ("\n{", ":2: a { without a directive"),
        ("a\n1b", ":2: the name of a directive begins with a digit"),
        ("a/b", "'/' in the name"),
        ('"" a', "without a name"),
        ("$(a) b", "$(name) = value"),
        ("$(a) =", "$(name) = value"),
        ("$(a = b", "ends with )"),
        ("a {\n $(b) = c\n}", "macros can be declared only outside"),
        ("a {\n (b) {\n }\n}", "snippets can be declared only outside"),
        ("(a) b {\n}", "has no arguments"),
        ("$(a) = 1 2\nb x$(a)", ":2: the macro 'a' has several values"),
        ("import", "import takes one name"),
        ("\nimport nothing", ":2: no snippet or file of the name 'nothing'"),
        ("(a) {\n import a\n}\nimport a", "imports within imports, more than 30"),
        ("import maddy", "imports within imports, more than 30"),
        ("a {\n" * 150, "blocks within blocks, more than 100 deep"),
        (b"a\nb\0c", ":2: not text: a zero octet"),
        ("a b".encode("utf-16"), ":1: not text in UTF-8"),
        (b"a\nb\n\xff", ":3: not text in UTF-8"),
        (b"a " * 600_000, "larger than 1000000 octets"),
    ],
)
def test_mistakes_are_named_with_file_and_line(read, text, error):
    with pytest.raises(MaddyError) as raised:
        read(text)
    assert error in str(raised.value) and "maddy.conf:" in str(raised.value)


def test_imported_files(read):
    assert read("import one\nimport three", one="(three) {\n c\n}\nb\nimport two\n", two="d") == [["b"], ["d"], ["c"]]
    with pytest.raises(MaddyError, match="no snippet or file of the name 'three'"):
        read("(three) {\n c\n}\nimport one", one="import three")  # a file does not know the snippets of its importer
    with pytest.raises(MaddyError, match=r"one\.conf:2: a } without"):
        read("import one", one="a\n}")


def test_what_is_not_a_file(read, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "/dev/zero", ".", "x" * 300):
        with pytest.raises(MaddyError, match=r"not a file|cannot read|no snippet or file"):
            read(f"import {name}")


DOUBLING = {
    "macros": "$(a) = x x\n" + "$(a) = $(a) $(a)\n" * 60 + "b $(a)",
    "macros in words": "$(a) = xx\n" + "$(a) = -$(a)$(a)-\n" * 60 + "b $(a)",
    "snippets": "(a0) {\n b\n}\n"
    + "".join(f"(a{n + 1}) {{\n import a{n}\n import a{n}\n}}\n" for n in range(25))
    + "import a25",
    "a long macro everywhere": f"$(a) = {'x' * 60_000}\n" + "b $(a)\n" * 10_000,
    "a long variable everywhere": "b {env:LONG}\n" * 15_000,
    "files": "import maddy\n" * 5,
}


@pytest.mark.parametrize("text", DOUBLING.values(), ids=DOUBLING)
def test_a_few_lines_cannot_be_any_amount_of_text(read, text):
    with pytest.raises(MaddyError, match="more than"):
        read(text, {"LONG": "y" * 60_000})


_pieces = st.lists(
    st.sampled_from(
        ["a", "import", "s", "(s)", "{", "}", "\n", " ", '"', "\\", "#", "$(x)", "=", "$(", ")", "{env:A}", "\r", "1"]
    ),
    max_size=60,
)


@settings(max_examples=100, deadline=None)
@given(_pieces)
def test_any_text_is_a_tree_or_an_error(tmp_path_factory, pieces):
    path = _fresh(tmp_path_factory)
    path.write_text(" ".join(pieces) if len(pieces) % 2 else "".join(pieces))
    try:
        conf = parse(path, {"A": "b"})
    except MaddyError as error:
        assert str(error).startswith(f"{path}:")
    else:
        assert all(set(node.name) <= set(string.ascii_letters + string.digits + ".-_") for node in conf.nodes)


def _fresh(tmp_path_factory) -> Path:
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    return folder / "maddy.conf"
