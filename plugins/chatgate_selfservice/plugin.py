"""The plugin: `/account`. There are no cookies and nobody stays logged in: each form carries address and password."""

from __future__ import annotations

import datetime
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent

from chatgate.api import Account, Credentials, Gateway, Problem, Reply, Session, hookimpl, option

if TYPE_CHECKING:
    import bottle

log = logging.getLogger("chatgate.selfservice")

_PAGE = Path(__file__).with_name("account.html")
_MAX_BODY = 16384  # octets of a form: three passwords of the longest kind, each character as three

_WRONG = "Wrong address or password."
_DEVICE_TOKEN = "/private/devicetoken"  # of push, see its METADATA


@dataclass(frozen=True)
class SelfServiceOptions:
    wrong_password_seconds: float = option(2.0, "Seconds that the answer to a wrong password takes longer.")


class SelfService:
    """A page for users: what is kept about them, a new password, the end of the account."""

    Options = SelfServiceOptions
    order = 75

    def __init__(self, gateway: Gateway, options: SelfServiceOptions) -> None:
        self.gateway, self.options = gateway, options

    @hookimpl
    def chatgate_check(self, gateway: Gateway) -> list[Problem]:
        return [] if gateway.hub.has("site") else [Problem("warning", "selfservice: its page needs the plugin site")]

    @hookimpl(optionalhook=True)  # the site brings it
    def chatgate_site_routes(self, app: bottle.Bottle, site: Any) -> None:
        page = _Account(self.gateway, self.options, site)
        app.get("/account", callback=page.show)
        app.post("/account", callback=page.act, max_body=_MAX_BODY)


class _Account:
    def __init__(self, gateway: Gateway, options: SelfServiceOptions, site: Any) -> None:
        self._gateway, self._options, self._site = gateway, options, site

    def show(self) -> bottle.HTTPResponse:
        return self._page()

    def act(self) -> bottle.HTTPResponse:
        """One form: who it is, and by its field "do" what is wanted: "look", "password" or "delete"."""
        import bottle

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
        """The account, or why not. Unlike a login of an app this one makes no accounts."""
        full = address if "@" in address else f"{address}@{self._gateway.domain}"
        # Nobody's address: an answer for it takes as long as for a wrong password.
        known = self._gateway.store.account(full) is not None
        credentials = Credentials(full if known else "", password)
        answer = self._gateway.hub.ask("authenticate", session=session, credentials=credentials)
        if isinstance(answer, Account):
            return answer
        if isinstance(answer, Reply) and (answer.temporary or answer.code != 535):
            return answer.text + "."
        gevent.sleep(self._options.wrong_password_seconds)
        return _WRONG

    def _set_password(self, account: Account, new: str, again: str) -> bottle.HTTPResponse:
        if new != again:
            return self._page(account=account, status=400, problem="The new password is not the same in both fields.")
        answer = self._gateway.hub.ask("set_password", account=account, password=new)
        if answer is not True:
            text = answer.text if isinstance(answer, Reply) else "This server changes no passwords"
            return self._page(account=account, status=400, problem=text + ".")
        done = "The password is changed. Now give the new one to your app, on each of your devices."
        return self._page(account=account, done=done)

    def _delete(self, account: Account, confirm: str, may_return: bool) -> bottle.HTTPResponse:
        """For good, unless its owner wishes otherwise: an app that is online logs in again a second later."""
        if confirm.lower() not in (account.address, account.address.rpartition("@")[0]):
            return self._page(account=account, status=400, problem="To delete the account, type its address.")
        self._gateway.store.delete_account(account.id, final=not may_return)
        self._gateway.hub.notify("account_removed", account=account)
        return self._page(gone=account.address, may_return=may_return)

    def _page(self, status: int = 200, account: Account | None = None, **facts: Any) -> bottle.HTTPResponse:
        shown = {"account": account, "address": "", "problem": "", "done": "", "gone": ""} | facts
        if account is not None:
            shown |= {"address": account.address, "kept": self._kept(account)}
        return self._site.page(_PAGE, status=status, forms=True, **shown)

    def _kept(self, account: Account) -> dict[str, Any]:
        store = self._gateway.store
        boxes = {box.name: store.status(box.id).messages for box in store.mailboxes(account.id)}
        session = Session("site", "", tls=True, account=account)
        facts = {"session": session, "mailbox": "INBOX", "entry": _DEVICE_TOKEN}
        tokens = self._gateway.hub.ask("get_metadata", **facts)
        return {
            "usage": store.usage(account.id),
            "mailboxes": {name: messages for name, messages in boxes.items() if messages},
            "created": _date(account.created),
            "last_login": _date(account.last_login),
            "tokens": len(tokens.split()) if isinstance(tokens, bytes) else 0,
        }


def _date(day: int) -> str:
    return (datetime.date(1970, 1, 1) + datetime.timedelta(day)).isoformat() if day else ""
