"""The table of commands is what the documentation says and what connections do."""

from pathlib import Path

import pytest
from chatgate_imap.commands import COMMANDS
from chatgate_imap.commands.table import NOT_AUTHENTICATED, SELECTED
from imap_trace import Client

PAGE = (Path(__file__).parents[3] / "docs/imap.md").read_text()
AUTHENTICATED = frozenset({"authenticated"})
STATES = [*NOT_AUTHENTICATED, *AUTHENTICATED, *SELECTED]


def row(name: bytes) -> str:
    """Of the table in docs/imap.md."""
    command = COMMANDS[name]
    states = ["x" if state in command.states else "" for state in STATES]
    what = [("EXPUNGE", command.expunges), ("FETCH", command.flag_changes)] if command.tells else []
    told = ", ".join(word for word, may in what if may and SELECTED <= command.states) or ""
    where = command.handler.__module__.removeprefix("chatgate_imap.").replace(".", "/") + ".py"
    return f"| {name.decode()} | {' | '.join(states)} | {told} | `{where}` |"


def test_the_page_says_what_the_table_says():
    rows = [line for line in PAGE.splitlines() if line.endswith(".py` |")]
    assert rows == [row(name) for name in sorted(COMMANDS)]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", sorted(COMMANDS), ids=bytes.decode)
def test_a_command_is_refused_where_the_table_has_it_not(stage, name, state):
    """With an argument that none takes: where it is allowed, something else is wrong, or nothing."""
    with Client(stage.gateway) as client:
        if state != "not authenticated":
            client.do('LOGIN "{}" "{}"'.format(*stage.login))
        if state == "selected":
            client.do("SELECT INBOX")
        client.start(name + b" ()")
        answer = client.finish()
        assert (answer == b"BAD Command is not allowed while %s" % state.encode()) == (
            state not in COMMANDS[name].states
        ), answer
