"""The queue's worker: what is tried when, and in whose turn."""

import email
import time

import gevent
import pytest
from chatgate_courier.sending import dispatcher, handing
from chatgate_courier.sending.schedule import Schedule
from chatgate_courier.sending.taken import Job, Line, Taken
from courier_fakes import LATER, NOBODY, Ways, World, plugin
from gevent.event import Event

from chatgate.api import Leased, Prepend, Queued, Reply, StoreUnavailable, hookimpl
from chatgate.running.leased import _Lost
from chatgate.testing import until


def test_a_message_goes_once_to_each_domain(world, ways):
    here = world()
    here.send("zoe@far.test", "yan@far.test", "xi@other.test")
    here.idle()
    got = sorted((mail.domain, mail.sender, mail.recipients, mail.trace) for mail in ways.got)
    assert got == [
        ("far.test", "alice@example.org", ("zoe@far.test", "yan@far.test"), "t1"),
        ("other.test", "alice@example.org", ("xi@other.test",), "t1"),
    ]
    assert here.inbox() == [] and not len(here.courier.dispatcher.taken) and not here.courier.dispatcher.lines


def test_a_clock_that_is_set_back_delays_nothing(world, ways):
    here = world()
    ways.replies["far.test"] = LATER
    here.send("zoe@far.test", "held@far.test")
    here.store.hold([row.id for row in here.store.queue() if row.recipient.startswith("held")])
    here.idle()
    tried = ways.tried["far.test"]
    here.forward(-86400)  # it was a day ahead
    until(lambda: ways.tried["far.test"] > tried)
    here.idle()
    rows = {row.recipient: row for row in here.store.queue()}
    assert rows["zoe@far.test"].due < here.clock() + 100 and rows["held@far.test"].held
    tried = ways.tried["far.test"]
    here.forward(-30)
    here.idle()
    assert ways.tried["far.test"] == tried, "as clocks are set all the time"


def test_each_attempt_is_signed_anew(world, ways):
    class Seal:
        count = 0

        def __init__(self, gateway, options):
            pass

        @hookimpl
        def chatgate_sign(self, sender):
            Seal.count += 1
            return [Prepend("Seal", f"{Seal.count} {sender}")] if Seal.count != 2 else 1 / 0

    here = world(Seal)
    ways.replies["far.test"] = LATER
    here.send("zoe@far.test", content=b"A: b\r\n\r\nx")
    here.idle()
    del ways.replies["far.test"]
    here.forward(10)
    until(lambda: Seal.count == 2)
    here.idle()
    assert ways.got == [], "what cannot be signed does not leave"
    here.forward(40)
    here.empty()
    assert ways.got[0].content == b"Seal: 3 alice@example.org\r\nA: b\r\n\r\nx"


def test_refused_for_now_it_is_tried_again_for_those_alone_and_later_each_time(world, ways, clock):
    here = world(retry_seconds=("5", "20", "60"))
    ways.replies["zoe@far.test"] = LATER
    here.send("zoe@far.test", "yan@far.test")
    waits = []
    for _ in range(5):
        here.idle()
        (row,) = here.store.queue()
        assert row.recipient == "zoe@far.test" and row.reply == LATER
        waits.append(row.due - clock())
        here.forward(waits[-1] + 0.01)
        until(lambda before=row: here.store.queue()[0].attempts > before.attempts)
    for wait, wanted in zip(waits, (5, 20, 60, 60, 60), strict=True):
        assert 0.8 * wanted - 0.1 <= wait <= 1.2 * wanted
    assert len(set(waits)) == 5, "by chance a little more or less"
    del ways.replies["zoe@far.test"]
    here.forward(80)
    here.empty()
    assert ways.recipients == ["yan@far.test", "zoe@far.test"]


def test_nothing_else_need_happen_for_the_next_try(world, ways):
    here = world(retry_seconds=("0.2",), lease_seconds=3600.0)
    ways.replies["far.test"] = LATER
    here.send("zoe@far.test")
    until(lambda: ways.tried["far.test"] >= 3, seconds=30)
    del ways.replies["far.test"]
    here.empty()


