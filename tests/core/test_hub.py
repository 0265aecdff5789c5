"""Decisions fail closed, observers are isolated, wrong plugins are refused at load."""

import sys
from functools import cached_property

import gevent
import pytest

from chatgate.api import UNAVAILABLE, Account, PluginError, Prepend, Problem, Reply, StoreError, hookimpl
from chatgate.hosting import hookspecs
from chatgate.hosting.doors import Door
from chatgate.hosting.hub import Hub


class Says:
    def __init__(self, answer):
        self.answer, self.told = answer, []

    @hookimpl
    def chatgate_connect(self, session):
        return self.answer

    @hookimpl
    def chatgate_account_removed(self, account):
        self.told.append(account)


class Fails(Says):
    @hookimpl
    def chatgate_connect(self, session):
        raise RuntimeError("secret words")

    @hookimpl
    def chatgate_account_removed(self, account):
        raise RuntimeError("secret words")


class Sleeps:
    @hookimpl
    def chatgate_connect(self, session):
        gevent.sleep(5)


def hub(*plugins, seconds=60):
    made = Hub(seconds)
    made.load((f"plugin{n}", plugin) for n, plugin in enumerate(plugins))
    return made


def failures(made):
    """(plugin, hook) of what failed, and how often."""
    return {one: tally.failures for one, tally in made.tallies.items() if tally.failures}


def test_the_first_plugin_in_order_that_answers_decides():
    first, second = Reply(554, text="first"), Reply(554, text="second")
    assert hub(Says(None), Says(first), Says(second)).connect(session=None) is first
    assert hub(Says(None)).connect(session=None) is None


def test_a_crashed_decision_refuses_and_the_log_names_the_plugin_but_not_the_text(caplog):
    assert hub(Says(None), Fails(None), Says(Reply(250))).connect(session=None) == UNAVAILABLE
    assert "plugin=plugin1" in caplog.text and "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


def test_a_slow_decision_refuses_and_the_log_names_the_plugin(caplog):
    assert hub(Says(None), Sleeps(), seconds=0.05).connect(session=None) == UNAVAILABLE
    assert "plugin=plugin1" in caplog.text and "Timeout" in caplog.text


def test_a_timeout_of_the_caller_is_not_taken_for_the_plugins():
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
        hub(Sleeps()).connect(session=None)


def test_one_failing_observer_does_not_stop_the_others(caplog):
    before, after = Says(None), Says(None)
    hub(before, Fails(None), after).account_removed(account="A")
    assert (before.told, after.told) == (["A"], ["A"])
    assert "plugin=plugin1" in caplog.text and "secret" not in caplog.text


def test_hints_of_the_author_order_plugins_around_the_operators_numbers():
    class Last:
        @hookimpl(trylast=True)
        def chatgate_connect(self, session):
            return Reply(250, text="last")

    class First:
        @hookimpl(tryfirst=True)
        def chatgate_connect(self, session):
            return Reply(250, text="first")

    assert hub(Last(), Says(Reply(250, text="plain"))).connect(session=None).text == "plain"
    assert hub(Says(Reply(250, text="plain")), First()).connect(session=None).text == "first"


class Misspelt:
    @hookimpl
    def chatgate_conect(self, session):
        pass


class WrongArgument:
    @hookimpl
    def chatgate_connect(self, sesion):
        pass


class Asynchronous:
    @hookimpl
    async def chatgate_connect(self, session):
        pass


class Generator:
    @hookimpl
    def chatgate_account_removed(self, account):
        yield


class Wrapper:
    @hookimpl(wrapper=True)
    def chatgate_connect(self, session):
        yield  # the refusal of another plugin ends here
        return None


class ToldWrapper:
    @hookimpl(wrapper=True, specname="chatgate_stored")
    def around(self, stored):
        return (yield)


class OldWrapper:
    @hookimpl(hookwrapper=True)
    def chatgate_recipient(self, address):
        yield


class Raises:
    @property
    def hookspecs(self):
        raise LookupError("nothing\nhere")


@pytest.mark.parametrize(
    ("plugin", "complaint"),
    [(Misspelt, "chatgate_conect"), (WrongArgument, "sesion"), (Asynchronous, "async")]
    + [
        (Generator, "generator"),
        (Wrapper, "connect takes no wrappers"),
        (ToldWrapper, "stored takes no wrappers"),
        (OldWrapper, "wrapper=True"),
        (Raises, "LookupError: nothing here"),
    ],
)
def test_a_wrong_plugin_is_refused_at_load_by_name(plugin, complaint):
    with pytest.raises(PluginError, match=f"plugin0.*{complaint}") as caught:
        hub(plugin())
    assert "\n" not in str(caught.value)


