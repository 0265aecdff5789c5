"""A library for plugins that keep a little of their own: an SQLite file beside the mail, through peewee.

Not a plugin: it answers no hook and is not enabled. What it takes off a plugin: the folder and who may read the file,
a schema version, threads, and errors in one line.
"""

from chatgate_filedb.database import ERRORS, FileDatabase
from chatgate_filedb.looking import untouched

__all__ = ["ERRORS", "FileDatabase", "untouched"]
