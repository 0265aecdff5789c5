"""The benchmark of bystanders runs against a real gateway, and its attacks are what they say."""

import subprocess
import sys
from pathlib import Path

import pytest
from chatgate_imap.queries import items
from chatgate_imap.syntax.parser import Parser

from contrib.bench.attacks import ATTACKS, LARGE
from contrib.bench.attacks_net import STRANGERS

ROOT = Path(__file__).parents[2]


def run(*chosen):
    """The rows, and what the attacks were told."""
    command = [sys.executable, "-m", "contrib.bench.bystander", *chosen]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    return [line.split("  ")[0] for line in lines if " ms" in line], [line for line in lines if " × " in line]


@pytest.mark.parametrize("name", ["structure of parts", "half messages"])
def test_a_row_for_the_attack_beside_the_one_alone(name):
    rows, said = run("--seconds", "2", "--each", "--only", name)
    assert rows == ["alone", name]
    assert said and not any("not prepared" in line for line in said)


def test_what_costs_work_is_not_refused_as_nonsense():
    """An attack that is answered BAD is none: nothing was computed."""
    _, said = run("--seconds", "10", "--only", "copies of copies")
    assert any("OK [COPYUID" in line for line in said) and not any("BAD" in line for line in said)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_what_is_fetched_is_not_refused_as_nonsense(attack):
    """As far as the server lets clients ask."""
    for command in attack.commands:
        if command.startswith("FETCH "):
            items.parse(Parser([command.split(" ", 2)[2].encode()]))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_every_message_can_be_saved(attack):
    messages = list(attack.messages())
    assert messages and attack.commands
    assert all(len(message) < 1.5 * LARGE and b"\r\n\r\n" in message for message in messages)
    assert all("\r" not in command and len(command) < 60_000 for command in attack.commands)


def test_each_attack_has_a_name_of_its_own():
    names = [attack.name for attack in (*ATTACKS, *STRANGERS)]
    assert len(set(names)) == len(names)
