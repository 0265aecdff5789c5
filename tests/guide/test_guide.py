"""The setup guide leads from a bare Debian to the first chat, word by word."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import docker_image
import guide_blocks
import namespace
import pytest

HERE = Path(__file__).parent
TREE = guide_blocks.TREE
MISSING = [name for name in ("debootstrap", "pebble") if not shutil.which(name)]
REASON = namespace.refused() or ("needs root" if os.geteuid() else "") or ", ".join(MISSING)


def installed() -> docker_image.Image:
    """A Debian with the tree in it, in which the blocks were typed that need the registries."""
    packages, needs, chatgate = (f"set -e\ncd {TREE}\n{text}" for text in guide_blocks.fetching("setup-guide.md"))
    steps = [("FROM", "${DEBIAN}"), ("RUN", f"mkdir {TREE}\n{packages}"), ("COPY", f"requirements.lock {TREE}/")]
    return docker_image.build([*steps, ("RUN", needs), ("COPY", f". {TREE}/"), ("RUN", chatgate)])


@pytest.mark.skipif(bool(REASON), reason=REASON)
def test_the_guide_leads_to_the_first_chat_and_the_commands_for_trouble_work(tmp_path):
    (tmp_path / "layers.json").write_text(json.dumps(list(map(str, installed().layers))))
    story = [sys.executable, str(HERE / "guide_story.py"), str(tmp_path / "layers.json"), str(tmp_path)]
    done = subprocess.run(namespace.command(tmp_path, {}, story), capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
