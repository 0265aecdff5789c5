"""Decisions fail closed, observers are isolated, wrong plugins are refused at load."""

import gevent
import pytest

from chatgate.api import UNAVAILABLE, PluginError, Reply, hookimpl
from chatgate.hub import Hub


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


def test_the_first_plugin_in_order_that_answers_decides():
    first, second = Reply(554, text="first"), Reply(554, text="second")
    assert hub(Says(None), Says(first), Says(second)).ask("connect", session=None) is first
    assert hub(Says(None)).ask("connect", session=None) is None


def test_a_crashed_decision_refuses_and_the_log_names_the_plugin_but_not_the_text(caplog):
    assert hub(Says(None), Fails(None), Says(Reply(250))).ask("connect", session=None) == UNAVAILABLE
    assert "plugin=plugin1" in caplog.text and "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


def test_a_slow_decision_refuses_and_the_log_names_the_plugin(caplog):
    assert hub(Says(None), Sleeps(), seconds=0.05).ask("connect", session=None) == UNAVAILABLE
    assert "plugin=plugin1" in caplog.text and "Timeout" in caplog.text


def test_a_timeout_of_the_caller_is_not_taken_for_the_plugins():
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
        hub(Sleeps()).ask("connect", session=None)


def test_one_failing_observer_does_not_stop_the_others(caplog):
    before, after = Says(None), Says(None)
    hub(before, Fails(None), after).notify("account_removed", account="A")
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

    assert hub(Last(), Says(Reply(250, text="plain"))).ask("connect", session=None).text == "plain"
    assert hub(Says(Reply(250, text="plain")), First()).ask("connect", session=None).text == "first"


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


@pytest.mark.parametrize(
    ("plugin", "complaint"), [(Misspelt, "chatgate_conect"), (WrongArgument, "sesion"), (Asynchronous, "async")]
)
def test_a_wrong_plugin_is_refused_at_load_by_name(plugin, complaint):
    with pytest.raises(PluginError, match=f"plugin0.*{complaint}") as caught:
        hub(plugin())
    assert "\n" not in str(caught.value)


def test_duplicate_names_are_refused():
    with pytest.raises(PluginError):
        Hub().load([("same", Says(None)), ("same", Says(None))])
