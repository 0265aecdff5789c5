"""Delta Chat cores of several years with the newest one, on one gateway. Runs inside a namespace:
`python generations.py VERSION,… FOLDER`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

from deltachat_rpc_client import Rpc
from deltachat_rpc_client.rpc import JsonRpcError
from fetch_cores import program
from people import OUT_DELIVERED, OUT_FAILED, OUT_READ, until
from stage import GatewayProcess, close, prepare
from story import ATTACHMENT, Domain, dclogin

SECONDS = 60.0  # the machine may be busy, and a core that missed a wake-up asks again after a while
DOMAIN = "_cg1.test"


class Silent(Rpc):
    """Asks for no events: older cores hand them out one by one, and what counts here is the state that is reached."""

    def events_loop(self) -> None:
        pass


class Profile:
    """One profile, by the calls that all these cores have."""

    def __init__(self, name: str, rpc: Rpc) -> None:
        self.name, self.rpc = name, rpc
        self.id: int = rpc.add_account()

    def arrive(self) -> None:
        """A new address on the gateway."""
        # "sc" is for older cores, which knew a choice for each of the two servers
        self.rpc.add_transport_from_qr(self.id, dclogin(DOMAIN, DOMAIN, 993, 465) + "&sc=3")
        self.rpc.set_config(self.id, "displayname", self.name)
        self.rpc.start_io(self.id)

    def join(self, inviter: Profile, chat: int | None) -> int:
        """Scan the inviter's QR code, of a chat or the person; our chat once it can be written to."""
        mine: int = self.rpc.secure_join(self.id, inviter.rpc.get_chat_securejoin_qr_code(inviter.id, chat))
        until(f"{self.name} has met {inviter.name}", lambda: self._met(mine), SECONDS)
        return mine

    def _met(self, chat: int) -> bool:
        contacts = [self.rpc.get_contact(self.id, number) for number in self.members(chat) if number != SELF]
        keys = bool(contacts) and all(contact["e2eeAvail"] for contact in contacts)
        return keys and bool(self.rpc.can_send(self.id, chat))

    def members(self, chat: int) -> list[int]:
        found: list[int] = self.rpc.get_chat_contacts(self.id, chat)
        return found

    def sends(self, chat: int, text: str, file: Path | None = None) -> int:
        """The message, delivered."""
        data = {"text": text} | ({"file": str(file)} if file else {})
        message: int = self.rpc.send_msg(self.id, chat, data)
        self.delivered(message)
        return message

    def delivered(self, message: int) -> None:
        def gone() -> bool:
            now = self.rpc.get_message(self.id, message)
            assert now["state"] != OUT_FAILED, f"{self.name}: {now['error']}"
            return now["state"] in (OUT_DELIVERED, OUT_READ)

        until(f"{self.name}'s message is delivered", gone, SECONDS)

    def has(self, text: str) -> int:
        """The chat in which a message with this text arrived, encrypted."""

        def there() -> int | None:
            for number in self.rpc.search_messages(self.id, text, None):
                message = self.rpc.get_message(self.id, number)
                assert message["showPadlock"], f"{text!r} came to {self.name} in the clear"
                return int(message["chatId"])
            return None

        found = until(f"{self.name} has {text!r}", there, SECONDS)
        assert found is not None
        self.rpc.accept_chat(self.id, found)
        return found

    def has_file(self, chat: int) -> None:
        """The other's attachment is there, all of it. Older cores have it in a message apart from its text."""

        def there() -> bool:
            numbers = self.rpc.get_message_ids(self.id, chat, False, False)
            messages = [self.rpc.get_message(self.id, number) for number in numbers]
            theirs = [message for message in messages if message["fromId"] != SELF]
            return any(message["fileBytes"] == ATTACHMENT and message["showPadlock"] for message in theirs)

        until(f"{self.name} has the file", there, SECONDS)


SELF = 1  # the core's number for oneself among contacts


