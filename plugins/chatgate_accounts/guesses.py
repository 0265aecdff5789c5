"""Who asks for addresses that nobody has, to find out which ones somebody has."""

from __future__ import annotations

from chatgate.api import Limiter, Reply, Session

# Said of every address, whether or not somebody has it: else the answer would still tell.
TOO_MANY = Reply(450, "4.7.1", "Too many unknown recipients from you, try again in an hour")

_SECONDS = 3600.0
# A network has room for so many times what one client may ask. Other customers of a provider are neighbours, too.
_NETWORK = 4


class Guesses:
    """Counts different unknown addresses, so that a server whose people write to a group with some members who are
    gone is counted once for each of these, however many messages it brings.

    of_sender: for one reverse-path of one client; so that one person who guesses does not use up what everybody of that
    server has. of_client: for one IPv4 address or IPv6 /64. Both in an hour.
    """

    def __init__(self, of_sender: int, of_client: int) -> None:
        self._new = Limiter(1, _SECONDS)
        self._senders = Limiter(of_sender, _SECONDS)
        self._clients = Limiter(of_client, _SECONDS)
        self._networks = Limiter(of_client * _NETWORK, _SECONDS)

    def limit(self, of_sender: int, of_client: int) -> None:
        """The same as for construction, from now on."""
        self._senders.limit(of_sender)
        self._clients.limit(of_client)
        self._networks.limit(of_client * _NETWORK)

    def refusal(self, session: Session, sender: str) -> Reply | None:
        """Why this client, or this sender there, is told nothing at the moment."""
        if not len(self._new):  # nearly always: the hashes below are dear where there is nothing to look up
            return None
        client = session.client
        if (
            self._senders.over(_key(client, sender))
            or self._clients.over(client)
            or self._networks.over(session.network)
        ):
            return TOO_MANY
        return None

    def note(self, session: Session, sender: str, address: str) -> None:
        """Nobody has this address."""
        client = session.client
        if self._new.take(_key(client, address)) is None:
            return
        self._senders.add(_key(client, sender))
        self._clients.add(client)
        self._networks.add(session.network)


def _key(client: str, address: str) -> str:
    """Says nothing about the address; "" for this machine, which has no limit."""
    return client and f"{client}{hash(address.lower()):x}"
