"""The page `/account`. There are no cookies and nobody stays logged in: each form contains address and password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bottle
import gevent

from chatgate.api import Account, Credentials, Gateway, Session, login_refusal, said
from chatgate_selfservice.password import set_password

_TEMPLATE = Path(__file__).with_name("account.html")
_WRONG = said("Wrong address or password.")


class Page:
    """wrong_password_seconds: how long the answer to a wrong password is delayed. site: makes pages look like its own,
    see `chatgate_site.plugin.Site.page`.
    """

    def __init__(self, gateway: Gateway, wrong_password_seconds: float, site: Any) -> None:
        self._gateway, self._wrong_password_seconds, self._site = gateway, wrong_password_seconds, site

    def show(self) -> bottle.HTTPResponse:
        return self._page()

    def act(self) -> bottle.HTTPResponse:
        """Handle a form: address and password say who it is, the field "do" says what: "look", "password", "delete"."""
        form, session = bottle.request.forms, bottle.request.environ["chatgate.session"]
        account = self._log_in(session, form.address.strip(), form.password)
        if isinstance(account, str):
            return self._page(status=403, address=form.address.strip(), problem=account)
        if form.do == "password":
            return self._set_password(account, form.new, form.again)
        if form.do == "delete":
            return self._delete(account, form.confirm.strip(), may_return=form.may_return == "yes")
        return self._page(account=account)

    def _log_in(self, session: Session, address: str, password: str) -> Account | str:
        """The account, or why not. Unlike a login by an app, this one does not create accounts."""
        full = self._gateway.domains.full(address, self._site.here().domain)
        # An address that nobody has: the answer for it takes as long as for a wrong password.
        known = self._gateway.store.account(full) is not None
        credentials = Credentials(full if known else "", password, "form")
        answer = self._gateway.hub.authenticate(session=session, credentials=credentials)
        if isinstance(answer, Account):
            return answer
        refusal = login_refusal(answer)
        if refusal is not None and refusal.code != 535:
            return said("{reason}.", reason=refusal.text)
        gevent.sleep(self._wrong_password_seconds)
        return _WRONG

    def _set_password(self, account: Account, new: str, again: str) -> bottle.HTTPResponse:
        if new != again:
            return self._page(
                account=account, status=400, problem=said("The new password is not the same in both fields.")
            )
        answer = set_password(self._gateway, account, new)
        if not answer.accepts:
            return self._page(account=account, status=400, problem=said("{reason}.", reason=answer.text))
        done = said("The password is changed. Now give the new one to your app, on each of your devices.")
        return self._page(account=account, done=done)

    def _delete(self, account: Account, confirm: str, may_return: bool) -> bottle.HTTPResponse:
        """Delete for good, unless the owner chooses otherwise: an app that is online logs in again a second later,
        which would bring the account back.
        """
        if confirm.lower() not in (account.address, account.address.rpartition("@")[0]):
            return self._page(account=account, status=400, problem=said("To delete the account, type its address."))
        self._gateway.accounts.delete(account, final=not may_return)
        return self._page(gone=account.address, may_return=may_return)

    def _page(self, status: int = 200, account: Account | None = None, **facts: Any) -> bottle.HTTPResponse:
        shown = {"account": account, "address": "", "problem": "", "done": "", "gone": ""} | facts
        if account is not None:
            shown |= {"address": account.address, "kept": self._gateway.accounts.facts(account)}
        return self._site.page(_TEMPLATE, status=status, forms=True, **shown)
