"""`chatgate queue`, `trace` and `peers`, beside a running gateway."""

import json
import logging
import subprocess
import sys

import pytest
from chatgate_courier import command, peers, policy, tracing
from chatgate_courier.outcomes import without_names
from click.testing import CliRunner
from courier_fakes import LATER, NOBODY
from gevent.event import Event

from chatgate.api import Reply
from chatgate.testing import until


@pytest.fixture
def chatgate(world):
    """Runs a command on the world's gateway, which is made at first; `.here` is the world."""

    def run(*args, code=0, text=None):
        gateway, courier = run.here.gateway, run.here.courier
        made = {
            "queue": command.queue(gateway, courier.policies, courier.outcomes),
            "trace": tracing.trace(gateway, courier.outcomes),
            "peers": peers.make(gateway, courier.policies),
        }
        done = CliRunner().invoke(made[args[0]], args[1:], input=text, catch_exceptions=False)
        assert done.exit_code == code, done.output
        return json.loads(done.output) if "--json" in args else done.output

    def begin(**options):
        run.here = world(**options)
        return run

    return begin


def test_the_queue_is_listed_and_said_why(chatgate, ways):
    run = chatgate()
    ways.replies["far.test"] = LATER
    run.here.send("zoe@far.test", "yan@far.test", trace="aa11")
    ways.replies["other.test"] = LATER
    run.here.send("xi@other.test", sender="bob", trace="bb22")
    run.here.idle()
    found = run("queue", "list", "--json")
    assert [(row["trace"], row["recipient"], row["attempts"]) for row in found] == [
        ("aa11", "zoe@far.test", 1),
        ("aa11", "yan@far.test", 1),
        ("bb22", "xi@other.test", 1),
    ]
    assert found[0]["reply"] == "451 4.3.0 mx.far.test: come again" and not found[0]["frozen"]
    assert "<bob@example.org> to <xi@other.test>" in run("queue", "list", "--domain", "other.test")
    assert len(run("queue", "list", "--sender", "Alice@example.org", "--json")) == 2
    assert "reply: 451 4.3.0" in run("queue", "show", "bb22")
    run.here.courier.outcomes.save()
    said = run("queue", "why", "aa11")
    assert "it was tried 1 time; the last answer was: 451 4.3.0 mx.far.test: come again" in said
    assert "put off  2 recipients at mx.far.test (smtp): 451 4.3.0" in said and "zoe" not in said
    assert run("queue", "why", str(found[2]["id"]), "--json")[0]["domain"] == "other.test"
    run("queue", "show", "nothing", code=1)
    run("queue", "retry", code=2)


def test_nothing_waits(chatgate):
    assert chatgate()("queue", "list") == "nothing waits\n"


def test_retry_is_now_and_drop_tells_nobody(chatgate, ways):
    run = chatgate()
    ways.replies["far.test"] = LATER
    run.here.send("zoe@far.test", "yan@far.test", trace="aa11")
    run.here.idle()
    del ways.replies["far.test"]
    ways.replies["yan@far.test"] = LATER
    assert run("queue", "retry", "aa11") == "tried now: 2\n"
    until(lambda: ways.recipients == ["zoe@far.test"])
    run.here.idle()
    run("queue", "drop", "--all", code=1, text="n\n")
    assert run("queue", "drop", "--all", "--yes") == "dropped: 1\n"
    assert run.here.store.count_queue() == 0 and run.here.inbox() == []
    assert [one["what"] for one in run("trace", "aa11", "--json")["tried"]][-1] == "dropped"


def test_frozen_it_waits_and_thawed_it_goes(chatgate, ways):
    run = chatgate()
    gate = ways.gates["far.test"] = Event()
    ways.replies["far.test"] = LATER
    run.here.send("zoe@far.test", trace="aa11")
    until(lambda: ways.tried["far.test"])
    assert run("queue", "freeze", "aa11") == "frozen: 1\n"
    gate.set()
    run.here.idle()
    run.here.forward(3600)
    run.here.idle()
    assert ways.tried["far.test"] == 1 and run("queue", "list", "--json")[0]["frozen"]
    assert "it is frozen" in run("queue", "why", "aa11")
    del ways.replies["far.test"]
    run("queue", "thaw", "aa11")
    run.here.empty()


