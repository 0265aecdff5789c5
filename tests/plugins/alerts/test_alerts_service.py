"""From a trouble to a channel: what is kept, how much is sent, and what a kill or a leap of the clock costs."""

import os
import signal

import pytest
from chatgate_alerts.channels import NotSent
from chatgate_alerts.database import Database
from chatgate_alerts.options import AlertsOptions
from chatgate_alerts.service import Service
from chatgate_alerts.watching import Event

from chatgate.api import PluginError, Trouble
from chatgate.running.control import ask
from chatgate.running.gateway import Gateway
from chatgate.testing import config, until
from tests.flows.gateway_process import GatewayProcess
from tests.plugins.alerts.test_alerts_webhook import Server

NOW = 1_800_000_000.0


class Channel:
    def __init__(self, name="group"):
        self.name, self.got, self.fails, self.there = name, [], False, True

    def ready(self):
        return self.there

    def send(self, message, seconds):
        if self.fails:
            raise NotSent("no way")
        self.got.append(message)

    @property
    def titles(self):
        return [message.title.partition(": ")[2] for message in self.got]


class World:
    """A service that a test takes from minute to minute."""

    def __init__(self, folder, **options):
        self.options = AlertsOptions(**{"begin_seconds": 0.0, "end_seconds": 0.0, **options})
        self.folder, self.channels, self.wrong = folder, [Channel(), Channel("webhook")], {}
        self.now = self.ticks = NOW
        self.made = []
        self.restart()

    def restart(self):
        """As after a kill: nothing is left but the file."""
        self.database = Database(self.folder / "data" / "alerts.db")
        self.made.append(self.database)
        facts = "example.org", self.options, self.database, self.channels
        self.service = Service(*facts, self.troubles, None, lambda: self.now, lambda: self.ticks)

    def troubles(self):
        return [Trouble(key, what, 0, "mend it") for key, what in self.wrong.items()]

    def turn(self, seconds=60.0):
        self.now += seconds
        self.ticks += seconds
        return self.service.turn()


@pytest.fixture
def world(tmp_path):
    made = []

    def make(**options):
        made.append(World(tmp_path, **options))
        return made[-1]

    yield make
    for one in made:
        for database in one.made:
            database.close()


def test_every_channel_is_told_once_and_a_restart_tells_nothing_again(world):
    one = world()
    one.wrong["disk"] = "it is full"
    for _ in range(3):
        one.turn()
        one.restart()
    one.wrong.clear()
    for _ in range(3):
        one.turn()
        one.restart()
    for channel in one.channels:
        assert channel.titles == ["trouble: disk", "over: disk"]
    assert one.channels[0].got[0].id == one.channels[1].got[0].id
    sent, lasting = one.service.metrics()
    assert sent.samples == {} and lasting.samples == {(): 0}, "this one was told nothing"
    assert (one.folder / "data/alerts.db").stat().st_mode & 0o777 == 0o600


def test_a_channel_that_fails_is_tried_again_and_holds_up_no_other_one(world):
    one, (group, hook) = (w := world()), w.channels
    hook.fails = True
    one.wrong |= {"disk": "it is full"}
    assert 3 < one.turn() < 7
    one.wrong |= {"dns": "it drifts"}
    one.turn()
    assert group.titles == ["trouble: disk", "trouble: dns"] and hook.titles == []
    sent, lasting = one.service.metrics()
    assert sent.samples == {("group", "sent"): 2, ("webhook", "failed"): 2} and lasting.samples == {(): 2}
    hook.fails = False
    waits = [one.turn(4.0) for _ in range(10)]
    assert hook.titles == ["trouble: disk", "trouble: dns"] and max(waits) <= 60
    assert [message.id for message in hook.got] == [message.id for message in group.got]


def test_tries_get_rarer_and_end(world):
    one = world(keep_hours=1.0)
    one.channels[1].fails, one.wrong["disk"] = True, "it is full"
    one.turn()
    for _ in range(59):
        one.turn()
    ((_, post),) = one.database.posts()
    assert post.tries < 20 and post.error == "no way"
    one.turn(120)
    assert one.database.posts() == []


def test_the_operator_is_told_by_another_way_that_one_does_not_work(world, gateway_factory):
    gateway = gateway_factory("tls", "maildb", "gate", "alerts")
    plugin = gateway.hub.plugin("alerts")
    plugin.database.add(Event("test", Trouble("test", "a test", NOW, "nothing"), NOW))
    plugin.database.compose(["webhook"], NOW, 10, 3)
    ((_, post),) = plugin.database.posts()
    for _ in range(6):
        assert gateway.troubles() == []
        plugin.database.again(post.row, NOW, "example.net answers 500")
    (found,) = gateway.troubles()
    assert found.key == "alerts:webhook" and "example.net answers 500" in found.what


def test_more_than_so_many_in_an_hour_come_together(world):
    one = world(messages_per_hour=5)
    group = one.channels[0]
    for number in range(30):
        one.wrong = {f"t{number}": "odd"}
        one.turn(60)
    assert len(group.got) <= 5
    one.turn(3600)
    assert len(group.got) == 6 and "troubles" in group.got[-1].title
    assert len(group.got[-1].facts["events"]) == 30 and "more: chatgate alerts list" in group.got[-1].text


def test_many_at_once_are_one_message(world):
    one = world()
    one.wrong = {f"t{number}": "odd" for number in range(9)}
    one.turn()
    assert one.channels[0].titles == ["9 troubles, 0 over"]


