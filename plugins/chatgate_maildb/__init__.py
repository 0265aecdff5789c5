"""The store that chatgate ships: peewee on SQLite, durable before every 250. See store.py for how the parts join."""

from chatgate_maildb.options import MailDbOptions
from chatgate_maildb.plugin import MailDb

__all__ = ["MailDb", "MailDbOptions"]
