"""The checkout's plugins are importable, installed or not. chatgate.testing, loaded by pytest, does the rest."""

import sys
from pathlib import Path

pytest_plugins = ["chatgate.testing"] if "chatgate.testing" not in sys.modules else []

_ROOT = Path(__file__).parent.parent
for _folder in (_ROOT / "plugins", _ROOT):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))
