"""A library for plugins that keep a little data of their own: an SQLite file beside the mail, through peewee.

It is not a plugin: it implements no hooks and is not enabled. It takes care of the folder and the file's permissions,
the schema version, threads, errors on one line, and copies for backups.
"""

import sys

# peewee would load the clients of other databases, where they are installed: 0.2 seconds, and memory, for nothing.
_others = {name for name in ("psycopg", "psycopg2", "MySQLdb", "pymysql") if name not in sys.modules}
sys.modules.update(dict.fromkeys(_others))  # type: ignore[arg-type]  # None: there is no such module
import peewee  # noqa: E402, F401

for _name in _others:
    del sys.modules[_name]

from chatgate_filedb.copying import LEFT_FREE, copy_database, damaged, reading  # noqa: E402
from chatgate_filedb.database import ERRORS, FileDatabase  # noqa: E402
from chatgate_filedb.kept import Backward, KeptDatabase  # noqa: E402
from chatgate_filedb.looking import look, untouched  # noqa: E402
from chatgate_filedb.saving import changed, forget_saved, save, saved  # noqa: E402

__all__ = [
    "Backward",
    "changed",
    "ERRORS",
    "FileDatabase",
    "KeptDatabase",
    "LEFT_FREE",
    "copy_database",
    "damaged",
    "forget_saved",
    "look",
    "reading",
    "save",
    "saved",
    "untouched",
]
