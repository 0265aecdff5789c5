"""A TURN server that does what a test wants, and what tests ask a gateway."""

import base64
import hashlib
import hmac
import ipaddress
import socket
import time

from chatgate_turn import stun
from chatgate_turn.plugin import ENTRY
from gevent.server import DatagramServer

from chatgate.testing import imap_client, new_login
from tests.ports import free_port

SECRET = "north-by-north-west-0123456789"
REALM, NONCE = b"example.org", b"0123456789abcdef"


class FakeTurn:
    """Long-term credentials and allocations as RFC 8489 and RFC 8656 describe them, on 127.0.0.1.

    lose: this many datagrams get no answer. stale: this many nonces are. error: refuse whoever may, with this code.
    """

    def __init__(self):
        self.port = free_port(socket.SOCK_DGRAM)
        self.secret = SECRET
        self.stun: bool | int = True  # does it answer Binding requests? Or refuses them with this code
        self.open = self.silent = self.unsigned = self.foreign = False
        self.lose = self.stale = self.error = 0
        self.without = ()
        self.relayed = ipaddress.ip_address("203.0.113.9")
        self.allocated = self.released = self.bound = 0
        self._server = None

    def start(self):
        self._server = DatagramServer(("127.0.0.1", self.port), self._handle)
        self._server.start()

    def stop(self):
        if self._server:
            self._server.stop()
            self._server = None

    def _handle(self, datagram, peer):
        request = stun.parse(datagram)
        if self.silent:
            return
        if self.lose:
            self.lose -= 1
            return
        if self.foreign:
            self._server.sendto(b"rubbish", peer)
            self._server.sendto(stun.build(request.type | stun.SUCCESS, bytes(12), []), peer)
        if not self.stun and request.type == stun.BINDING:
            return
        kind, attributes, key = self._answer(request, datagram, peer)
        attributes = [(name, value) for name, value in attributes if name not in self.without]
        self._server.sendto(stun.build(kind, request.transaction, attributes, b"" if self.unsigned else key), peer)

    def _answer(self, request, datagram, peer):
        if request.type == stun.BINDING:
            assert request.attributes == ()
            seen = stun.xor_address(ipaddress.ip_address(peer[0]), peer[1], request.transaction)
            if self.stun is not True:
                return request.type | stun.ERROR, [error(self.stun)], b""
            self.bound += 1
            return request.type | stun.SUCCESS, [(stun.XOR_MAPPED_ADDRESS, seen)], b""
        challenge = [(stun.REALM, REALM), (stun.NONCE, NONCE)]
        kinds = [kind for kind, _ in request.attributes]
        key = b""
        if not self.open:
            if stun.USERNAME not in kinds:
                return request.type | stun.ERROR, [error(401), *challenge], b""
            key = self._key(request)
            if not stun.signed(datagram, key):
                return request.type | stun.ERROR, [error(401), *challenge], b""
            if self.stale:
                self.stale -= 1
                return request.type | stun.ERROR, [error(438), *challenge], b""
            if self.error:
                return request.type | stun.ERROR, [error(self.error)], key
        if request.type == stun.REFRESH:
            assert request.get(stun.LIFETIME) == bytes(4)
            self.released += 1
            return request.type | stun.SUCCESS, [], key
        assert request.type == stun.ALLOCATE and request.get(stun.REQUESTED_TRANSPORT) == stun.UDP
        self.allocated += 1
        seen = stun.xor_address(ipaddress.ip_address(peer[0]), peer[1], request.transaction)
        relayed = stun.xor_address(self.relayed, 50000, request.transaction)
        attributes = [(stun.XOR_RELAYED_ADDRESS, relayed), (stun.XOR_MAPPED_ADDRESS, seen)]
        return request.type | stun.SUCCESS, attributes, key

    def _key(self, request):
        """The password made from the secret, in other words than the plugin's."""
        username = request.get(stun.USERNAME).decode()
        if int(username) < time.time():
            return b"expired"
        digest = hmac.new(self.secret.encode(), username.encode(), hashlib.sha1).digest()
        password = base64.b64encode(digest).decode()
        return hashlib.md5(f"{username}:{REALM.decode()}:{password}".encode()).digest()


def error(code):
    return stun.ERROR_CODE, bytes([0, 0, code // 100, code % 100]) + b"reason"


def metadata(gateway, entry=ENTRY):
    """The value that a fresh account gets over IMAP, or None."""
    with imap_client(gateway, new_login(gateway)) as client:
        status, _ = client.xatom("GETMETADATA", f'"" ({entry})')
        assert status == "OK"
        _, found = client.response("METADATA")
    if found == [None]:
        return None
    assert found[0][0].startswith(b'"" (%s {' % entry.encode())
    return found[0][1].decode()
