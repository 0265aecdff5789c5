"""The plugin: it answers who opens the store."""

from __future__ import annotations

from dataclasses import dataclass

from chatgate.api import Gateway, Store, hookimpl, option
from chatgate_memorystore.store import MemoryStore


@dataclass(frozen=True)
class MemoryStoreOptions:
    quota_bytes: int = option(100_000_000, "Octets of mail that one account may keep. 0: no limit.")
    quota_messages: int = option(10_000, "Messages that one account may keep. 0: no limit.")


class MemoryStorePlugin:
    """Keep accounts and mail in memory until the gateway ends. For tests."""

    Options = MemoryStoreOptions
    order = 60
    requires = ("accounts",)

    def __init__(self, gateway: Gateway, options: MemoryStoreOptions) -> None:
        self.gateway, self.options = gateway, options

    @hookimpl
    def chatgate_open_store(self) -> Store:
        return MemoryStore(self.gateway.board.post, self.options.quota_bytes, self.options.quota_messages)

    @hookimpl
    def chatgate_expire(self, now: float) -> dict[str, int]:
        return self.gateway.store.expire(now)
