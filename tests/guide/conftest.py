"""The helpers of this folder as modules, and those whose namespace, root and authority this one stands on."""

import sys
from pathlib import Path

for _folder in ("clients", "docker", "guide"):
    sys.path.insert(0, str(Path(__file__).parent.parent / _folder))
