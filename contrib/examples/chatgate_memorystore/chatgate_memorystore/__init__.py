"""An example of a store: everything in memory, and all of it lost when the gateway ends. For trying things out, and to
read what a store has to do, without a database in the way.
"""

from chatgate_memorystore.plugin import MemoryStorePlugin
from chatgate_memorystore.store import MemoryStore

__all__ = ["MemoryStore", "MemoryStorePlugin"]