def test_without_anybody_to_tell_nothing_is_taken_for_told(world):
    one = world()
    for channel in one.channels:
        channel.there = False
    one.wrong["disk"] = "it is full"
    for _ in range(3):
        one.turn()
    one.channels[0].there = True
    one.turn()
    assert one.channels[0].titles == ["trouble: disk"] and one.channels[1].titles == []


@pytest.mark.parametrize("leap", [10 * 365 * 86400.0, -10 * 365 * 86400.0])
def test_a_clock_that_leaps_neither_repeats_nor_holds_back(world, leap):
    one = world(messages_per_hour=3, begin_seconds=120.0, end_seconds=300.0)
    group, hook = one.channels
    one.wrong["disk"] = "it is full"
    for _ in range(3):
        one.turn()
    hook.fails = True
    one.wrong["dns"] = "it drifts"
    for _ in range(4):
        one.turn()
    one.now += leap
    hook.fails = False
    for _ in range(4):
        one.turn()
        one.restart()
    assert group.titles == ["trouble: disk", "trouble: dns"]
    assert hook.titles[:1] == ["trouble: disk"] and len(hook.titles) <= 2
    one.wrong.clear()
    for _ in range(8):
        one.turn()
    assert sorted(group.titles[2:]) == ["over: disk", "over: dns"]


def test_what_cannot_be_kept_is_told_when_it_can(world, monkeypatch):
    one = world()
    one.wrong["disk"] = "it is full"
    real = one.database.note
    monkeypatch.setattr(one.database, "note", lambda *args: broken())

    def broken():
        raise PluginError("no room")

    with pytest.raises(PluginError):
        one.turn()
    monkeypatch.setattr(one.database, "note", real)
    one.turn()
    assert one.channels[0].titles == ["trouble: disk"]


def test_killed_between_the_alert_and_its_note(tmp_path):
    """The webhook's server kills the gateway with the message in hand: it comes again under the same id, and under no
    other one.
    """
    gateway = GatewayProcess(tmp_path / "gw")

    def kill(sock):
        if gateway.process is not None and len(server.got) == 1:
            os.kill(gateway.process.pid, signal.SIGKILL)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = Server(kill)
    with gateway:
        gateway.init("--domain", "example.org", "--local")
        silent(gateway)
        settings = f'look_seconds = 0.2\nbegin_seconds = 0.0\nend_seconds = 0.0\nwebhook = "{server.url}/"\n'
        (gateway.folder / "conf.d/88-alerts.toml").write_text(settings)
        gateway.set("sweeper", no_accounts_below_bytes=str(10**17))
        gateway.start()
        until(lambda: gateway.process.poll() is not None)
        gateway.wait()
        gateway.start()
        until(lambda: len(server.got) >= 2)
        assert gateway.stop() == 0
    bodies = [body for _, _, body in server.got]
    about_disk = {body["id"] for body in bodies if "disk" in [event["key"] for event in body["events"]]}
    assert len(about_disk) == 1 and len(bodies) >= 2
    server.server.stop(0)


def test_check_says_that_nobody_is_told_or_that_messages_do_not_arrive(tmp_path):
    def said(**options):
        gateway = Gateway(config(tmp_path, "tls", "maildb", "gate", "alerts", alerts=options))
        gateway.read_only = True
        return [
            one.text for found in gateway.hub.check.or_raise(gateway=gateway) for one in found if "alerts" in one.text
        ]

    assert "nobody is told yet" in said()[0] and not (tmp_path / "data").exists()
    assert said(webhook="https://example.net/") == []
    assert "not https" in said(webhook="http://example.net/")[0]
    database = Database(tmp_path / "data/alerts.db")
    database.add(Event("test", Trouble("test", "a test", NOW, "nothing"), NOW))
    database.compose(["webhook"], NOW, 10, 3)
    ((_, post),) = database.posts()
    database.again(post.row, NOW, "example.net answers 500")
    database.close()
    assert "by webhook, since Friday 15 January, 08:00 UTC: example.net answers 500" in said()[0]


def silent(gateway):
    """No listeners: tests of other folders run at the same time, some of them on the ports of a gateway by itself."""
    gateway.set("imap", imaps="[]", imap="[]")
    gateway.set("smtp", submissions="[]", submission="[]", mx="[]")
    gateway.set("site", https="[]", http="[]")


def test_a_gateway_of_two_processes_tells_what_either_of_them_sees(tmp_path):
    """The breaker or the failing hook may be in the other process; each has its own."""
    gateway, server = GatewayProcess(tmp_path / "gw"), Server()
    with gateway:
        gateway.init("--domain", "example.org", "--local")
        silent(gateway)
        gateway.set("chatgate", processes="2")
        settings = f'look_seconds = 0.2\nbegin_seconds = 0.0\nwebhook = "{server.url}/"\n'
        (gateway.folder / "conf.d/88-alerts.toml").write_text(settings)
        gateway.set("sweeper", no_accounts_below_bytes=str(10**17))
        gateway.start()
        until(lambda: server.got)
        both = [[one["key"] for one in said.answer] for said in ask(gateway.folder, "troubles")]
        assert len(both) == 2 and all("disk" in keys for keys in both)
        assert gateway.stop() == 0
    keys = [event["key"] for _, _, body in server.got for event in body["events"]]
    assert keys.count("disk") == 1
    server.server.stop(0)
