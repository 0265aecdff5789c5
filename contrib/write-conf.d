#!/usr/bin/env python3
"""Write conf.d/ of the source tree from the defaults in the code; a test holds that they are the same."""

from pathlib import Path

from chatgate.cli.init import PLUGINS, WITH_OTHERS, write_core, write_plugin
from chatgate.hosting import confd

ROOT = Path(__file__).resolve().parent.parent

for old in (ROOT / "conf.d").glob("*.toml"):
    old.unlink()
write_core(ROOT)
for name in (*PLUGINS, *WITH_OTHERS):
    write_plugin(ROOT, name, confd.installed()[name][0].load())
