"""Invitations: the links that make Delta Chat create an account here, and their QR codes."""

from __future__ import annotations

import io
import secrets
import string
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from chatgate_site.endpoints import Endpoints

if TYPE_CHECKING:
    import qrcode

# The same lengths as Delta Chat chooses for dcaccount:DOMAIN, so that accounts look alike whoever generated them. 22
# characters of 62 are 131 bits. Not 23: that length marks accounts that the app added without asking its user.
_NAME, _NAME_LENGTH = string.ascii_lowercase + string.digits, 9
_PASSWORD, _PASSWORD_LENGTH = string.ascii_letters + string.digits, 22


def draw(domain: str) -> tuple[str, str]:
    """A new random (address, password)."""
    return f"{_random(_NAME, _NAME_LENGTH)}@{domain}", _random(_PASSWORD, _PASSWORD_LENGTH)


def _random(alphabet: str, length: int) -> str:
    """A random text; all are equally likely. One large random number is much faster than one for each character."""
    base = len(alphabet)
    number, text = secrets.randbelow(base**length), ""
    for _ in range(length):
        number, digit = divmod(number, base)
        text += alphabet[digit]
    return text


class Inviter:
    """Chooses the kind of link that works with this gateway.

    dcaccount:https://HOST/new is for everybody and may be printed. It cannot work for an IP address, for ports that a
    client would not guess, or with a self-signed certificate, unless the host's name begins with "_" (there Delta Chat
    trusts any issuer). In those cases a dclogin: link contains all of that and a new account, which the first login
    creates.
    """

    def __init__(
        self,
        domain: str,
        endpoints: Endpoints,
        past_the_site: bool = False,
        by_site: Callable[[], bool] = lambda: True,
    ) -> None:
        """past_the_site: there is no POST /new. by_site: does it give anybody an account at the moment?"""
        self.domain, self.endpoints, self._past, self._by_site = domain, endpoints, past_the_site, by_site

    @property
    def personal(self) -> bool:
        """Does each link contain an account of its own? Raises PluginError if there is no certificate."""
        at = self.endpoints
        return at.is_ip or not at.standard_ports or (at.self_signed and not at.host.startswith("_"))

    def link(self, token: str = "", by_site: bool | None = None) -> str:
        """An invitation link; if links are personal, each call returns a new one. token: the invitation it presents.
        by_site: where the caller knows it already.
        """
        past = self._past or not (token or (self._by_site() if by_site is None else by_site))
        url = "" if past else self.endpoints.url
        if self.personal or (token and not url.startswith("https:")):
            address, password = draw(self.domain)
            return self.login(address, token + password)
        # Through /new, so that the person sees the reason for a refusal, and the account is reserved for them.
        if url.startswith("https:"):
            return f"dcaccount:{url}/new" + (f"?token={quote(token, safe='')}" if token else "")
        return self.plain

    @property
    def plain(self) -> str:
        """The short form, for which the app asks no website. Without "//", which the app would take for a host."""
        return f"dcaccount:{self.domain}"

    def login(self, address: str, password: str) -> str:
        """A dclogin: link for this account. ic=3: accept a certificate that no known authority has signed."""
        host = quote(self.endpoints.host, safe="")
        link = f"dclogin:{quote(address, safe='@[]:')}?p={quote(password, safe='')}&v=1"
        for prefix, found in (("i", self.endpoints.imap()), ("s", self.endpoints.smtp())):
            link += f"&{prefix}h={host}"
            if found:
                link += f"&{prefix}p={found[0].port}&{prefix}s={found[0].security}"
        return link + ("&ic=3" if self.endpoints.self_signed else "")


def _code(text: str) -> qrcode.QRCode:
    import qrcode  # not needed by most commands, and slow to load, above all where Pillow is installed

    # A fixed mask: trying all eight takes 12 ms, too long for a page that makes a code for each visitor.
    code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M, mask_pattern=0, border=4)
    code.add_data(text)
    code.make()
    return code


@lru_cache(4)
def svg(text: str) -> str:
    """The QR code as an SVG element, always black on white, as not every scanner reads inverted codes."""
    rows = _code(text).get_matrix()
    path = []
    for y, row in enumerate(rows):
        x = 0
        while x < len(row):
            start = x
            while x < len(row) and row[x]:
                x += 1
            if x > start:
                path.append(f"M{start} {y}h{x - start}v1h{start - x}z")
            x += 1
    size = len(rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" shape-rendering="crispEdges" '
        f'role="img" aria-label="QR code: an invitation to this server"><path fill="#fff" d="M0 0h{size}v{size}H0z"/>'
        f'<path fill="#000" d="{"".join(path)}"/></svg>'
    )


@lru_cache(4)
def png(text: str) -> bytes:
    """The QR code as a PNG picture (RFC 2083), ten pixels a module. Made by hand: a library takes ten times as long,
    and with personal links each visitor gets a different picture.
    """
    rows = _code(text).get_matrix()
    size = len(rows) * 10
    lines = []
    for row in rows:
        pixels = "".join("0000000000" if dark else "1111111111" for dark in row)
        packed = int(pixels.ljust(-(-size // 8) * 8, "0"), 2).to_bytes(-(-size // 8), "big")
        lines.append((b"\0" + packed) * 10)  # filter type 0
    header = struct.pack(">IIBBBBB", size, size, 1, 0, 0, 0, 0)  # one bit of grey a pixel
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def terminal(text: str, colours: bool) -> str:
    """The QR code in characters. colours: force black and white by escape codes, whatever colours the terminal has."""
    out = io.StringIO()
    _code(text).print_ascii(out, invert=True)
    lines = out.getvalue().replace("\xa0", " ").rstrip("\n").split("\n")
    return "\n".join(f"\x1b[38;5;255;48;5;16m{line}\x1b[0m" if colours else line for line in lines)