def test_duplicate_names_are_refused():
    with pytest.raises(PluginError):
        Hub().load([("same", Says(None)), ("same", Says(None))])


def answering(**hooks):
    """A plugin with these hooks; each a function, or what it answers."""

    def method(answer):
        return hookimpl(answer if callable(answer) else lambda: answer)

    return type("Plugin", (), {f"chatgate_{name}": staticmethod(method(answer)) for name, answer in hooks.items()})()


def leave():
    sys.exit(3)


def own_limit():
    with gevent.Timeout(0.01):
        gevent.sleep(60)


def throws(error):
    def hook():
        raise error

    return hook


ENDS = [leave, own_limit, throws(SystemExit("secret")), throws(KeyboardInterrupt()), throws(gevent.GreenletExit())]
ENDS += [throws(gevent.Timeout(1)), throws(type("Odd", (BaseException,), {})())]


@pytest.mark.parametrize("end", ENDS)
def test_no_exception_of_a_plugin_ends_more_than_its_own_answer(end, caplog):
    """Neither the process nor the connection, whatever gevent and Python make of it elsewhere."""
    after = Says(None)
    made = hub(answering(connect=end, account_removed=end, capabilities=end), after, answering(capabilities=["X"]))
    assert made.connect(session=None) == UNAVAILABLE
    made.account_removed(account="A")
    assert after.told == ["A"]
    assert made.capabilities(session=None) == [["X"]]
    assert failures(made) == {("plugin0", name): 1 for name in ("connect", "account_removed", "capabilities")}
    assert caplog.text.count("plugin=plugin0") == 3 and "secret" not in caplog.text


@pytest.mark.parametrize("door", ["decision", "collection"])
@pytest.mark.parametrize("wait", [lambda: gevent.sleep(60), lambda: gevent.event.Event().wait(), lambda: leave_later()])
def test_a_greenlet_can_be_killed_while_it_is_in_a_hook(door, wait):
    made = hub(answering(connect=wait))
    went_on = []
    greenlet = gevent.spawn(lambda: went_on.append(getattr(made, door)(hookspecs.chatgate_connect)(session=None)))
    gevent.sleep(0.01)
    greenlet.kill(timeout=60)
    assert greenlet.dead and went_on == [] and not failures(made)


def leave_later():
    try:
        gevent.sleep(60)
    finally:
        gevent.sleep(0.001)


def test_a_time_limit_of_the_caller_reaches_it_through_an_observer():
    made = hub(answering(account_removed=lambda: gevent.sleep(60)))
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
        made.account_removed(account=None)


@pytest.mark.parametrize(
    ("hook", "facts", "wrong"),
    [
        ("connect", "session", [True, "no", 451, [], Reply(354), Reply(999), Reply(99), Reply("550")]),
        ("sender", "session envelope address", [Account(1, "a@d.test"), 0]),
        ("recipient", "session envelope address", [True, b"", "INBOX", 1, Reply(250)]),
        ("authenticate", "session credentials", [True, "a@d.test", 1, Reply(250), object()]),
        ("create_account", "request", [Reply(200), True]),
        ("set_password", "account password", ["yes", Reply(250)]),
        ("get_metadata", "session mailbox entry", ["text", 7, Reply(250), Reply(550)]),
        ("set_metadata", "session mailbox entry value", [True, b""]),
    ],
)
def test_an_answer_of_the_wrong_type_refuses_and_names_the_plugin(hook, facts, wrong, caplog):
    for n, answer in enumerate(wrong, 1):
        made = hub(answering(), answering(**{hook: answer}))
        caplog.clear()
        assert getattr(made, hook)(**dict.fromkeys(facts.split())) == UNAVAILABLE, answer
        assert f"hook={hook} plugin=plugin1 error=WrongAnswer answer={type(answer).__name__}" in caplog.text
        assert failures(made) == {("plugin1", hook): 1}, n