def test_nor_for_that_of_a_domain_that_was_down(world, ways, clock):
    here = world(retry_seconds=("0.2",), lease_seconds=3600.0)
    ways.down["far.test"] = clock() + 0.5
    here.send("zoe@far.test")
    until(lambda: ways.tried["far.test"] >= 2, seconds=30)
    here.empty()


def test_a_schedule():
    assert [Schedule([5, 20], lambda: 0.5).wait(n) for n in (0, 1, 2, 3, 99)] == [5, 5, 20, 20, 20]
    assert Schedule([10], lambda: 0.0).wait(1) == 8 and 11.9 < Schedule([10], lambda: 1.0).wait(1) < 12.1


def notices(here, name="alice"):
    found = [email.message_from_bytes(content) for content in here.inbox(name)]
    for one in found:
        assert one.get_content_type() == "multipart/report" and one["From"].endswith("<mailer-daemon@example.org>")
    return found


def told(notice):
    """(what is said to people, the blocks for programs, the header that is quoted)."""
    words, status, original = notice.get_payload()
    blocks = [dict(block.items()) for block in status.get_payload() if block.keys()]
    return words.get_payload(), blocks[1:], email.message_from_string(original.get_payload())


def test_refused_for_good_the_sender_hears_it_in_one_notice_for_all(world, ways):
    here = world()
    ways.replies["zoe@far.test"] = NOBODY
    ways.replies["other.test"] = Reply(550, "5.7.1", "we do not like you")
    here.send("zoe@far.test", "yan@far.test", "xi@other.test", "wu@other.test")
    here.empty()
    (notice,) = notices(here)
    words, blocks, original = told(notice)
    assert original["Message-ID"] == "<1@x>" and ways.recipients == ["yan@far.test"]
    assert "zoe@far.test: mx.far.test: nobody" in words and "Check that the address is right." in words
    assert "xi@other.test: the server mx.other.test says: we do not like you" in words
    assert "yan" not in words and "All others" not in words
    by = {block["Final-Recipient"]: block for block in blocks}
    assert by.keys() == {"rfc822; zoe@far.test", "rfc822; xi@other.test", "rfc822; wu@other.test"}
    assert by["rfc822; wu@other.test"] | {"Final-Recipient": ""} == {
        "Final-Recipient": "",
        "Action": "failed",
        "Status": "5.7.1",
        "Remote-MTA": "dns; mx.other.test",
        "Diagnostic-Code": "smtp; 550 5.7.1 we do not like you",
    }


def test_of_a_notice_nobody_is_told_that_it_did_not_arrive(world, ways):
    here = world()
    ways.replies["far.test"] = NOBODY
    here.send("zoe@far.test", sender="")
    here.empty()
    assert here.inbox() == []


def test_a_sender_that_is_gone_is_not_told(world, ways):
    here = world()
    ways.replies["far.test"] = LATER
    here.send("zoe@far.test")
    here.idle()
    here.store.delete_account(here.account().id)
    ways.replies["far.test"] = NOBODY
    here.forward(10)
    here.empty()


def test_a_full_mailbox_gets_the_notice(world, ways):
    here = world(maildb={"quota_messages": 1})
    ways.replies["far.test"] = NOBODY
    box = here.store.mailbox(here.account().id, "INBOX").id
    from chatgate.api import Delivery

    here.store.store(b"x", [Delivery("", box, here.account().id)])
    here.send("zoe@far.test")
    here.empty()
    assert len(here.inbox()) == 2


def test_too_old_it_is_given_up_with_the_last_answer(world, ways, clock):
    here = world(maildb={"queue_days": 2.0})
    ways.replies["far.test"] = LATER
    here.send("zoe@far.test")
    here.idle()
    tries = 0
    while here.store.count_queue() and tries < 500:  # 4xx for two days
        tries += 1
        here.forward(max(0.0, here.store.next_due() - clock()) + 0.01)
        until(lambda before=ways.tried["far.test"]: ways.tried["far.test"] > before or not here.store.count_queue())
        here.idle() if here.store.count_queue() else None
    assert 40 < ways.tried["far.test"] < 70
    words, (block,), _ = told(notices(here)[0])
    assert block["Status"] == "5.4.7" and "2.0 days: mx.far.test: come again" in words


