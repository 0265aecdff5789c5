"""A keep-alive connection: Python's own http.client, with limits on what an answer may cost."""

from __future__ import annotations

import http.client
import io
import ssl
from typing import Any

_MAX_ANSWER = 65536  # octets that the whole answer to one request may have


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
    """http.client itself reads interim responses and trailers without limit; while they arrive faster than they are
    read, no other greenlet gets a turn, not even the one that enforces the timeout.
    """

    def __init__(self, sock: Any, method: str | None = None) -> None:
        super().__init__(sock, method=method)
        self.fp: Any = io.BufferedReader(_Limited(self.fp))

    def _read_status(self) -> tuple[str, int, str]:
        """The status of the final response. Any interim response may precede it (RFC 9110 §15.2), but http.client only
        skips 100. If another were taken as final, the real one would be read as the answer about the next token.
        """
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # private: no stub has it
            if status // 100 != 1 or status == http.client.SWITCHING_PROTOCOLS:
                return version, status, reason
            http.client.parse_headers(self.fp)


class Connection(http.client.HTTPConnection):
    """Uses a gevent socket: that of http.client would block all greenlets unless Python is monkey-patched, and for TLS
    it would load all certificate authorities each time, which takes 40 ms.
    """

    auto_open = 0
    response_class = _Answer

    def __init__(self, host: str, port: int, default_port: int, sock: Any) -> None:
        super().__init__(host, port)
        self.default_port, self.sock = default_port, sock

    def quiet(self) -> bool:
        """Is there nothing to read? Unsolicited data, such as a 408 before the service closes the connection, must not
        be taken for the answer to the next request.
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
