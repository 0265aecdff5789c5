"""receive -> filter -> route -> store, and what each refusal leaves behind: nothing."""

import time
from pathlib import Path

import gevent.event
import pytest

from chatgate.api import (
    UNAVAILABLE,
    Delivery,
    NoSuchMailbox,
    Outgoing,
    OverQuota,
    Prepend,
    Queued,
    QueueFull,
    Remove,
    Reply,
    ReversePath,
    Stored,
    StoreError,
    StoreFull,
    StoreUnavailable,
    hookimpl,
)
from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions
from chatgate.mail.envelope import Envelope
from chatgate.running.gateway import Gateway
from chatgate.testing import session


class Keeper:
    """Puts mail for everybody into mailbox 1, or by the digit in the address, and keeps what it is given. It is the
    plugin and its store. says: what the store does instead.
    """

    def __init__(self, gateway, options):
        self.kept, self.seen, self.told, self.senders, self.says = [], [], [], [], None

    @hookimpl
    def chatgate_open_store(self):
        return self

    @hookimpl
    def chatgate_receive(self, session, envelope):
        return [Remove("X-Gone")]

    @hookimpl
    def chatgate_filter(self, session, envelope):
        self.seen.append(envelope.content)

    @hookimpl
    def chatgate_recipient(self, address):
        if address[0] == "x":
            return Reply(550, "5.1.1", f"<{address}>: no such user here")
        return Delivery(address, int(address[0]), 1) if address[0].isdigit() else Outgoing(address, "far.test")

    def store(self, content, destinations, partial, sender, account_id, trace):
        if self.says is not None:
            return self.says(destinations, partial)
        self.kept.append((content, list(destinations)))
        self.senders.append(sender)
        return [stored(destination) for destination in destinations]

    @hookimpl
    def chatgate_stored(self, envelope, stored):
        self.told.append(len(stored))


def stored(destination):
    if isinstance(destination, Delivery):
        return Stored(destination, 1, 1, 1)
    return Queued(1, 1, None, "", destination.recipient, destination.domain, 1, 0.0, 9.0, 0.0)


def plugin(**hooks):
    """A plugin class with these hooks."""
    made = {f"chatgate_{name}": staticmethod(hookimpl(function)) for name, function in hooks.items()}
    return type("Extra", (), {"__init__": lambda self, gateway, options: None, **made})


def gateway(*extra):
    plugins = [Enabled("keeper", Keeper, None, 50)]
    plugins[:0] = [Enabled(f"extra{n}", made, None, n) for n, made in enumerate(extra)]
    return Gateway(
        Config(Path("/nonexistent"), CoreOptions("d.test", hook_seconds=0.1, observer_seconds=0.1), tuple(plugins))
    )


MAIL = b"X-Gone: 1\r\nA: 1\r\n\r\nbody\r\n"


def accept(gateway, *recipients, origin="peer", sender="a@d.test", says=None):
    envelope, keeper = Envelope(sender, list(recipients or ["1@d.test"]), MAIL, origin), gateway.hub.plugin("keeper")
    for address in envelope.recipients:
        gateway.intake.resolve(session(), envelope, address)
    keeper.says = says
    return gateway.intake.accept(session(), envelope), keeper


def test_a_message_is_filtered_as_it_came_and_stored_as_edited():
    reply, keeper = accept(gateway(), "1@d.test", "2@d.test", "1@d.test")
    assert reply.code == 250
    assert keeper.seen == [b"X-Gone: 1\r\nA: 1\r\n\r\nbody\r\n"]
    ((content, deliveries),) = keeper.kept  # one call for all recipients
    assert content == b"A: 1\r\n\r\nbody\r\n"
    assert [d.mailbox_id for d in deliveries] == [1, 2], "an address given twice gets one copy"
    assert keeper.told == [2]


def crash(*args):
    raise RuntimeError


def sleep_long(session):
    time.sleep(3)  # cooperative: the process is patched


def raising(error):
    def raises(destinations, partial):
        raise error

    return raises


def refuse(envelope):
    return Reply(554, "5.7.1", "no")


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        (plugin(filter=lambda envelope: Reply(554, "5.7.1", "no")), 554),
        (plugin(filter=lambda envelope: crash()), 451),
        (plugin(filter=sleep_long), 451),
        (plugin(receive=lambda envelope: crash()), 451),
        (plugin(recipient=lambda address: crash()), 451),
        (plugin(recipient=lambda address: Reply(452, "4.2.2", "full")), 452),
        (plugin(receive=lambda envelope: [ReversePath("a>\r\nDATA")]), 451),
        (plugin(filter=lambda envelope: setattr(envelope, "sender", "")), 451),
    ],
)
def test_whatever_refuses_or_crashes_nothing_is_stored(extra, code):
    reply, keeper = accept(gateway(extra))
    assert reply.code == code
    assert keeper.kept == [] and keeper.told == []


