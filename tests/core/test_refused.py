"""docs/refused.md names every refusal that a client of SMTP or /mxdeliv can hear, word by word, and no other."""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/refused.md").read_text("utf-8")
# Where the replies to mail are made. What a login hears of new accounts is in docs/registration.md.
SOURCES = (
    "chatgate/reply.py",
    "chatgate/mail/*.py",
    "chatgate/network/server.py",
    "chatgate/network/logins.py",
    "plugins/chatgate_smtp/*.py",
    "plugins/chatgate_gate/*.py",
    "plugins/chatgate_dkim/arriving.py",
    "plugins/chatgate_accounts/*.py",
    "plugins/chatgate_courier/inbound/*.py",
    "plugins/chatgate_courier/routing.py",
)
# A whole line of SMTP as text. Those without an enhanced code, but 523, are aiosmtpd's words, which are replaced.
_LINE = re.compile(r"(?:523|([45])\d\d \1\.\d+\.\d+) \S.*[^:\s]")
_VARIES = "…"


def _texts(node: ast.expr, names: dict[str, str]) -> list[str]:
    """What a text can be, as the page shows it: with … for what differs. names: of the module's constants."""
    if isinstance(node, ast.Constant):
        return [node.value.decode("latin-1") if isinstance(node.value, bytes) else str(node.value)]
    if isinstance(node, ast.Name):
        return [names.get(node.id, _VARIES)]
    if isinstance(node, ast.FormattedValue):
        return _texts(node.value, names)
    if isinstance(node, ast.IfExp):
        return _texts(node.body, names) + _texts(node.orelse, names)
    if isinstance(node, ast.Subscript):  # cut to a length
        return _texts(node.value, names)
    if isinstance(node, ast.JoinedStr):
        pieces = [_texts(part, names) for part in node.values]
        return [re.sub("…+", _VARIES, "".join(chosen)) for chosen in itertools.product(*pieces)]
    return [_VARIES]


def _replies(tree: ast.AST, names: dict[str, str]) -> Iterator[str]:
    inside: set[ast.AST] = set()  # pieces of a text are no texts
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= set(ast.walk(node)) - {node}
        if isinstance(node, ast.Dict):  # aiosmtpd's words, which its values replace
            inside |= {key for key in node.keys if key is not None}
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Reply" and len(node.args) > 2:
            for said in itertools.product(*(_texts(one, names) for one in node.args[:3])):
                if said[0][0] in "45":
                    yield " ".join(" ".join(said).split())
        elif isinstance(node, ast.Constant | ast.JoinedStr) and node not in inside:
            yield from (text for text in map(str.strip, _texts(node, names)) if _LINE.fullmatch(text))


def _constants(tree: ast.Module) -> dict[str, str]:
    return {
        one.targets[0].id: str(one.value.value)
        for one in tree.body
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name) and isinstance(one.value, ast.Constant)
    }


def _made() -> dict[str, str]:
    found = {}
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            tree = ast.parse(path.read_text("utf-8"))
            for reply in _replies(tree, _constants(tree)):
                found[reply] = path.relative_to(ROOT).as_posix()
    return found


MADE = _made()
SAID = set(re.findall(r"^\| `([45]\d\d [^`]+)` \|", PAGE, re.M))


@pytest.mark.parametrize("reply", sorted(MADE))
def test_each_refusal_is_on_the_page(reply):
    assert reply in SAID, f"{MADE[reply]} says it"


def test_the_page_names_none_that_nobody_says():
    assert sorted(SAID - MADE.keys()) == []


def test_each_has_a_cause():
    for line in PAGE.splitlines():
        if line.startswith("| `"):
            cells = re.split(r" \|(?: |$)", line.removeprefix("| "))
            assert len(cells) == 4 and len(cells[1].strip()) > 2, line
