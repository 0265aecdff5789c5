"""Places for connections, and who has to give one up when none is left. This module knows numbers, no sockets."""

from __future__ import annotations

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from chatgate.network import peers

log = logging.getLogger("chatgate.net")

_LOG_SECONDS = 60.0


class Seat:
    """One connection's place, from accept to close. give_up: called when others get the place; must not block.
    since: when it was taken, or last taken again. known: has somebody logged in and got a place among the known?
    """

    __slots__ = ("client", "network", "since", "known", "gone", "give_up")

    def __init__(self, peer: str, give_up: Callable[[], None]) -> None:
        self.client, self.network = peers.places(peer)
        self.since = 0.0
        self.known = self.gone = False
        self.give_up = give_up


class Seats:
    """Two rooms: one for strangers, on whose connection nobody has logged in, and one for those who are known. So
    strangers, however many, never take a place from people who are logged in.

    strangers, known: places in each. per_client: of these, in each room, for one client (this machine has no such
    limit, as it may be a reverse proxy that names nobody).
    patience: seconds for which a stranger is sure to keep its place, unless its neighbourhood holds more than the
    newcomer's. 0 where people log in: there the oldest strangers are those who never log in.

    displaced, refused: how many had to give up their place, and how many got none.

    When the strangers' room is full, the oldest of the neighbourhood that holds the most gives up its place. Whoever
    logs in when the other room is full stays among the strangers, as the newest of them.
    """

    def __init__(
        self,
        service: str,
        strangers: int,
        known: int,
        per_client: int,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service, self._most, self._most_known, self._per_client = service, strangers, known, per_client
        self._patience, self._clock = patience, clock
        self._strangers = _Crowd()
        self._known: Counter[str] = Counter()
        self._known_count = 0
        self.displaced = self.refused = 0
        self._told = 0, 0
        self._logged = -_LOG_SECONDS

    def limit(self, strangers: int, known: int, per_client: int) -> None:
        """The same as for construction, from now on; who has a place keeps it."""
        self._most, self._most_known, self._per_client = strangers, known, per_client

    @property
    def taken(self) -> tuple[int, int]:
        """How many strangers and how many known connections there are."""
        return self._strangers.count, self._known_count

    def take(self, seat: Seat) -> bool:
        """Take a place for a stranger; False: there is none. Somebody else may have to give one up."""
        crowd, seat.since = self._strangers, self._clock()
        if seat.client and crowd.of_client(seat.client) >= self._per_client:
            free = self._displace(crowd.oldest_of_client(seat.client), self._patience)
        elif crowd.count >= self._most:
            # Two more: with one more the two neighbourhoods would only change places.
            unfair = crowd.heaviest >= crowd.of_network(seat.network) + 2
            free = self._displace(crowd.oldest_of_heaviest(), 0.0 if unfair else self._patience)
        else:
            free = True
        if free:
            crowd.add(seat)
        else:
            self.refused += 1
            self._complain()
        return free

    def log_in(self, seat: Seat) -> None:
        """Somebody has logged in."""
        if seat.known or seat.gone:
            return
        self._strangers.remove(seat)
        if self._known_count >= self._most_known or (seat.client and self._known[seat.client] >= self._per_client):
            seat.since = self._clock()
            self._strangers.add(seat)
            return
        seat.known = True
        self._known_count += 1
        if seat.client:
            self._known[seat.client] += 1

    def leave(self, seat: Seat) -> None:
        """The connection is over."""
        if seat.gone:
            return
        seat.gone = True
        if not seat.known:
            self._strangers.remove(seat)
            return
        self._known_count -= 1
        if seat.client:
            self._known[seat.client] -= 1
            if not self._known[seat.client]:
                del self._known[seat.client]

    def _displace(self, seat: Seat, patience: float) -> bool:
        if self._clock() - seat.since < patience:
            return False
        self.leave(seat)
        seat.give_up()
        self.displaced += 1
        self._complain()
        return True

    def _complain(self) -> None:
        """Log at most one line a minute, so that an attack on the connections does not become one on the log."""
        if self._clock() - self._logged >= _LOG_SECONDS:
            text = "too many connections service=%s closed=%d refused=%d"
            displaced, refused = self._told
            log.warning(text, self._service, self.displaced - displaced, self.refused - refused)
            self._logged = self._clock()
            self._told = self.displaced, self.refused


class _Crowd:
    """Seats by client and by neighbourhood, the oldest first, and neighbourhoods by how many they hold: nothing here
    takes longer because there are many. (With a plain dict, finding the first key takes longer the more keys were
    removed.)
    """

    def __init__(self) -> None:
        self.count = 0
        self.heaviest = 0  # seats of the neighbourhood that holds the most
        self._clients: dict[str, OrderedDict[Seat, None]] = {}
        self._networks: dict[str, OrderedDict[Seat, None]] = {}
        self._by_weight: dict[int, OrderedDict[str, None]] = {}

    def of_client(self, client: str) -> int:
        return len(self._clients.get(client, ()))

    def of_network(self, network: str) -> int:
        return len(self._networks.get(network, ()))

    def oldest_of_client(self, client: str) -> Seat:
        return next(iter(self._clients[client]))

    def oldest_of_heaviest(self) -> Seat:
        return next(iter(self._networks[next(iter(self._by_weight[self.heaviest]))]))

    def add(self, seat: Seat) -> None:
        self.count += 1
        client = self._clients.get(seat.client) or self._clients.setdefault(seat.client, OrderedDict())
        network = self._networks.get(seat.network) or self._networks.setdefault(seat.network, OrderedDict())
        client[seat] = network[seat] = None
        self._weigh(seat.network, len(network) - 1, len(network))
        if len(network) > self.heaviest:
            self.heaviest = len(network)

    def remove(self, seat: Seat) -> None:
        self.count -= 1
        client, network = self._clients[seat.client], self._networks[seat.network]
        del client[seat], network[seat]
        if not client:
            del self._clients[seat.client]
        self._weigh(seat.network, len(network) + 1, len(network))
        if not network:
            del self._networks[seat.network]
        if self.heaviest not in self._by_weight:
            self.heaviest -= 1

    def _weigh(self, network: str, before: int, now: int) -> None:
        if before:
            same = self._by_weight[before]
            del same[network]
            if not same:
                del self._by_weight[before]
        if now:
            same = self._by_weight.get(now) or self._by_weight.setdefault(now, OrderedDict())
            same[network] = None