def test_a_failing_observer_does_not_unsay_the_250():
    reply, keeper = accept(gateway(plugin(stored=lambda envelope: crash())))
    assert reply.code == 250 and len(keeper.kept) == 1


@pytest.mark.parametrize("yes", [Reply(250), Reply(299, "2.0.0", "welcome")])
def test_no_filter_can_let_pass_what_another_refuses(yes):
    """Whatever the operator's numbers are: an accepting answer does not end the asking."""
    first, gate = plugin(filter=lambda envelope: yes), plugin(filter=lambda envelope: Reply(523, "", "no"))
    for order in ((first, gate), (gate, first), (first, first, gate)):
        reply, keeper = accept(gateway(*order))
        assert reply.code == 523
        assert keeper.kept == []
    reply, keeper = accept(gateway(first))
    assert reply.code == 250 and len(keeper.seen) == len(keeper.kept) == 1


@pytest.mark.parametrize(
    ("says", "code"),
    [
        (lambda destinations, partial: crash(), 451),
        (lambda destinations, partial: [], 451),
        (lambda destinations, partial: [stored(destinations[0])] * 2, 451),
        (lambda destinations, partial: time.sleep(3), 451),
        (raising(OverQuota()), 452),
        (raising(StoreFull()), 452),
        (raising(QueueFull()), 452),
        (raising(StoreUnavailable()), 451),
        (raising(StoreError("what?")), 451),
        (raising(NoSuchMailbox()), 451),
    ],
)
def test_a_250_needs_the_stores_word_for_every_delivery(says, code):
    reply, keeper = accept(gateway(), says=says)
    assert reply.code == code and keeper.told == []


def test_a_hook_that_changes_the_envelope_in_passing_is_named(caplog):
    reply, keeper = accept(gateway(plugin(filter=lambda envelope: setattr(envelope, "sender", ""))))
    assert reply.code == 451 and keeper.kept == []
    assert "hook=filter plugin=extra0 error=FrozenInstanceError" in caplog.text


def test_another_reverse_path_is_an_answer():
    """All filters still see the one that was given."""
    seen = []
    extra = plugin(receive=lambda envelope: [ReversePath("")], filter=lambda envelope: seen.append(envelope.sender))
    reply, keeper = accept(gateway(extra))
    assert (reply.code, seen, keeper.senders) == (250, ["a@d.test"], [""])


def test_local_and_foreign_recipients_go_to_the_store_together():
    reply, keeper = accept(gateway(), "1@d.test", "far@far.test", "far@far.test")
    ((_, destinations),) = keeper.kept
    assert reply.code == 250 and keeper.told == [1]
    assert destinations == [Delivery("1@d.test", 1, 1), Outgoing("far@far.test", "far.test")]


def test_nobody_is_told_of_arrivals_where_there_are_none():
    reply, keeper = accept(gateway(), "far@far.test")
    assert reply.code == 250 and keeper.told == []


def test_the_first_answer_names_the_destination_and_policies_before_it_can_refuse():
    mine = plugin(recipient=lambda address: Outgoing(address, "relay.test") if address == "1@d.test" else None)
    no = plugin(recipient=lambda address: Reply(550, "5.7.1", "not there") if address == "2@d.test" else None)
    made = gateway(no, mine)
    envelope = Envelope()
    answers = [made.intake.resolve(session(), envelope, f"{n}@d.test") for n in (1, 2, 3)]
    assert answers == [Outgoing("1@d.test", "relay.test"), Reply(550, "5.7.1", "not there"), Delivery("3@d.test", 3, 1)]
    assert list(envelope.destinations) == ["1@d.test", "3@d.test"]


def test_signers_put_fields_on_top_of_what_leaves_and_not_of_what_stays():
    seen = []

    def sign(name):
        return lambda sender, content: seen.append((sender, content)) or [Prepend(name, "x"), Prepend(name, "y")]

    made = gateway(plugin(sign=sign("First")), plugin(sign=sign("Second")), plugin(sign=lambda sender: None))
    reply, keeper = accept(made, "1@d.test", "far")
    final = b"A: 1\r\n\r\nbody\r\n"
    assert reply.code == 250 and not seen and keeper.kept[0][0] == final
    assert made.intake.signed("a@b.test", final) == b"First: x\r\nFirst: y\r\nSecond: x\r\nSecond: y\r\n" + final
    assert seen == [("a@b.test", final)] * 2, "neither sees the other's fields"


@pytest.mark.parametrize(
    "sign",
    [
        lambda content: crash(),
        lambda content: [Remove("A")],
        lambda content: [Prepend("Seal", "a\r\n\r\nb")],
    ],
)
def test_what_cannot_be_signed_does_not_leave(sign):
    assert gateway(plugin(sign=sign)).intake.signed("", b"\r\n") == UNAVAILABLE


