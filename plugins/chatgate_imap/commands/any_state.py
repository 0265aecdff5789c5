"""CAPABILITY, NOOP, CHECK, LOGOUT, ID, ENABLE, COMPRESS: about the connection itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..syntax.answers import Bad, No
from ..syntax.parser import Parser
from .table import ANY, AUTHENTICATED, SELECTED, Command

if TYPE_CHECKING:
    from ..session.connection import Connection


def capability(connection: Connection, parser: Parser) -> str:
    parser.end()
    connection.wire.write(b"* CAPABILITY %s\r\n" % connection.capabilities())
    return "Capability completed."


def noop(connection: Connection, parser: Parser) -> str:
    parser.end()
    return "NOOP completed."


def check(connection: Connection, parser: Parser) -> str:
    parser.end()
    return "Check completed."


def logout(connection: Connection, parser: Parser) -> str:
    parser.end()
    connection.wire.write(b"* BYE Logging out\r\n")
    connection.closing = True
    return "Logout completed."


def id_(connection: Connection, parser: Parser) -> str:
    """RFC 2971. All we remember of what the client says is whether it is Delta Chat, as long as it is connected."""
    if not parser.nil():
        parser.expect(b"(")
        if not parser.skip(b")"):
            for count in range(30):
                if count:
                    parser.space()
                field = parser.string()
                parser.space()
                if (field.lower(), parser.nstring()) == (b"name", b"Delta Chat"):
                    connection.delta_chat = True
                if parser.skip(b")"):
                    break
            else:
                raise Bad("Too many ID fields")
    parser.end()
    # Strangers need not know whose holes to look up (§4 of the RFC).
    known = connection.session.account is not None
    connection.wire.write(b'* ID ("name" "chatgate")\r\n' if known else b"* ID NIL\r\n")
    return "ID completed."


_ENABLED: dict[str, Callable[[Connection], None]] = {
    "CONDSTORE": lambda connection: connection.use_condstore(),
    "QRESYNC": lambda connection: connection.use_qresync(),
    "UTF8=ACCEPT": lambda connection: connection.use_utf8(),
}


def enable(connection: Connection, parser: Parser) -> str:
    """RFC 5161. Unknown extensions are ignored, as it requires."""
    words = [parser.keyword()]
    while parser.skip(b" "):
        words.append(parser.keyword())
    parser.end()
    known = [word for word in dict.fromkeys(words) if word in _ENABLED]
    for word in known:
        _ENABLED[word](connection)
    connection.wire.write(b"* ENABLED%s\r\n" % "".join(f" {word}" for word in known).encode())
    return "Enabled."


def compress(connection: Connection, parser: Parser) -> None:
    """RFC 4978. The answer is sent uncompressed, everything after it compressed."""
    method = parser.keyword()
    parser.end()
    level = connection.imap.options.compress_level
    if method != "DEFLATE" or not level:
        raise No("No such compression")
    if connection.wire.compressed:
        raise No("Already compressed", "COMPRESSIONACTIVE")
    connection.reply("Begin compression.")
    connection.wire.start_deflate(level)


COMMANDS = {
    b"CAPABILITY": Command(capability, ANY),
    b"NOOP": Command(noop, ANY),
    b"LOGOUT": Command(logout, ANY, tells=False),
    b"ID": Command(id_, ANY),
    b"ENABLE": Command(enable, AUTHENTICATED),
    b"COMPRESS": Command(compress, AUTHENTICATED, tells=False),
    b"CHECK": Command(check, SELECTED),
}
