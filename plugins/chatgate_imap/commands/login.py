"""STARTTLS, LOGIN, AUTHENTICATE."""

from __future__ import annotations

import binascii
import logging
from typing import TYPE_CHECKING, NoReturn

import gevent

from chatgate.api import Account, Credentials, login_refusal, shown_address

from ..syntax.answers import Bad, Bye, No, code_of
from ..syntax.parser import Parser
from .table import NOT_AUTHENTICATED, Command

if TYPE_CHECKING:
    from ..session.connection import Connection

log = logging.getLogger("chatgate.imap")


def starttls(connection: Connection, parser: Parser) -> None:
    parser.end()
    session = connection.session
    if session.tls:
        raise Bad("TLS is already on")
    connection.reply("Begin TLS negotiation now.")
    connection.wire.start_tls(connection.imap.start_tls)
    session.tls = True
    connection.capabilities_changed()


def login(connection: Connection, parser: Parser) -> str:
    address = parser.astring()
    parser.space()
    password = parser.astring()
    parser.end()
    return _log_in(connection, address, password, "login")


def authenticate(connection: Connection, parser: Parser) -> str:
    """SASL PLAIN (RFC 4616), with or without initial response (RFC 4959)."""
    mechanism = parser.keyword()
    response = parser.rest()
    if mechanism != "PLAIN":
        raise Bad("No such authentication mechanism")
    if not connection.imap.may_login(connection.session):
        raise No("Log in needs TLS: use STARTTLS", "PRIVACYREQUIRED")
    if response:
        response = b"" if response == b" =" else response[1:]
    else:
        connection.wire.write(b"+ \r\n")
        response = connection.wire.line(16384)
        if response == b"*":
            raise Bad("Authentication cancelled")
    try:
        identity, address, password = binascii.a2b_base64(response, strict_mode=True).split(b"\0")
    except ValueError:
        raise Bad("Invalid SASL PLAIN response") from None
    if identity and identity != address:
        raise No("Acting for another user is not possible", "AUTHORIZATIONFAILED")
    return _log_in(connection, address, password, "PLAIN")


def _log_in(connection: Connection, address: bytes, password: bytes, mechanism: str) -> str:
    imap, session = connection.imap, connection.session
    if not imap.may_login(session):
        raise No("Log in needs TLS: use STARTTLS", "PRIVACYREQUIRED")
    try:
        credentials = Credentials(address.decode("utf-8"), password.decode("utf-8"), mechanism)
    except UnicodeDecodeError:
        answer: object = None
    else:
        answer = imap.gateway.hub.authenticate(session=session, credentials=credentials)
    if not isinstance(answer, Account):
        log.debug("login refused session=%s address=%s", session.id, shown_address(address.decode("latin-1")))
        _refuse(connection, answer)
    if not imap.entered(session, answer.id):
        raise No("Too many connections of this account", "LIMIT")
    session.account = answer
    imap.gateway.hub.logged_in(session=session, account=answer)
    connection.logged_in()
    return f"[CAPABILITY {connection.capabilities().decode()}] Logged in."


def _refuse(connection: Connection, answer: object) -> NoReturn:
    """Refuse a login. Delta Chat takes any text with the word "authentication" to mean a wrong password, so no other
    refusal has that word.
    """
    answer = login_refusal(answer)
    log.info("login refused session=%s code=%d", connection.session.id, answer.code if answer is not None else 535)
    if answer is not None and answer.temporary:
        raise No(answer.text, code_of(answer))
    if connection.imap.gateway.config.core.discreet:
        answer = None  # the reasons are of a server where logins make accounts
    connection.login_failures += 1
    gevent.sleep(connection.imap.options.login_failure_seconds)
    wrong = "AUTHENTICATIONFAILED"
    refusal = No("Authentication failed", wrong) if answer is None else No(answer.text, code_of(answer, wrong))
    if connection.login_failures >= connection.imap.options.max_login_failures:
        connection.wire.write(connection.tag + b" " + refusal.line() + b"\r\n")
        raise Bye("Too many failed logins")
    raise refusal


COMMANDS = {
    b"STARTTLS": Command(starttls, NOT_AUTHENTICATED),
    b"LOGIN": Command(login, NOT_AUTHENTICATED),
    b"AUTHENTICATE": Command(authenticate, NOT_AUTHENTICATED),
}
