"""Is the gateway ready to be sent people and mail?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent

from chatgate.network.server import Server
from chatgate.store.records import StoreError

if TYPE_CHECKING:
    from chatgate.running.gateway import Gateway

_SECONDS = 5.0


def missing(gateway: Gateway) -> list[str]:
    """What it is not ready for, a line each."""
    if gateway.stopping.is_set():
        return ["the gateway is stopping"]
    found = [
        f"nothing listens for {one.name}"
        for one in gateway.services
        if isinstance(one, Server) and one.addresses and not one.listening and gateway.place.number == 0
    ]
    if not store_answers(gateway):
        found.append("the store does not answer")
    return found + [one.what for one in gateway.troubles() if one.blocks]


def store_answers(gateway: Gateway) -> bool:
    """Can the store be read, within a few seconds?"""
    try:
        with gevent.Timeout(_SECONDS, TimeoutError()):
            gateway.store.account(f"@{gateway.domains.first.name}")
    except (StoreError, TimeoutError):
        return False
    return True
