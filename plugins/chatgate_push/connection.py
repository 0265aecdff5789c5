"""A keep-alive connection: Python's own http.client, held to what a stranger's answers may cost."""

from __future__ import annotations

import http.client
import io
import ssl
from typing import Any

_MAX_ANSWER = 65536  # octets of all that a service may say to one request


class _Limited(io.RawIOBase):
    """The first `_MAX_ANSWER` octets of a file; reading on raises HTTPException."""

    def __init__(self, file: Any) -> None:
        self._file, self._left = file, _MAX_ANSWER

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            raise http.client.HTTPException
        count = self._file.readinto1(memoryview(buffer)[: self._left])
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """http.client itself reads interim answers and trailers without end; and while they come faster than they are read,
    no other greenlet has its turn, not even the one that watches the time.
    """

    def __init__(self, sock: Any, method: str | None = None) -> None:
        super().__init__(sock, method=method)
        self.fp: Any = io.BufferedReader(_Limited(self.fp))

    def _read_status(self) -> tuple[str, int, str]:
        """Of the final answer: any interim one may come first (RFC 9110 §15.2), and http.client passes over 100 only.
        Taken for the final one, it would leave that to be read as the answer to the next token.
        """
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # private: no stub has it
            if status // 100 != 1 or status == http.client.SWITCHING_PROTOCOLS:
                return version, status, reason
            http.client.parse_headers(self.fp)


class Connection(http.client.HTTPConnection):
    """Over a socket of ours: http.client's own would block all greenlets where nobody has patched it, and for TLS read
    all authorities of the system each time, 40 ms long.
    """

    auto_open = 0
    response_class = _Answer

    def __init__(self, host: str, port: int, default_port: int, sock: Any) -> None:
        super().__init__(host, port)
        self.default_port, self.sock = default_port, sock

    def quiet(self) -> bool:
        """Is there nothing to read? What a service says unasked, such as 408 before it closes, is no answer to the next
        request.
        """
        self.sock.settimeout(0.0)
        try:
            self.sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        finally:
            self.sock.settimeout(None)
        return False