def test_nobody_is_asked_to_sign_where_nobody_does(monkeypatch):
    made = gateway()
    monkeypatch.delattr(made.hub, "sign")
    assert made.intake.signed("", b"\r\n") == b"\r\n"


class Goes:
    """A store whose mailboxes of these accounts went after RCPT; who asks then hears of it."""

    def __init__(self, made, *numbers):
        self.numbers = set(numbers)
        self.keeper = made.hub.plugin("keeper")

    def __call__(self, destinations, partial):
        gone = [one for one in destinations if isinstance(one, Delivery) and one.mailbox_id in self.numbers]
        if gone:
            raise NoSuchMailbox(gone=gone)
        self.keeper.kept.append(destinations)
        return [stored(one) for one in destinations]

    def recipient(self, address):
        """Refused when it is asked for anew."""
        if self.keeper.says is self and address[0] in map(str, self.numbers):
            return Reply(550, "5.1.1", f"<{address}>: no such user here")
        return None


def with_gone(*numbers, recipients, **facts):
    asked = plugin(recipient=lambda address: goes.recipient(address))
    made = gateway(asked)
    goes = Goes(made, *numbers)
    return accept(made, *recipients, says=goes, **facts)


def test_an_account_that_goes_after_rcpt_is_an_outcome_of_its_own(caplog):
    recipients = ["1@d.test", "2@d.test", "far@far.test"]
    reply, keeper = with_gone(2, recipients=recipients, origin="account", sender="3@d.test")
    assert reply.code == 250 and "ERROR" not in caplog.text
    copies, notice = keeper.kept
    assert copies == [Delivery("1@d.test", 1, 1), Outgoing("far@far.test", "far.test")]
    assert [(one.recipient, one.beyond > 0) for one in notice] == [("3@d.test", True)]


def test_the_only_recipient_that_goes_refuses_the_message(caplog):
    reply, keeper = with_gone(2, recipients=["2@d.test"], origin="account", sender="3@d.test")
    assert (reply.code, reply.text) == (550, "<2@d.test>: no such user here")
    assert keeper.kept == [] and "ERROR" not in caplog.text


def test_a_copy_for_oneself_does_not_count():
    reply, keeper = with_gone(2, recipients=["2@d.test", "3@d.test"], origin="account", sender="3@d.test")
    assert reply.code == 550 and keeper.kept == []


@pytest.mark.parametrize(("recipients", "code"), [(["1@d.test", "2@d.test"], 250), (["2@d.test"], 550)])
def test_other_servers_hear_of_it_when_nobody_is_left(recipients, code):
    """Else it is as if the account had gone a moment later; no bounce goes out."""
    reply, keeper = with_gone(2, recipients=recipients)
    assert reply.code == code
    assert keeper.kept == ([[Delivery("1@d.test", 1, 1)]] if code == 250 else [])


def test_an_account_that_is_back_at_once_gets_it():
    """Under another mailbox, by then."""
    made = gateway(plugin(recipient=lambda address: next(answers)))
    answers = iter([Delivery("2@d.test", 2, 1), Delivery("2@d.test", 5, 7)])
    reply, keeper = accept(made, "2@d.test", says=Goes(made, 2))
    assert reply.code == 250 and keeper.kept == [[Delivery("2@d.test", 5, 7)]]


def test_mailboxes_that_come_and_go_all_the_time_end_in_a_refusal_for_now():
    made = gateway()
    reply, keeper = accept(made, "2@d.test", says=Goes(made, 2))
    assert reply.code == 451 and keeper.kept == []


@pytest.mark.parametrize("edits", [Remove("X"), [Remove("X"), "Y"], "X", {"X": 1}, 3])
def test_header_edits_of_the_wrong_type_refuse_and_the_log_names_the_plugin(edits, caplog):
    reply, keeper = accept(gateway(plugin(receive=lambda envelope: edits)))
    assert reply.code == 451 and keeper.kept == []
    assert "hook=receive plugin=extra0" in caplog.text


def test_an_observer_that_takes_its_time_delays_the_250_by_its_limit_only(caplog):
    """It is cut off where it waits, and the next observer is told."""
    cut = []

    def wait(envelope):
        try:
            gevent.event.Event().wait(1000)
        finally:
            cut.append(envelope)

    slow = gateway(plugin(stored=wait))
    with gevent.Timeout(60):
        reply, keeper = accept(slow)
    assert reply.code == 250 and len(cut) == 1 and keeper.told == [1]
    assert "hook=stored plugin=extra0 error=Timeout" in caplog.text
    assert slow.hub.tallies["extra0", "stored"].failures == 1
