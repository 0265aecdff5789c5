"""A library for plugins that keep a little data of their own: an SQLite file beside the mail, through peewee.

It is not a plugin: it implements no hooks and is not enabled. It takes care of the folder and the file's permissions,
the schema version, threads, and errors on one line.
"""

from chatgate_filedb.database import ERRORS, FileDatabase
from chatgate_filedb.looking import untouched

__all__ = ["ERRORS", "FileDatabase", "untouched"]