@pytest.mark.parametrize("now", ["taken", "put off"])
def test_too_old_by_the_time_a_gateway_runs_again_it_is_tried_once_more(world, ways, clock, gateway_factory, now):
    here = world(maildb={"queue_days": 2.0})
    ways.replies["far.test"] = LATER
    here.send("zoe@far.test")
    here.idle()
    here.gateway.stop()
    clock.forward(3 * 86400)
    if now == "taken":
        del ways.replies["far.test"]
    again = World(gateway_factory("tls", "maildb", plugin(clock, ways)), clock, ways)
    until(lambda: ways.tried["far.test"] == 2)
    again.idle()
    if now == "put off":
        again.forward(7200)
    again.empty()
    assert ways.tried["far.test"] == 2
    assert len(again.inbox()) == (now == "put off") and len(ways.recipients) == (now == "taken")


def test_who_wants_it_hears_once_that_it_takes_long(world, ways, clock):
    here = world(delay_notice_hours=4.0)
    ways.replies["far.test"] = LATER
    here.send("zoe@far.test", "yan@far.test")
    here.idle()
    assert here.inbox() == []
    for hours in range(1, 9):
        tried = ways.tried["far.test"]
        here.forward(4500)
        until(lambda tried=tried: ways.tried["far.test"] > tried)
        here.idle()
        here.courier.outcomes.save()
        assert len(here.inbox()) == (1 if hours * 4500 > 4 * 3600 else 0)
    words, blocks, original = told(notices(here)[0])
    assert [(block["Action"], block["Status"]) for block in blocks] == [("delayed", "4.3.0")] * 2
    assert "zoe@far.test: mx.far.test: come again" in words and "still being tried" in words
    assert original["Message-ID"] == "<1@x>" and here.store.count_queue() == 2


def test_what_is_denied_or_held_by_now(world, ways, tmp_path):
    here = world(peers=("bad.test deny=not there", "slow.test hold"))
    here.send("zoe@bad.test", "yan@slow.test", "xi@far.test")
    until(lambda: here.store.count_queue() == 1 and here.inbox())
    assert ways.recipients == ["xi@far.test"] and "not there" in told(notices(here)[0])[0]
    here.idle()
    here.forward(301)
    until(lambda: here.store.queue()[0].attempts == 2)
    assert ways.recipients == ["xi@far.test"]


def test_a_dead_domain_is_not_claimed_again_and_again_and_the_living_do_not_wait(world, ways, clock):
    """Ten thousand for a dead domain, then one for each of five hundred living ones."""
    here = world(maildb={"queue_rows_per_account": 20_000})
    ways.down["dead.test"] = clock() + 600
    gate = ways.gates["dead.test"] = Event()
    for number in range(10):
        here.send(*(f"{number}-{n}@dead.test" for n in range(1000)), trace=f"dead{number}")
    here.send(*(f"zoe@living{n}.test" for n in range(500)), sender="bob")
    claims = []
    claim = here.store.claim
    here.store.claim = lambda *args: claims.append(claim(*args)) or claims[-1]
    until(lambda: len(ways.got) == 500)
    assert ways.tried["dead.test"] == 1, "one slot"
    assert len(here.courier.dispatcher.taken) <= 500
    gate.set()
    here.idle()
    assert here.store.count_queue() == 10_000 and {row.due for row in here.store.queue()} == {ways.down["dead.test"]}
    assert ways.tried["dead.test"] <= 2
    assert sum(row.domain == "dead.test" for rows in claims for row in rows) < 1000, "the rest was put off unclaimed"
    here.forward(601)
    here.empty()
    assert len(ways.recipients) == 10_500 and here.inbox() == []


