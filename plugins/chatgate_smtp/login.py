"""AUTH PLAIN and LOGIN."""

from __future__ import annotations

import binascii
import logging
from typing import TYPE_CHECKING, Any

from aiosmtpd import smtp

from chatgate.api import Account, Credentials, Reply, login_refusal, shown_address
from chatgate_smtp.driver import Goodbye
from chatgate_smtp.replies import line

if TYPE_CHECKING:
    from chatgate_smtp.dialogue import Dialogue

log = logging.getLogger("chatgate.smtp")

WRONG_PASSWORD = Reply(535, "5.7.8", "Wrong address or password")

FOR_ANOTHER = Reply(535, "5.7.8", "Acting for another account is not possible")


class Login:
    """aiosmtpd parses the mechanisms; the plugins decide who may log in. failures: on this connection."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self.failures = 0

    async def begin(self, arg: str | None) -> None:
        """PLAIN and LOGIN, parsed by aiosmtpd, which only recognises mechanisms in capitals."""
        dialogue = self._dialogue
        if not dialogue.submits:
            await dialogue.push("502 5.5.1 No logins here, use port 465 or 587")
            return
        if self.failures >= dialogue.options.max_login_failures:
            raise Goodbye("421 4.7.0 Too many failed logins")
        mechanism, blank, initial = (arg or "").partition(" ")
        await dialogue.smtp_AUTH(mechanism.upper() + blank + initial)

    async def plain(self, _: Any, args: list[str]) -> smtp.AuthResult:
        """aiosmtpd's own method drops the authorization identity: a client that asks to act for somebody else would
        act for itself without knowing it (RFC 4616 §2).
        """
        done = smtp.AuthResult(success=False)  # the client has had its reply
        dialogue = self._dialogue
        response: Any = await dialogue.challenge_auth("") if len(args) == 1 else _decoded(args[1])
        if response is smtp.MISSING:
            return done
        if response is None:
            await dialogue.push("501 5.5.2 Can't decode base64")
            return done
        try:
            identity, login, password = response.split(b"\0")
        except ValueError:
            await dialogue.push("501 5.5.2 Can't split auth value")
            return done
        if identity and identity.lower() != login.lower():
            self.failures += 1
            await dialogue.say(FOR_ANOTHER)
            return done
        return self.authenticate("PLAIN", smtp.LoginPassword(login, password))

    def authenticate(self, mechanism: str, auth_data: Any) -> smtp.AuthResult:
        reply = self._log_in(mechanism, auth_data)
        if reply is None:
            return smtp.AuthResult(success=True, message="235 2.7.0 Logged in")
        session = self._dialogue.client.id
        log.info("login refused session=%s code=%d", session, reply.code)
        log.debug("login refused session=%s address=%s", session, shown_address(auth_data.login.decode("latin-1")))
        return smtp.AuthResult(success=False, handled=False, message=line(reply))

    def _log_in(self, mechanism: str, login: smtp.LoginPassword) -> Reply | None:
        """None when logged in. A temporary failure does not count as a failed login, and gets the code of RFC 4954."""
        answer: Any = None
        session, stream, hub = self._dialogue.client, self._dialogue.stream, self._dialogue.hub
        try:
            credentials = Credentials(login.login.decode(), login.password.decode(), mechanism)
        except UnicodeDecodeError:
            pass
        else:
            stream.flush()
            answer = hub.authenticate(session=session, credentials=credentials)
        if isinstance(answer, Account):
            session.account = answer
            stream.login_deadline = None
            hub.logged_in(session=session, account=answer)
            return None
        refusal = login_refusal(answer)
        if refusal is not None and refusal.temporary:
            return Reply(454, "4.7.0", refusal.text)
        self.failures += 1
        if self._dialogue.plugin.gateway.config.core.discreet:
            return WRONG_PASSWORD  # the reasons are of a server where logins make accounts
        return Reply(535, refusal.enhanced or "5.7.8", refusal.text) if refusal is not None else WRONG_PASSWORD


def _decoded(text: str) -> bytes | None:
    try:
        return binascii.a2b_base64(text.encode(), strict_mode=True)
    except ValueError:
        return None