def test_frozen_for_too_long_it_is_given_up_and_the_sender_told(chatgate, ways):
    run = chatgate(maildb={"queue_days": 1.0})
    ways.replies["far.test"] = LATER
    run.here.send("zoe@far.test", trace="aa11")
    run.here.idle()
    run("queue", "freeze", "aa11")
    run.here.forward(86500)
    run.here.empty()
    (notice,) = run.here.inbox()
    assert b"the operator of this server has kept it back for too long" in notice and ways.tried["far.test"] == 1


def test_a_frozen_domain_and_what_comes_later(chatgate, ways, clock):
    run = chatgate()
    run("queue", "freeze", "--domain", "far.test")
    run.here.courier.policies.load()
    run.here.send("zoe@far.test", "xi@other.test", trace="aa11")
    until(lambda: ways.recipients == ["xi@other.test"])
    run.here.idle()
    assert "mail for far.test is frozen" in run("queue", "why", "--domain", "far.test")
    assert run("queue", "thaw", "--domain", "far.test").startswith("mail for far.test waits no more\ntried now: ")
    run.here.empty()
    assert ways.recipients == ["xi@other.test", "zoe@far.test"]
    assert policy.read(run.here.courier.policies.path) == {}, "nothing is left of it"
    run("queue", "freeze", "--domain", "not a domain", code=2)


def test_freezing_and_thawing_say_the_same_of_rows_by_any_way(chatgate, ways):
    run = chatgate()
    ways.replies["far.test"] = LATER
    run.here.send("zoe@far.test", trace="aa11")
    run.here.idle()
    (row,) = run.here.store.queue()
    said = [{"id": row.id, "trace": "aa11", "domain": "far.test"}]
    for which in (["aa11"], ["--domain", "far.test"], ["--domain", "*.test"], ["--domain", "*"]):
        assert run("queue", "freeze", *which, "--json") == said
        assert run("queue", "thaw", *which, "--json") == said
    assert run("queue", "list", "--domain", "FAR.test", "--json")[0]["id"] == row.id


def test_a_domain_that_a_wider_rule_holds_is_thawed_by_a_rule_of_its_own(chatgate):
    run = chatgate(peers=("*.test hold",))
    run("queue", "thaw", "--domain", "far.test")
    assert not run.here.courier.policies.of("far.test").hold and run.here.courier.policies.of("near.test").hold


@pytest.mark.parametrize("change", [("set", "*.test", "hold=no"), ("set", "far.test", "hold=no"), ("unset", "*.test")])
def test_with_another_rule_what_waits_is_tried_at_once_but_what_is_frozen_by_itself(chatgate, ways, change):
    run = chatgate()
    run("peers", "set", "*.test", "hold")
    run.here.send("zoe@far.test", trace="aa11")
    run.here.send("yan@far.test", trace="bb22")
    run.here.idle()
    run("queue", "freeze", "bb22")
    assert ways.recipients == []
    run("peers", *change)
    until(lambda: ways.recipients == ["zoe@far.test"])
    until(lambda: [row.held for row in run.here.store.queue()] == [True])


def test_one_message_from_end_to_end(chatgate, ways, caplog):
    caplog.set_level(logging.INFO, "chatgate")
    run = chatgate()
    ways.replies |= {"zoe@far.test": NOBODY, "late.test": LATER}
    run.here.send("zoe@far.test", "yan@far.test", "xi@late.test", trace="aa11")
    run.here.send("wu@far.test", trace="aa111")
    until(lambda: run.here.inbox())
    run.here.idle()
    run.here.courier.outcomes.save()
    log = "".join(f"{record.levelname} {record.getMessage()}\n" for record in caplog.records)
    assert "zoe" not in log and "yan" not in log and "alice" not in log, "no names in the log"
    found = run("trace", "aa11", "--json")
    assert sorted((one["domain"], one["what"], one["recipients"]) for one in found["tried"]) == [
        ("far.test", "delivered", 1),
        ("far.test", "failed", 1),
        ("late.test", "put off", 1),
    ]
    assert [row["domain"] for row in found["waits"]] == ["late.test"] and "zoe" not in str(found)
    words = {line.split()[1] for line in log.splitlines() if " id=aa11 " in line}
    assert words == {"attempt", "delivered", "put", "bounced"}
    shown = run("trace", "aa11", "--log", "-", text=log)
    assert "delivered id=aa11 domain=far.test host=mx.far.test way=smtp recipients=1" in shown
    assert "aa111" not in shown and "failed  1 recipient at mx.far.test (smtp): 550 5.1.1" in shown
    run("trace", "nothing", code=1)


