"""An example of a store: it keeps everything in memory and loses it when the gateway ends. For trying things out, and
for reading what a store has to do, without the details of a database.
"""

from chatgate_memorystore.plugin import MemoryStorePlugin
from chatgate_memorystore.store import MemoryStore

__all__ = ["MemoryStore", "MemoryStorePlugin"]
