"""The benchmark of bystanders runs against a real gateway, and its attacks are what they say."""

import subprocess
import sys
from pathlib import Path

import pytest

from contrib.bench.attacks import ATTACKS, LARGE

ROOT = Path(__file__).parents[2]


def test_a_row_for_the_attack_beside_the_one_alone():
    chosen = ["--seconds", "0.5", "--each", "--only", "structure of parts"]
    command = [sys.executable, "-m", "contrib.bench.bystander", *chosen]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if " ms" in line]
    assert [row.split("  ")[0] for row in rows] == ["alone", "structure of parts"]
    assert "not prepared" not in done.stdout


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_every_message_can_be_saved(attack):
    messages = list(attack.messages())
    assert messages and attack.commands
    assert all(len(message) < 1.5 * LARGE and b"\r\n\r\n" in message for message in messages)
    assert all("\r" not in command and len(command) < 60_000 for command in attack.commands)


def test_each_attack_has_a_name_of_its_own():
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