def evening(old: Profile, new: Profile, file: Path) -> None:
    """What two people do, one of them with an old core."""
    version = old.name
    old.arrive()
    to_new = old.join(new, None)
    old.sends(to_new, f"hello from {version}")
    to_old = new.has(f"hello from {version}")
    new.sends(to_old, f"hello to {version}")
    old.has(f"hello to {version}")
    for sender, chat, reader in ((old, to_new, new), (new, to_old, old)):
        sender.sends(chat, f"photo by {sender.name} for {reader.name}", file)
        reader.has_file(to_new if reader is old else to_old)
    call(old, to_new)
    move_keys(old)
    # One invites to a group, the other joins by QR code: each way round.
    for inviter, guest in ((old, new), (new, old)):
        group = inviter.rpc.create_group_chat(inviter.id, f"by {inviter.name} for {guest.name}", False)
        theirs = guest.join(inviter, group)
        until(f"{guest.name} is in {inviter.name}'s group", lambda: len(inviter.members(group)) == 2, SECONDS)  # noqa: B023
        guest.sends(theirs, f"{guest.name} is in, {inviter.name}")
        inviter.has(f"{guest.name} is in, {inviter.name}")
        leaver, its, other, others = (old, group, new, theirs) if inviter is old else (old, theirs, new, group)
        leaver.rpc.leave_group(leaver.id, its)
        until(f"{other.name} sees {leaver.name} leave", lambda: len(other.members(others)) == 1, SECONDS)  # noqa: B023


def call(caller: Profile, chat: int) -> None:
    """Ring, as far as the caller's core can call."""
    for more in ((), (False,)):  # has it video?
        with suppress(JsonRpcError):
            caller.delivered(caller.rpc.place_outgoing_call(caller.id, chat, f"offer of {caller.name}", *more))
            return


def move_keys(owner: Profile) -> None:
    """Send oneself an Autocrypt Setup Message, as cores before 2.50 do for a second device."""
    with suppress(JsonRpcError):
        owner.rpc.initiate_autocrypt_key_transfer(owner.id)
        chat = owner.rpc.create_chat_by_contact_id(owner.id, SELF)
        owner.delivered(owner.rpc.get_message_ids(owner.id, chat, False, False)[-1])


def main(versions: list[str], folder: Path) -> None:
    (folder / "photo.bin").write_bytes(bytes(range(256)) * (ATTACHMENT // 256) + bytes(ATTACHMENT % 256))
    gateway = GatewayProcess(folder / "gateway")
    prepare(gateway, *Domain.init)
    with ExitStack() as stack:
        stack.enter_context(gateway)
        gateway.start()
        newest = stack.enter_context(Silent(accounts_dir=str(folder / "newest")))
        try:
            pairs: list[tuple[Profile, Profile]] = []
            for version in versions:
                rpc = Silent(accounts_dir=str(folder / version), rpc_server_path=str(program(version)))
                pairs.append((Profile(version, stack.enter_context(rpc)), Profile(f"friend of {version}", newest)))
            for _, new in pairs:
                new.arrive()
            with ThreadPoolExecutor(len(pairs)) as pool:
                told = [pool.submit(timed, evening, old, new, folder / "photo.bin") for old, new in pairs]
            for (old, _), story in zip(pairs, told, strict=True):
                print(f"{old.name}: {story.exception() or f'{story.result():.1f} s'}", flush=True)
            assert not any(story.exception() for story in told)
        except BaseException:
            print(gateway.output()[-6000:], flush=True)
            raise
        for old, new in pairs:
            for profile in (old, new):
                profile.rpc.stop_io(profile.id)
        close(gateway)


def timed(tell: Callable[[Profile, Profile, Path], None], old: Profile, new: Profile, file: Path) -> float:
    begin = time.monotonic()
    tell(old, new, file)
    return time.monotonic() - begin


if __name__ == "__main__":
    main(sys.argv[1].split(","), Path(sys.argv[2]))