@pytest.mark.parametrize(
    ("hook", "right", "wrong"),
    [
        ("capabilities", [[], ["X-A", "Y=Z"], ("A",)], ["XTALLY", ["a b"], ["a\r\nb"], [""], ["\xe4"], [1], 5]),
        ("expire", [{}, {"x": 1}], [[], {"x": "1"}, {1: 1}, 7]),
        ("ready", ["text"], [[], 1, b"x"]),
        ("check", [[], [Problem("error", "x")]], [Problem("error", "x"), ["x"], "x"]),
    ],
)
def test_what_a_collection_cannot_take_is_left_out(hook, right, wrong, caplog):
    asked = {"session": None, "now": 0, "gateway": None}
    for answer in right:
        assert getattr(hub(answering(**{hook: answer})), hook)(**asked) == [answer]
    assert not caplog.records
    for answer in wrong:
        made = hub(answering(**{hook: answer}), answering(**{hook: right[0]}))
        assert getattr(made, hook)(**asked) == [right[0]], answer
        assert failures(made) == {("plugin0", hook): 1}


def test_right_answers_are_passed_on_as_they_are():
    edits = (Prepend("X", "y"),)
    assert hub(answering(receive=edits)).receive.all(session=None, envelope=None) == [edits]
    account = Account(1, "a@d.test")
    assert hub(answering(authenticate=account)).authenticate(session=None, credentials=None) is account
    no = Reply(550)
    assert hub(answering(authenticate=no)).authenticate(session=None, credentials=None) is no


@pytest.mark.parametrize("hook", ["connect", "sender", "filter"])
def test_where_all_may_refuse_nobody_can_let_pass_for_the_others(hook):
    facts = dict.fromkeys(("session", "envelope", "address"))
    yes, no = answering(**{hook: Reply(250)}), answering(**{hook: Reply(550, text="no")})
    assert getattr(hub(yes, no), hook)(**facts).text == "no"
    assert getattr(hub(yes, answering(**{hook: throws(RuntimeError())})), hook)(**facts) == UNAVAILABLE
    assert getattr(hub(yes), hook)(**facts).accepts


def test_each_observer_has_a_time_limit_of_its_own(caplog):
    """Two that hang are two waits, and the third is told all the same; upkeep may take longer."""
    told = []
    slow = answering(account_removed=lambda: gevent.sleep(1000), expire=lambda: gevent.sleep(0.1) or {"x": 1})
    made = Hub(60, observer_seconds=0.02)
    last = answering(account_removed=lambda: told.append(1))
    made.load(
        [("one", slow), ("two", answering(account_removed=own_limit)), ("three", slow.__class__()), ("last", last)]
    )
    with gevent.Timeout(60):
        made.account_removed(account=None)
    assert told == [1]
    assert failures(made) == {(name, "account_removed"): 1 for name in ("one", "two", "three")}
    assert made.expire(now=0) == [{"x": 1}, {"x": 1}]


def test_each_question_has_the_whole_time():
    made = hub(answering(connect=lambda: gevent.sleep(0.2)), seconds=1.0)
    for _ in range(8):  # 1.6 s in all
        assert made.connect(session=None) is None


def test_a_hook_that_catches_everything_is_interrupted_again(caplog):
    def stubborn():
        try:
            gevent.sleep(1000)
        except BaseException:
            gevent.sleep(1000)

    made = hub(answering(connect=stubborn), seconds=0.02)
    with gevent.Timeout(60):
        assert made.connect(session=None) == UNAVAILABLE
        assert made.connect(session=None) == UNAVAILABLE


def test_the_time_limit_of_a_question_within_a_question_is_told_from_the_outer_one():
    inner = hub(answering(connect=lambda: gevent.sleep(1000)), seconds=1000)
    outer = hub(answering(connect=lambda: inner.connect(session=None)), seconds=0.05)
    with gevent.Timeout(60):
        assert outer.connect(session=None) == UNAVAILABLE
    assert failures(outer) and not failures(inner)


def test_at_start_and_in_commands_a_failure_names_the_plugin_in_one_line():
    with pytest.raises(PluginError, match=r"^plugin plugin1: services: RuntimeError: two lines at .*:\d+$"):
        hub(answering(), answering(services=throws(RuntimeError("two\nlines")))).services.or_raise(gateway=None)
    with pytest.raises(PluginError, match=r"^plugin plugin0: open_store: .*bool"):
        hub(answering(open_store=True)).open_store.or_raise(gateway=None)
    with pytest.raises(PluginError, match="^as it is$"):
        hub(answering(open_store=throws(PluginError("as it is")))).open_store.or_raise(gateway=None)
    for end in ENDS:
        with pytest.raises(PluginError, match="plugin0"):
            hub(answering(certificate=end)).certificate.or_raise(gateway=None)