def test_who_has_sent_much_holds_up_nobody_else(world, ways, clock):
    here = world(waiting_per_account=20, waiting_per_domain=10, messages_per_domain=1)
    gate = ways.gates["far.test"] = Event()
    for number in range(100):
        here.send(f"zoe{number}@far.test")
    until(lambda: len(here.courier.dispatcher.taken) >= 10)
    here.send("bob1@far.test", "bob2@other.test", sender="bob")
    gate.set()
    here.empty()
    order = ways.recipients
    assert order.index("bob2@other.test") < 25 and order.index("bob1@far.test") < 25
    assert len(order) == 102


def test_senders_take_turns_at_a_domain():
    line = Line("far.test", 3)

    def job(number, account):
        fields = (number, number, account, "", f"{number}@far.test", "far.test", 1, 0.0, 9.0, 0.0)
        return Job("far.test", (Queued(*fields),))

    for number in range(4):
        line.put(job(number, 1))
    line.put(job(10, 2))
    line.put(job(11, None))
    assert line.full and [line.take().rows[0].id for _ in range(5)] == [0, 10, 11, 1, 2]
    assert line.waiting == 1 and line.eased() and not line.eased() and line.take().rows[0].id == 3
    assert line.take() is None


def test_of_an_account_no_more_is_wanted_until_half_is_done():
    eased = []
    taken = Taken(4, lambda: eased.append(1))
    rows = [Queued(n, n, 7, "", "z@far.test", "far.test", 1, 0.0, 9.0, 0.0) for n in range(4)]
    assert all(taken.add(row) for row in rows) and taken.enough == {7} and not taken.add(rows[0]._replace(attempts=2))
    assert taken.latest(rows[:1])[0].attempts == 2
    taken.done(rows[:1])
    assert taken.enough == {7} and not eased
    taken.done(rows[:2])
    assert taken.enough == set() and len(taken) == 2 and eased == [1]


def test_domains_and_messages_at_once_are_bounded(world, ways, clock):
    here = world(domains_at_once=3, messages_per_domain=2)
    gates = [ways.gates.setdefault(f"d{n}.test", Event()) for n in range(6)]
    for number in range(5):
        here.send(*(f"z{number}@d{n}.test" for n in range(6)))
    until(lambda: ways.now == 3)
    for gate in gates:
        gate.set()
    while here.store.count_queue():
        here.forward(3)
        gevent.sleep(0.01)
    assert 3 <= ways.most <= 6 and len(ways.recipients) == 30


def test_a_lease_that_ends_while_it_is_handed_on_is_renewed(world, ways, clock):
    here = world(lease_seconds=60)
    gate = ways.gates["far.test"] = Event()
    here.send("zoe@far.test")
    until(lambda: ways.tried["far.test"])
    for number in (2, 3):
        here.forward(61)
        until(lambda number=number: here.store.queue()[0].attempts == number)
    ways.replies["far.test"] = LATER
    gate.set()
    here.idle()
    (row,) = here.store.queue()
    assert ways.tried["far.test"] == 1 and row.reply == LATER and row.due > clock()


def test_a_store_that_fails_for_a_moment_loses_nothing_and_sends_nothing_twice(world, ways, clock, monkeypatch):
    """As a full disk does: claims are renewed, as they need no room, and what was taken cannot be removed."""
    monkeypatch.setattr(handing, "_TROUBLE", 0.01)
    here = world(lease_seconds=60)
    settle, works = here.store.settle, []

    def failing(rows, notice=None):
        if not works:
            raise StoreUnavailable()
        return settle(rows, notice)

    monkeypatch.setattr(here.store, "settle", failing)
    here.send("zoe@far.test")
    for number in (1, 2, 3):
        until(lambda number=number: ways.tried and here.store.queue()[0].attempts == number)
        here.forward(61)
    gevent.sleep(0.1)
    assert ways.recipients == ["zoe@far.test"]
    works.append(True)
    here.empty()
    assert ways.recipients == ["zoe@far.test"]


