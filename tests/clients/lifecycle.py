"""From invitation to deletion: what the gateway keeps, counts, tells phones and forgets, as the real core sees it.
Runs inside a namespace: `python lifecycle.py domain|ip FOLDER`.
"""

from __future__ import annotations

import datetime
import html
import json
import os
import re
import secrets
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from around import (
    DOMAIN,
    SITE,
    Notifications,
    account_page,
    command,
    connectivity,
    mailbox,
    quota,
    refused,
    shows_storage,
    stored,
)
from deltachat_rpc_client import DeltaChat
from people import OUT_DELIVERED, OUT_FAILED, Person, arrive, awake, until
from stage import GatewayProcess, close, cores, prepare
from story import ATTACHMENT, NO_CHECK

PLUGINS = ("invite", "policy", "push", "selfservice", "sweeper")
QUOTA = 500_000_000 // 1024  # KiB, for accounts without one of their own
GATHERING = 15.0  # seconds in which push gathers mail: five messages take 0.3, and some where the machine is slow


class Lifecycle:
    """Three days, on each of which the apps are started anew; a method an event, told in this order."""

    def __init__(self, gateway: GatewayProcess, notifications: Notifications, folder: Path) -> None:
        self.gateway, self.notifications, self.folder = gateway, notifications, folder

    def first_day(self, deltachat: DeltaChat) -> None:
        names = ("alice", "bob", "carol")
        self.deltachat, self.people = deltachat, arrive(deltachat, dict.fromkeys(names, f"dcaccount:{DOMAIN}"))
        self._tell(
            self.nothing_is_stored_yet,
            self.bob_keeps_mail_for_a_second_device,
            self.a_phone_is_woken_once_for_a_burst,
            self.limits_of_their_own,
        )

    def second_day(self, deltachat: DeltaChat) -> None:
        self.deltachat, self.people = deltachat, awake(deltachat)
        self._tell(
            self.the_app_shows_what_is_stored,
            self.what_expires_on_the_server_stays_in_the_app,
            self.an_account_ends,
            self.nobody_else_can_have_it,
            self.its_owner_can,
            self.an_account_ends_for_good,
        )

    def third_day(self, deltachat: DeltaChat) -> None:
        self.deltachat, self.people = deltachat, awake(deltachat)
        self._tell(
            self.all_are_still_here,
            self.the_door_is_closed,
            self.invited_by_a_qr_code,
            self.invited_by_a_typed_password,
        )

    def _tell(self, *chapters: Callable[[], None]) -> None:
        self.alice, self.bob, self.carol = (self.people[name] for name in ("alice", "bob", "carol"))
        for chapter in chapters:
            begin = time.monotonic()
            chapter()
            print(f"{chapter.__name__}: {time.monotonic() - begin:.1f} s", flush=True)

    # ------------------------------------------------------------------------------------------ the first day

    def nothing_is_stored_yet(self) -> None:
        shows_storage(self.bob, 0, QUOTA)

    def bob_keeps_mail_for_a_second_device(self) -> None:
        """With one device only, a core would delete what it has downloaded."""
        self.bob.account.set_config("bcc_self", "1")
        (self.folder / "photo.bin").write_bytes(os.urandom(ATTACHMENT))
        to_bob = self.alice.account.create_chat(self.bob.account)
        self.alice.sends(to_bob, "a photo for bob", file=str(self.folder / "photo.bin"))
        got = self.bob.has("a photo for bob")
        until("bob has the file", lambda: got.get_snapshot().file_bytes == ATTACHMENT and got.get_snapshot().file)
        got.get_snapshot().chat.accept()

    def a_phone_is_woken_once_for_a_burst(self) -> None:
        tokens = ("token-of-a-phone", "token-of-a-tablet")
        with mailbox(self.bob) as imap:
            for token in tokens:
                answer = imap.xatom("SETMETADATA", "INBOX", f'(/private/devicetoken "{token}")')
                assert answer[0] == "OK", answer
        to_bob = self.alice.account.create_chat(self.bob.account)
        for burst in (1, 2):
            for number in range(5):
                self.alice.sends(to_bob, f"burst {burst}, number {number}!")
            for number in range(5):
                self.bob.has(f"burst {burst}, number {number}!")
            until(f"{2 * burst} notifications", lambda least=2 * burst: len(self.notifications.tokens) >= least)
            told = Counter(self.notifications.tokens)
            assert told == dict.fromkeys(tokens, burst), told
            self._sent_to_the_service(2 * burst)
        # What bob writes himself comes into his mailbox for his other devices, and wakes none.
        with mailbox(self.bob) as imap:
            before = stored(imap)
            self.bob.state(self.bob.sends(self.bob.find("burst 1")[0].get_snapshot().chat, "good night"), OUT_DELIVERED)
            assert stored(imap) > before
        self._sent_to_the_service(4)

    def _sent_to_the_service(self, requests: int) -> None:
        """So much in all, and nothing waits any more."""
        status = until("nothing waits to be sent", self._push_status_at_rest)
        seen = {name: status[name] for name in ("queued", "requests", "accepted", "failed")}
        expected = {"queued": requests, "requests": requests, "accepted": requests, "failed": 0}
        assert seen == expected, f"{status}, the service saw {self.notifications.tokens}"
        assert len(self.notifications.tokens) == requests, self.notifications.tokens

    def _push_status_at_rest(self) -> dict[str, int] | None:
        status = json.loads(command(self.gateway, "push", "status", "--json"))
        return status if status["waiting"] == 0 else None

    def limits_of_their_own(self) -> None:
        """Set by the operator; apps look at most once a minute, and when they are started."""
        with mailbox(self.bob) as imap:
            used, limit = quota(imap)
        assert used * 1024 > ATTACHMENT and limit == QUOTA, f"{used} of {limit} KiB"
        self.bobs_quota = used * 1024 * 10 // 9
        command(self.gateway, "accounts", "quota", self.bob.transport.addr, str(self.bobs_quota))
        command(self.gateway, "accounts", "quota", self.alice.transport.addr, "2M")

    # ------------------------------------------------------------------------------------------ the second day

    def the_app_shows_what_is_stored(self) -> None:
        """The server's numbers, there and on the page for a browser."""
        with mailbox(self.bob) as imap:
            used, limit = quota(imap)
        assert limit == self.bobs_quota // 1024 and 85 <= 100 * used // limit <= 95, f"{used} of {limit} KiB"
        shows_storage(self.bob, used, limit)
        page = account_page("look", self.bob)
        assert self.bob.transport.addr in page and f"of the {self.bobs_quota / 1e3:.3g} kB" in page, page

    def what_expires_on_the_server_stays_in_the_app(self) -> None:
        """Swept from another process, while bob's app is in IDLE on that very mailbox."""
        with mailbox(self.bob) as imap:
            before = stored(imap)
        later = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(30)).strftime("%Y-%m-%d")
        report = json.loads(command(self.gateway, "sweep", "--now", later, "--json"))
        with mailbox(self.bob) as imap:
            assert before >= 12 and stored(imap) == 0 and quota(imap)[0] == 0, f"{before} before; {report}"
        # Now the app gets to know what went, too.
        self.alice.sends(self.alice.account.create_chat(self.bob.account), "are they all there?")
        self.bob.has("are they all there?")
        self._bob_has_all()
        self.bob.content()

    def _bob_has_all(self) -> None:
        photo = self.bob.find("a photo for bob")[0].get_snapshot()
        assert photo.download_state == "Done" and Path(photo.file).stat().st_size == ATTACHMENT
        texts = {message.get_snapshot().text for message in photo.chat.get_messages()}
        lost = {f"burst {burst}, number {number}!" for burst in (1, 2) for number in range(5)} - texts
        assert not lost, f"gone from the app: {lost}"

    def an_account_ends(self) -> None:
        """Carol's phone is off; on the page she deletes the account, unsure of it. Friends are told when they write."""
        self.alice.sends(self.alice.account.create_chat(self.carol.account), "carol, are you there?")
        self.carol.has("carol, are you there?").get_snapshot().chat.accept()
        self.carol.account.stop_io()
        page = account_page("delete", self.carol, confirm=self.carol.transport.addr, may_return="yes")
        assert "get it back" in page, page
        late = self.alice.sends(self.alice.account.create_chat(self.carol.account), "carol, still there?")
        self.alice.state(late, OUT_FAILED)

    def nobody_else_can_have_it(self) -> None:
        """A first login would make an account of any other address."""
        mallory = self.deltachat.add_account()
        text = refused(mallory, self.carol.transport.addr, secrets.token_hex(11))
        assert "wrong address or password" in text, text
        assert self.carol.transport.addr not in self._accounts()
        mallory.remove()

    def its_owner_can(self) -> None:
        """The app has only to be online again: same address, same password, an empty mailbox."""
        self.carol.account.start_io()
        self.deltachat.rpc.wait_for_all_work_done(self.carol.account.id)
        until("carol's account is there again", lambda: self.carol.transport.addr in self._accounts())
        self.alice.sends(self.alice.account.create_chat(self.carol.account), "welcome back, carol")
        got = self.carol.has("welcome back, carol")
        self.carol.state(self.carol.sends(got.get_snapshot().chat, "it is good to be back"), OUT_DELIVERED)
        self.alice.has("it is good to be back")
        assert self.carol.find("carol, are you there?") and not self.carol.find("carol, still there?")

    def an_account_ends_for_good(self) -> None:
        """Dora's app is online the whole time, and does not bring back what she has deleted."""
        dora = arrive(self.deltachat, {"dora": f"dcaccount:{DOMAIN}"})["dora"]
        address = dora.transport.addr
        writes(dora, self.alice)
        assert "not with your password either" in account_page("delete", dora, confirm=address)
        self._is_kept_out(dora)
        dora.account.stop_io()
        dora.account.start_io()
        self._is_kept_out(dora)
        assert address not in self._accounts()
        dora.account.remove()

    def _is_kept_out(self, person: Person) -> None:
        """Its app has tried to log in, and shows why that failed."""
        until(f"{person.name}'s app is refused", lambda: "wrong address or password" in connectivity(person))

    def _accounts(self) -> set[str]:
        return {account["address"] for account in json.loads(command(self.gateway, "accounts", "list", "--json"))}

    # ------------------------------------------------------------------------------------------ the third day

    def all_are_still_here(self) -> None:
        self._bob_has_all()
        with mailbox(self.bob) as imap:
            shows_storage(self.bob, *quota(imap))
        shows_storage(self.alice, 0, 2_000_000 // 1024)

    def the_door_is_closed(self) -> None:
        """Who is here stays; nobody else comes in, and is told why."""
        assert self.gateway.stop() == 0
        self.gateway.set("passwordless", registration='"closed"')
        self.gateway.start()
        self.deltachat.rpc.maybe_network()
        self.alice.sends(self.alice.account.create_chat(self.bob.account), "the door is closed")
        self.bob.has("the door is closed")
        for qr in (f"dcaccount:{DOMAIN}", f"dcaccount:{SITE}/new"):
            stranger = self.deltachat.add_account()
            text = refused(stranger, qr)
            assert "This server takes no new accounts" in text, text
            stranger.remove()

    def invited_by_a_qr_code(self) -> None:
        invitation = json.loads(command(self.gateway, "invite", "create", "--quota", "2M", "--json"))
        with urllib.request.urlopen(invitation["page"], timeout=60, context=NO_CHECK) as answer:
            assert f'href="{invitation["link"]}"' in html.unescape(answer.read().decode())
        dave = arrive(self.deltachat, {"dave": invitation["link"]})["dave"]
        shows_storage(dave, 0, 2_000_000 // 1024)
        writes(dave, self.alice)
        used_up(self.deltachat, invitation["link"])

    def invited_by_a_typed_password(self) -> None:
        """Address and password in the app's own form, no website."""
        token = json.loads(command(self.gateway, "invite", "create", "--json"))["token"]
        account = self.deltachat.add_account()
        address = f"erin-{secrets.token_hex(2)}@{DOMAIN}"
        text = refused(account, address, token)
        assert "more characters of your own" in text, text
        account.add_or_update_transport({"addr": address, "password": f"{token} of my own"})
        account.set_config("displayname", "erin")
        account.bring_online()
        writes(Person("erin", account), self.alice)
        used_up(self.deltachat, f"frank{secrets.token_hex(2)}@{DOMAIN}", f"{token} of my own")
        rows = json.loads(command(self.gateway, "invite", "list", "--json"))
        assert [row["used"] for row in rows if row["token"] == token] == [1], rows


def without_a_name(gateway: GatewayProcess, folder: Path) -> None:
    """A closed server that has only an IP address: each look at an invitation gives a link for one account."""
    prepare(gateway, "--domain", "127.0.0.4", plugins=PLUGINS)
    gateway.set("passwordless", registration='"closed"')
    gateway.start()
    token = json.loads(command(gateway, "invite", "create", "--uses", "2", "--json"))["token"]
    links = [re.findall(r"dclogin:\S+", command(gateway, "invite", "qr", token))[0] for _ in range(3)]
    with cores(gateway, folder / "accounts") as deltachat:
        people = arrive(deltachat, dict(zip(("alice", "bob"), links, strict=False)))
        writes(people["bob"], people["alice"])
        used_up(deltachat, links[2])
        close(gateway)


def writes(newcomer: Person, friend: Person) -> None:
    """They can, and nothing disturbed the newcomer's core meanwhile."""
    newcomer.sends(newcomer.account.create_chat(friend.account), f"it is me, {newcomer.name}")
    friend.has(f"it is me, {newcomer.name}")
    newcomer.content()


def used_up(deltachat: DeltaChat, *login: str) -> None:
    """One more than the invitation lets in is told so."""
    late = deltachat.add_account()
    text = refused(late, *login)
    assert "This invitation has been used up" in text, text
    late.remove()


def whole(gateway: GatewayProcess, folder: Path) -> None:
    """The three days."""
    notifications = Notifications()
    prepare(gateway, "--domain", DOMAIN, plugins=PLUGINS)
    gateway.set("push", url=f'"{notifications.url}"', coalesce_seconds=str(GATHERING))
    # It sweeps when the story says so, and mail that an app sends itself late must not make room in a crowded mailbox.
    gateway.set("sweeper", every_minutes="0", evict_at_percent="100")
    gateway.start()
    story = Lifecycle(gateway, notifications, folder)
    for day in (story.first_day, story.second_day, story.third_day):
        with cores(gateway, folder / "accounts") as deltachat:
            day(deltachat)
    close(gateway)


if __name__ == "__main__":
    _, _way, _folder = sys.argv
    with GatewayProcess(Path(_folder) / "gateway") as _gateway:
        {"domain": whole, "ip": without_a_name}[_way](_gateway, Path(_folder))
