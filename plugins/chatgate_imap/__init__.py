"""IMAP4rev1 for chatgate: the plugin `imap`."""

from .plugin import Imap

__all__ = ["Imap"]
