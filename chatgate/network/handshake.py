"""TLS on a connection, with its handshake."""

from __future__ import annotations

from gevent import socket, ssl

from chatgate.network.connection import Connection
from chatgate.network.turns import Line


def begin_tls(connection: Connection, context: ssl.SSLContext, turns: Line) -> None:
    """Each step costs about a millisecond, and strangers may have hundreds ready: one is done between two looks at the
    other sockets, and neighbourhoods have theirs by turns. Raises OSError.
    """
    owner = connection.owner
    turns.pass_by(owner)  # making the TLS socket takes its time, too
    sock = connection.sock = context.wrap_socket(connection.sock, server_side=True, do_handshake_on_connect=False)
    sock.settimeout(0.0)
    wait = socket.wait_read  # the client speaks first
    while True:
        wait(sock.fileno())
        turns.pass_by(owner)
        try:
            sock.do_handshake()
            break
        except ssl.SSLWantReadError:
            wait = socket.wait_read
        except ssl.SSLWantWriteError:
            wait = socket.wait_write
    sock.settimeout(None)
