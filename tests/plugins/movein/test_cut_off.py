"""An import that is cut off at any moment, and run again: nothing comes twice, nothing is missing."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from chatgate_movein.journal import Journal
from chatgate_movein.moving import Move
from chatgate_movein.relay import Relay
from movein_kit import SHA512

from chatgate.running.hold import Hold

PEOPLE, EACH = 4, 6


class Killed(BaseException):
    """What a process that dies does not catch."""


def relay(folder, people=PEOPLE, each=EACH, size=300):
    """Maildirs as Dovecot keeps them; of every third message the file is not in the list yet."""
    for person in range(people):
        home = folder / f"person{person:04}@old.example"
        for name in ("cur", "new", ".DeltaChat/cur", ".DeltaChat/new"):
            (home / name).mkdir(parents=True)
        (home / "password").write_text("{SHA512-CRYPT}" + SHA512)
        (home / "enforceE2EEincoming").touch()
        tokens = {f"fcm-{person}": time.time() - 86400}
        (home / "metadata.json").write_text(json.dumps({"devicetoken": tokens}))
        for box, validity in ((home, 1_700_000_000 + person), (home / ".DeltaChat", 1_600_000_000 + person)):
            lines = [f"3 V{validity} N{each + 5} Gabc"]
            for number in range(each):
                name = f"17000000{number:02}.M1P1.x"
                letters = "S" * (number % 2)
                (box / f"cur/{name}:2,{letters}").write_bytes(content(person, box, number, size))
                lines += [f"{number + 1} :{name}"] * (number % 3 > 0)
            (box / "dovecot-uidlist").write_text("\n".join(lines) + "\n")
    return folder


def content(person, box, number, size):
    text = f"Subject: {person} {box.name == '.DeltaChat'} {number}\n\n"
    return text.encode() + b"x" * size


def whole(store, people=PEOPLE, each=EACH):
    """All that is in the store, if each account has what it should."""
    found = []
    for account in store.accounts(limit=10_000):
        assert account.secret == SHA512
        for name in ("INBOX", "DeltaChat"):
            box = store.mailbox(account.id, name)
            status = store.status(box.id)
            contents = [store.content(box.id, one.uid) for one in store.changes(box.id).messages]
            assert len(contents) == len(set(contents)) == each == status.messages
            listed = [one.uid for one in store.changes(box.id).messages]
            found.append((account.address, name, status.uidvalidity, status.uidnext, listed))
    assert len(found) == 2 * people and store.integrity() == []
    return found


def killed_at(step, gateway, source, monkeypatch):
    """Run an import that dies at this step of all that write; half of the steps are done before it dies. Returns
    whether it came to its end.
    """
    journal, steps = Journal(gateway.path("data/movein.db")), 0
    names = [("begin", journal), ("made", journal), ("done", journal), ("reached", journal)]
    names += [(name, gateway.store) for name in ("create_account", "create_mailbox", "subscribe", "restore_messages")]
    with monkeypatch.context() as patch:

        def dying(do):
            def step_by_step(*given, **named):
                nonlocal steps
                steps += 1
                if steps == step and step % 2:
                    raise Killed
                result = do(*given, **named)
                if steps == step:
                    raise Killed
                return result

            return step_by_step

        for name, owner in names:
            patch.setattr(owner, name, dying(getattr(owner, name)))
        try:
            move = Move(gateway, source, journal, None)
            for person in source.people():
                move.person(person)
        except Killed:
            return False
        finally:
            journal.close()
    assert not move.report.left
    return True


def test_it_goes_on_from_every_step(tmp_path, bring, closed, monkeypatch):
    monkeypatch.setattr("chatgate_movein.moving._MOST_MESSAGES", 2)
    folder = relay(tmp_path / "old")
    gateway = closed()
    step = 1
    while not killed_at(step, gateway, Relay(folder, 1_000_000), monkeypatch):
        assert step == 1 or gateway.store.count_accounts()
        step += 1
    assert step > 10
    found = whole(gateway.store)
    push = gateway.hub.plugin("push").kept
    assert push.counts() == (PEOPLE, PEOPLE)

    again = bring(Relay(folder, 1_000_000), gateway)
    assert not again["counts"].get("messages") and not again["left_behind"] and whole(gateway.store) == found

    for home in folder.iterdir():  # what comes later is cut off as well
        for number in range(3):
            (home / f"new/190000000{number}.late").write_bytes(b"Subject: late %d\n\n" % number)
            (home / f".DeltaChat/new/190000000{number}.late").write_bytes(b"Subject: later %d\n\n" % number)
    step = 1
    while not killed_at(step, gateway, Relay(folder, 1_000_000), monkeypatch):
        step += 1
    assert step > 5
    whole(gateway.store, each=EACH + 3)
    assert not any("movein" in problem.text for problem in gateway.hub.plugin("movein").chatgate_check())


def test_somebody_who_took_the_address_meanwhile_keeps_it(tmp_path, bring, closed, monkeypatch):
    folder = relay(tmp_path / "old", people=1)
    gateway = closed()
    assert not killed_at(1, gateway, Relay(folder, 1_000_000), monkeypatch)
    address = "person0000@old.example"
    Journal(gateway.path("data/movein.db")).begin(f"relay:{address}", address)
    account = gateway.store.create_account(address, "$scrypt$of somebody else")
    report = bring(Relay(folder, 1_000_000), gateway)
    assert report["left_behind"][0]["why"] == "there is an account of this address already"
    assert gateway.store.account(address) == account and not gateway.store.usage(account.id).messages


def test_a_mailbox_with_mail_of_its_own_is_left_alone(tmp_path, bring, closed):
    from chatgate.api import Delivery

    folder = relay(tmp_path / "old", people=1)
    gateway = closed()
    bring(Relay(folder, 1_000_000), gateway)
    account = gateway.store.account("person0000@old.example")
    inbox = gateway.store.mailbox(account.id, "INBOX")
    gateway.store.store(b"A: own\r\n\r\n", [Delivery(account.address, inbox.id, account.id)])
    (folder / account.address / "new/1900000000.M1.late").write_bytes(b"A: late\n\n")
    report = bring(Relay(folder, 1_000_000), gateway)
    assert "mail of its own" in report["left_behind"][0]["why"] and report["left_behind"][0]["mailbox"] == "INBOX"
    assert gateway.store.status(inbox.id).messages == EACH + 1


class Commands:
    def __init__(self, folder):
        self.folder = folder
        assert self.run("init", "--domain", "old.example", "--local").returncode == 0

    def start(self, *words):
        command = [sys.executable, "-m", "chatgate", "--dir", str(self.folder), *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *words):
        process = self.start(*words)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(words, process.returncode, out, err)


@pytest.fixture
def commands(tmp_path):
    return Commands(tmp_path)


def test_the_command_is_killed_and_run_again(tmp_path, commands, closed):
    folder = relay(tmp_path / "old", people=15, each=8, size=20_000)
    process = commands.start("import", "relay", str(folder))
    log = tmp_path / "data/mail.db-wal"
    while process.poll() is None and (not log.exists() or log.stat().st_size < 1_000_000):
        time.sleep(0.002)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    hold = Hold(tmp_path)
    look = commands.start("import", "relay", str(folder), "--dry-run", "--json")  # may be done beside a gateway
    refused = commands.run("import", "relay", str(folder))
    assert refused.returncode == 1 and "serves" in refused.stderr
    assert json.loads(look.communicate()[0])["dry_run"] and look.returncode == 0
    hold.release()
    done = commands.run("import", "relay", str(folder), "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["left_behind"] == []
    assert os.stat(tmp_path / "data/movein.db").st_mode & 0o077 == 0
    gateway = closed()
    whole(gateway.store, 15, 8)
