"""receive -> filter -> route -> store, and what each refusal leaves behind: nothing."""

from pathlib import Path

import gevent.event
import pytest

from chatgate.api import Delivery, Remove, Reply, Stored, hookimpl
from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions
from chatgate.mail.envelope import Envelope
from chatgate.running.gateway import Gateway
from chatgate.testing import session


class Keeper:
    """Routes everybody to mailbox 1, or by the digit in the address, and keeps what it is given."""

    def __init__(self, gateway, options):
        self.kept, self.seen, self.told, self.calls = [], [], [], 0

    @hookimpl
    def chatgate_receive(self, session, envelope):
        return [Remove("X-Gone")]

    @hookimpl
    def chatgate_filter(self, session, envelope):
        self.seen.append(envelope.content)

    @hookimpl
    def chatgate_route(self, envelope, recipient):
        return Delivery(recipient, int(recipient[0]), 1)

    @hookimpl
    def chatgate_store(self, content, deliveries):
        self.calls += 1
        self.kept.append((content, list(deliveries)))
        return [Stored(delivery, 1, 1, 1) for delivery in deliveries]

    @hookimpl
    def chatgate_stored(self, envelope, stored):
        self.told.append(len(stored))


def plugin(**hooks):
    """A plugin class with these hooks."""
    made = {f"chatgate_{name}": hookimpl(function) for name, function in hooks.items()}
    return type("Extra", (), {"__init__": lambda self, gateway, options: None, **made})


def gateway(*extra):
    plugins = [Enabled("keeper", Keeper, None, 50)]
    plugins[:0] = [Enabled(f"extra{n}", made, None, n) for n, made in enumerate(extra)]
    return Gateway(
        Config(Path("/nonexistent"), CoreOptions("d.test", hook_seconds=0.1, observer_seconds=0.1), tuple(plugins))
    )


def accept(gateway, *recipients):
    envelope = Envelope("a@d.test", list(recipients or ["1@d.test"]), b"X-Gone: 1\r\nA: 1\r\n\r\nbody\r\n")
    return gateway.intake.accept(session(), envelope), gateway.hub.plugin("keeper")


def test_a_message_is_filtered_as_it_came_and_stored_as_edited():
    reply, keeper = accept(gateway(), "1@d.test", "2@d.test", "1@d.test")
    assert reply.code == 250
    assert keeper.seen == [b"X-Gone: 1\r\nA: 1\r\n\r\nbody\r\n"]
    assert keeper.calls == 1, "one call for all recipients"
    content, deliveries = keeper.kept[0]
    assert content == b"A: 1\r\n\r\nbody\r\n"
    assert [d.mailbox_id for d in deliveries] == [1, 2], "an address given twice gets one copy"
    assert keeper.told == [2]


def crash(*args):
    raise RuntimeError


def sleep_long(session):
    import time

    time.sleep(3)  # cooperative: the process is patched


def refuse(envelope):
    return Reply(554, "5.7.1", "no")


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        (plugin(filter=lambda envelope: Reply(554, "5.7.1", "no")), 554),
        (plugin(filter=lambda envelope: crash()), 451),
        (plugin(filter=sleep_long), 451),
        (plugin(receive=lambda envelope: crash()), 451),
        (plugin(route=lambda recipient: crash()), 451),
        (plugin(store=lambda content: Reply(452, "4.2.2", "full")), 452),
        (plugin(store=lambda content: crash()), 451),
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
    "answer",
    [
        True,
        [],
        "OK",
        Reply(250),  # a Reply says that nothing was stored
        [Stored(Delivery("1@d.test", 1, 1), 1, 1, 1)] * 2,
        ["stored"],
        Stored(Delivery("1@d.test", 1, 1), 1, 1, 1),
    ],
)
def test_a_250_needs_the_stores_word_for_every_delivery(answer, caplog):
    reply, keeper = accept(gateway(plugin(store=lambda content: answer)))
    assert reply.code == 451 and keeper.told == []
    assert "hook=store plugin=extra0 error=WrongAnswer" in caplog.text


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
