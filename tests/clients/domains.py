"""A domain, one that begins with an underscore and two IP addresses in one gateway, and people of each who chat with
all others. Runs inside a namespace: `python domains.py FOLDER`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from around import command
from people import OUT_DELIVERED, Person, arrive
from stage import GatewayProcess, close, cores, prepare

HOME = {
    "alice": ("dom.test", "dom.test"),
    "bob": ("_cg1.test", "_cg1.test"),
    "carol": ("127.0.0.1", "[127.0.0.1]"),
    "dave": ("127.0.0.2", "[127.0.0.2]"),
}


def main(folder: Path) -> None:
    with GatewayProcess(folder / "gateway") as gateway:
        prepare(gateway, "--domain", "dom.test")
        further = gateway.folder / "conf.d" / "domains"
        further.mkdir()
        for name, text in (("_cg1.test", ""), ("127.0.0.1", ""), ("127.0.0.2", '[site]\ntitle = "Two"\n')):
            (further / f"{name}.toml").write_text(text)
        gateway.start()
        with cores(gateway, folder / "accounts") as deltachat:
            people = arrive(deltachat, {name: invitation(gateway, host) for name, (host, _) in HOME.items()})
            for name, (_, domain) in HOME.items():
                assert people[name].transport.addr.endswith(f"@{domain}"), people[name].transport.addr
            everybody_meets(people)
            a_group(people)
            for host, _ in HOME.values():
                assert "1 received" in command(gateway, "ping", "-c", "1", "--domain", host)
            shown = command(gateway, "accounts", "list", "--domain", "127.0.0.2")
            assert people["dave"].transport.addr in shown and people["carol"].transport.addr not in shown
            for person in people.values():
                person.content()
            close(gateway)


def invitation(gateway: GatewayProcess, host: str) -> str:
    """The QR code that the operator shows for this domain."""
    link = str(json.loads(command(gateway, "qr", "--domain", host, "--json"))["link"])
    assert link.startswith("dcaccount:https://_cg1.test/new" if host == "_cg1.test" else "dclogin:"), link
    return link


def everybody_meets(people: dict[str, Person]) -> None:
    """Securejoin between each two, and a message each way."""
    met: list[Person] = []
    for person in people.values():
        for other in met:
            person.account.secure_join(other.account.get_qr_code())
            other.event("SecurejoinInviterProgress", progress=1000)
            person.event("SecurejoinJoinerProgress", progress=1000)
            for sender, reader in ((person, other), (other, person)):
                text = f"{sender.name} to {reader.name}"
                sent = sender.sends(sender.account.create_chat(reader.account), text)
                assert reader.has(text).get_snapshot().show_padlock
                sender.state(sent, OUT_DELIVERED, OUT_DELIVERED + 2)
        met.append(person)


def a_group(people: dict[str, Person]) -> None:
    """One message for all domains at once."""
    alice, *others = people.values()
    group = alice.account.create_group("four domains")
    group.add_contact(*(person.account for person in others))
    alice.sends(group, "welcome, all")
    for person in others:
        person.has("welcome, all").get_snapshot().chat.accept()
    others[-1].sends(others[-1].find("welcome, all")[0].get_snapshot().chat, "thank you, alice")
    for person in (alice, *others[:-1]):
        person.has("thank you, alice")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