def test_outcomes_are_few_and_for_some_days(world, clock, ways):
    here = world(outcomes=5, outcome_days=1.0)
    outcomes = here.courier.outcomes
    for number in range(9):
        outcomes.note(f"t{number}", "far.test", "mx.far.test", "smtp", "put off", 1, LATER)
    outcomes.save()
    assert outcomes.expire(clock()) == 4 and outcomes.of("t3") == [] and len(outcomes.of("t4")) == 1
    assert outcomes.expire(clock() + 90000) == 5 and outcomes.of("t8") == []


def test_a_file_of_outcomes_that_cannot_be_written_stops_no_mail(world, ways, tmp_path):
    here = world()
    here.courier.outcomes.database.close()
    (tmp_path / "data" / "courier.db").unlink()
    (tmp_path / "data" / "courier.db").mkdir()
    here.send("zoe@far.test")
    here.empty()
    here.courier.outcomes.save()
    assert ways.recipients == ["zoe@far.test"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("<zoe@far.test>: nobody", "<*@far.test>: nobody"),
        ("no zoe.q+1@far.test, or yan@x", "no *@far.test, or *@x"),
        ("plain", "plain"),
        ('"zoe q"@far.test is gone', "*@far.test is gone"),
        ("user Zoe.Q unknown", "user * unknown"),
        ("(zoe.q) zoe.quick zoe.q. a-zoe.q zoe.q%40far.test", "(*) zoe.quick *. a-zoe.q *%40far.test"),
    ],
)
def test_names_in_replies_are_not_kept(text, kept):
    assert without_names(text, ["", "zoe.q@far.test"]) == kept


def test_commands_that_change_rules_at_once_do_not_undo_each_other(tmp_path):
    path = tmp_path / "data" / "policy.toml"
    program = f"""
import sys
from pathlib import Path
from chatgate_courier.peers import change
from chatgate_courier.policy import Policies
for number in range(20):
    change(Policies((), Path({str(path)!r})), f"d{{number}}.{{sys.argv[1]}}.test", {{"deny": "no"}})
"""
    running = [subprocess.Popen([sys.executable, "-c", program, name]) for name in ("a", "b")]
    assert [one.wait(60) for one in running] == [0, 0]
    assert len(policy.read(path)) == 40


def test_rules_are_set_and_unset(chatgate, ways):
    run = chatgate()
    assert run("peers", "set", "Far.Test", "deny=not there, ever") == "far.test  deny=not there, ever\n"
    run("peers", "set", "far.test", "way=smtp")
    run("peers", "set", "*", "proxy=socks5://127.0.0.1:9050")
    listed = run("peers", "list")
    assert "far.test  way=smtp deny=not there, ever\n" in listed and "[*]  verify=no  (conf.d)\n" in listed
    assert {"for": "*", "from": "command", "proxy": "socks5://127.0.0.1:9050"} in run("peers", "list", "--json")
    assert run("peers", "show", "far.test", "--json") == {
        "domain": "far.test",
        "deny": "not there, ever",
        "hold": False,
        "route": "",
        "proxy": "socks5://127.0.0.1:9050",
        "tls": True,
        "verify": True,
        "way": "smtp",
    }
    assert "verify: yes" in run("peers", "show", "x.test") and "deny: -" in run("peers", "show", "x.test")
    run("peers", "unset", "far.test")
    run("peers", "unset", "far.test", code=1)
    run("peers", "set", "far..test", "deny", code=2)
    run("peers", "set", "far.test", "nonsense", code=2)
    assert "far.test" not in run("peers", "list", "--json")


def test_what_a_server_says_of_a_recipient_is_kept_without_the_name(chatgate, ways):
    run = chatgate()
    ways.replies["far.test"] = Reply(451, "4.2.2", "mailbox ZOE is full, says alice")
    run.here.send("zoe@far.test", trace="aa11")
    run.here.idle()
    run.here.courier.outcomes.save()
    (tried,) = run("trace", "aa11", "--json")["tried"]
    assert tried["said"] == "mailbox * is full, says *"


@pytest.mark.parametrize(("options", "days"), [({"outcome_days": 3.0}, ["For 3 days"]), ({"outcomes": 0}, [])])
def test_the_privacy_page_is_told_what_is_kept(gateway_factory, options, days):
    made = gateway_factory("tls", "maildb", "courier", courier=options)
    waits, *noted = made.facts(made.domains.first).keeps
    assert "waits here" in waits and [one[:10] for one in noted] == days