def test_a_stop_does_not_wait_for_a_store_that_fails(world, ways, clock, monkeypatch):
    here = world()
    monkeypatch.setattr(here.store, "settle", lambda *_: (_ for _ in ()).throw(StoreUnavailable()))
    here.send("zoe@far.test")
    until(lambda: ways.recipients)
    gevent.sleep(0.05)
    here.courier.dispatcher.end()
    until(lambda: ways.closed)


def test_who_has_it_gets_it_once_whatever_fails_for_the_others(world, ways, clock, monkeypatch):
    here = world(lease_seconds=60)
    ways.replies["yan@far.test"] = LATER
    postpone = here.store.postpone

    def failing(*args):
        monkeypatch.undo()
        raise StoreUnavailable()

    monkeypatch.setattr(here.store, "postpone", failing)
    here.send("yan@far.test", "zoe@far.test")
    until(lambda: here.store.postpone == postpone and not len(here.courier.dispatcher.taken))
    ways.replies.clear()
    here.forward(61)
    here.empty()
    assert ways.recipients == ["zoe@far.test", "yan@far.test"]


def test_what_could_not_be_put_off_is_left_to_its_lease(world, ways, clock, monkeypatch):
    here = world(messages_per_domain=1, lease_seconds=60)
    gate = ways.gates["far.test"] = Event()
    for number in range(3):
        here.send(f"zoe{number}@far.test")
    until(lambda: len(here.courier.dispatcher.taken) == 3)
    ways.down["far.test"] = clock() + 30
    postpone = here.store.postpone

    def failing(*args):
        monkeypatch.undo()
        raise StoreUnavailable()

    monkeypatch.setattr(here.store, "postpone", failing)
    gate.set()
    until(lambda: not len(here.courier.dispatcher.taken))
    assert here.store.postpone == postpone
    here.forward(61)
    here.empty()
    assert sorted(ways.recipients) == ["zoe0@far.test", "zoe1@far.test", "zoe2@far.test"]


def test_a_lease_that_is_lost_ends_the_work_and_the_next_one_begins_anew(world, ways, clock, monkeypatch):
    here = world(messages_per_domain=1, lease_seconds=60)
    gate = ways.gates["far.test"] = Event()
    for number in range(3):
        here.send(f"zoe{number}@far.test")
    until(lambda: len(here.courier.dispatcher.taken) == 3)
    (service,) = (one for one in here.gateway.services if isinstance(one, Leased))
    monkeypatch.setattr(service, "_seconds", 0.3)
    service._greenlet.kill(_Lost, block=False)
    until(lambda: ways.now == 0)
    assert ways.got == []
    ways.gates.clear()
    gate.set()
    here.forward(61)
    here.empty()
    assert sorted(ways.recipients) == ["zoe0@far.test", "zoe1@far.test", "zoe2@far.test"]


def test_what_becomes_due_while_it_looks_is_not_forgotten(world, ways, clock, monkeypatch):
    monkeypatch.setattr(dispatcher, "_LONGEST", 3600.0)
    here = world()
    ways.replies["far.test"] = LATER
    here.send("zoe@far.test")
    here.idle()
    ways.replies.clear()
    claim = here.store.claim

    def slow(*args):
        monkeypatch.setattr(here.store, "claim", claim)
        rows = claim(*args)
        clock.forward(10)
        return rows

    monkeypatch.setattr(here.store, "claim", slow)
    here.forward(0)
    here.empty()


def test_what_comes_while_its_domain_is_put_off_is_not_forgotten(world, ways, clock, monkeypatch):
    monkeypatch.setattr(dispatcher, "_LONGEST", 3600.0)
    here = world()
    ways.down["far.test"] = clock() + 5
    delay, begun, goes_on = here.store.delay, Event(), Event()

    def slow(*args):
        monkeypatch.setattr(here.store, "delay", delay)
        done = delay(*args)
        begun.set()
        goes_on.wait()
        return done

    monkeypatch.setattr(here.store, "delay", slow)
    here.send("zoe@far.test")
    begun.wait()
    here.send("yan@far.test")
    gevent.sleep(0.1)
    ways.down.clear()
    goes_on.set()
    until(lambda: ways.recipients == ["yan@far.test"])
    here.forward(20)
    here.empty()