def test_a_survey_has_each_plugins_word_and_each_failure():
    fine = [Problem("warning", "x")]
    made = hub(answering(check=leave), answering(check=fine), answering(check=lambda: gevent.sleep(1000)), answering())
    first, second, third = made.check.each(0.05, gateway=None)
    assert (first.plugin, first.answer) == ("plugin0", None) and "SystemExit" in str(first.failure)
    assert second == ("plugin1", fine, None)
    assert third.answer is None and "Timeout" in str(third.failure)


def wrapping(make):
    return type("Wraps", (), {"around": staticmethod(hookimpl(wrapper=True, specname="chatgate_set_password")(make))})()


def test_wrappers_see_what_becomes_of_a_decision():
    seen = []

    def outer(account):
        seen.append("asked")
        answer = yield
        seen.append(answer)
        return answer

    def inner():
        return Reply(550, text=str((yield)))

    made = hub(wrapping(outer), wrapping(inner), answering(set_password=True))
    assert made.set_password(account=None, password="").text == "True"
    assert seen == ["asked", Reply(550, text="True")]


def test_a_command_asks_as_a_client_does_but_hears_what_failed():
    seen = []

    def around():
        seen.append("asked")
        return (yield)

    def full():
        raise StoreError("the disk is full")

    made = hub(wrapping(around), answering(set_password=True))
    assert made.set_password.or_raise(account=None, password="") is True and seen == ["asked"]
    broken = type("Broken", (), {"answer": staticmethod(hookimpl(specname="chatgate_set_password")(full))})()
    made = hub(wrapping(around), broken)
    assert made.set_password(account=None, password="") == UNAVAILABLE
    with pytest.raises(StoreError, match="the disk is full"):
        made.set_password.or_raise(account=None, password="")


def hushes():
    try:
        return (yield)
    except BaseException:
        return True


def fails_after():
    yield
    raise RuntimeError


def yields_twice():
    yield
    yield


def never_yields():
    return
    yield


def answers_wrongly():
    yield
    return "yes"


@pytest.mark.parametrize("wrapper", [fails_after, yields_twice, never_yields, answers_wrongly])
def test_a_wrapper_that_fails_refuses_and_is_named(wrapper, caplog):
    made = hub(answering(set_password=True), wrapping(wrapper))
    assert made.set_password(account=None, password="") == UNAVAILABLE
    assert "plugin=plugin1" in caplog.text


@pytest.mark.parametrize("end", ENDS)
def test_a_wrapper_makes_no_answer_of_a_failure(end, caplog):
    made = hub(wrapping(hushes), answering(set_password=end))
    assert made.set_password(account=None, password="") == UNAVAILABLE
    assert "plugin=plugin1" in caplog.text


def test_every_hook_has_its_door():
    doors = {f"chatgate_{name}" for name, door in vars(hub()).items() if isinstance(door, Door)}
    assert doors == {name for name in vars(hookspecs) if name.startswith("chatgate_")}


class Takes:
    def __init__(self, seen):
        self.seen = seen

    @hookimpl
    def chatgate_set_password(self, account):
        self.seen.append(account)
        return True


def test_facts_go_by_place_or_by_name():
    seen = []
    made = hub(Takes(seen))
    assert made.set_password("account", "password") is made.set_password("account", password="password") is True
    assert made.set_password(password="password", account="account") is True
    assert seen == ["account"] * 3


def test_calls_are_counted_and_timed_by_plugin_and_hook():
    made = hub(answering(connect=lambda: gevent.sleep(0.02), capabilities=[]), Fails(None))
    made.connect(None)
    made.capabilities(None)
    made.capabilities(None)
    tallies = {one: (tally.calls, tally.failures) for one, tally in made.tallies.items() if tally.calls}
    assert tallies == {
        ("plugin0", "connect"): (1, 0),
        ("plugin0", "capabilities"): (2, 0),
        ("plugin1", "connect"): (1, 1),
    }
    assert made.tallies["plugin0", "connect"].seconds >= 0.02


def test_what_a_plugin_computes_once_is_not_computed_while_plugins_load():
    """It may ask a hook, and not all who answer are there yet."""

    class Lazy:
        computed = 0

        @cached_property
        def once(self):
            self.computed += 1
            return self.computed

        @property
        def each_time(self):
            return self.once

        @hookimpl
        def chatgate_capabilities(self, session):
            return [str(self.each_time)]

    lazy = Lazy()
    made = hub(lazy)
    assert lazy.computed == 0
    assert made.capabilities(None) == [["1"]] and made.capabilities(None) == [["1"]]
