"""A library for plugins that keep a little data of their own: an SQLite file beside the mail, through peewee.

It is not a plugin: it implements no hooks and is not enabled. It takes care of the folder and the file's permissions,
the schema version, threads, errors on one line, and copies for backups.
"""

from chatgate_filedb.copying import LEFT_FREE, copy_database, damaged, reading
from chatgate_filedb.database import ERRORS, FileDatabase
from chatgate_filedb.kept import Backward, KeptDatabase
from chatgate_filedb.looking import untouched
from chatgate_filedb.saving import changed, forget_saved, save, saved

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
    "reading",
    "save",
    "saved",
    "untouched",
]