@pytest.mark.parametrize("method", ["claim", "next_due"])
def test_a_queue_that_cannot_be_read_for_a_moment_ends_nothing(world, ways, clock, monkeypatch, method):
    here = world()
    gate = ways.gates["far.test"] = Event()
    here.send("zoe@far.test")
    until(lambda: ways.now)
    works, failed = getattr(here.store, method), []

    def failing(*args):
        if not failed:
            failed.append(1)
            raise StoreUnavailable()
        return works(*args)

    monkeypatch.setattr(here.store, method, failing)
    here.send("yan@other.test")
    until(lambda: failed and ways.recipients == ["yan@other.test"])
    assert ways.now == 1, "what is under way goes on"
    gate.set()
    here.empty()


def test_at_the_stop_what_is_under_way_ends_and_what_waits_is_let_go_of(world, ways, clock, gateway_factory):
    here = world(messages_per_domain=1)
    gate = ways.gates["far.test"] = Event()
    for number in range(3):
        here.send(f"zoe{number}@far.test")
    until(lambda: len(here.courier.dispatcher.taken) == 3)
    gevent.spawn_later(0.3, gate.set)
    here.gateway.stop()
    assert ways.recipients == ["zoe0@far.test"] and ways.closed
    ways.gates.clear()
    again = gateway_factory("tls", "maildb", plugin(clock, ways))
    until(lambda: not again.store.count_queue())
    assert sorted(ways.recipients) == ["zoe0@far.test", "zoe1@far.test", "zoe2@far.test"]


def test_a_stop_does_not_wait_for_ever(world, ways):
    here = world(core={"stop_seconds": 0.2})
    ways.gates["far.test"] = Event()
    here.send("zoe@far.test")
    until(lambda: ways.tried["far.test"])
    began = time.monotonic()
    here.gateway.stop()
    assert time.monotonic() - began < 60 and ways.now == 0, "cut off; its lease brings it back"


def test_large_messages_are_in_memory_one_at_a_time(world, ways):
    here = world(octets_at_once=1000)
    gates = [ways.gates.setdefault(f"d{n}.test", Event()) for n in range(2)]
    for n in range(2):
        here.send(f"zoe@d{n}.test", content=b"A: b\r\n\r\n" + bytes(900))
    until(lambda: ways.now == 1)
    gevent.sleep(0.05)
    assert ways.most == 1
    for gate in gates:
        gate.set()
    here.empty()


@pytest.mark.parametrize("bad", [("x",), (), ("0",), ("5", "-1")])
def test_a_schedule_that_is_none_is_refused(bad):
    from chatgate_courier.options import CourierOptions

    with pytest.raises(ValueError, match="retry_seconds"):
        CourierOptions(retry_seconds=bad)


def test_the_fake_ways_are_ways(clock):
    from chatgate_courier.sending.handing import Ways as Wanted

    assert all(hasattr(Ways(clock), name) for name in ("deliver", "down_until", "close")) and Wanted


def test_a_store_that_cannot_say_what_is_due_next_cuts_off_no_try(world, ways, clock, monkeypatch):
    here = world()
    gate, next_due, failed = ways.gates.setdefault("far.test", Event()), here.store.next_due, []

    def failing(*args):
        if not failed:
            failed.append(1)
            raise StoreUnavailable()
        return next_due(*args)

    here.send("zoe@far.test")
    until(lambda: ways.now == 1)
    monkeypatch.setattr(here.store, "next_due", failing)
    here.forward(0)
    until(lambda: failed)
    gevent.sleep(0.1)
    assert ways.now == 1
    gate.set()
    here.empty()
    assert ways.recipients == ["zoe@far.test"]
