"""What is counted and measured, and that nothing from outside gets into it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatgate.api import Counter, Distribution, Metric, Reply, hookimpl, joined_metrics
from chatgate.testing import new_login, pgp_message, session, smtp_client

HOSTILE = [
    "alice@example.org",
    "192.0.2.7",
    "2001:db8::1",
    "::ffff:192.0.2.7",
    "a b",
    'a"b',
    "a\nb",
    "a\\",
    "{x}",
    "x" * 101,
    "ä",
    "\udcff",
    "\0",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_what_is_no_word_is_counted_as_other(value):
    counter = Counter()
    counter.add(value, "yes")
    assert counter.counts == {("other", "other"): 1}
    with pytest.raises(ValueError):
        Metric("chatgate_x", "x", "counter", ("who",), {(value,): 1})


@pytest.mark.parametrize("value", ["550", "5.7.1", "mxdeliv", "", "half-open", "3.11.2", "SHA-256", "0"])
def test_words_of_the_code_are_counted_by_themselves(value):
    counter = Counter()
    counter.add(value, by=2)
    assert Metric("chatgate_x", "x", "counter", ("who",), dict(counter.counts)).samples == {(value,): 2}


def test_a_counter_has_so_many_values_and_no_more():
    counter = Counter(most=10)
    for n in range(1000):
        counter.add(f"n{n}", "a")
    assert len(counter.counts) == 11 and counter.counts["other", "other"] == 990
    counter.add("n3", "a")
    assert counter.counts["n3", "a"] == 2


@given(st.lists(st.floats(0, 100)), st.lists(st.floats(0, 100)))
def test_a_distribution_counts_each_value_once_and_joins(ones, others):
    one, other, both = Distribution(), Distribution(), Distribution()
    for value in ones:
        one.add(value)
        both.add(value)
    for value in others:
        other.add(value)
        both.add(value)
    joined = one.joined(other)
    assert joined.counts == both.counts and joined.total == pytest.approx(both.total)
    assert sum(both.counts) == len(ones) + len(others)
    for n, bound in enumerate(both.bounds):
        assert sum(both.counts[: n + 1]) == sum(value <= bound for value in ones + others)


@pytest.mark.parametrize(
    "bent",
    [
        {"name": "radio_songs"},
        {"name": "chatgate_songs_total"},
        {"name": "chatgate_Songs"},
        {"name": "chatgate__songs"},
        {"unit": "seconds"},
        {"help": ""},
        {"help": "two\nlines"},
        {"kind": "summary"},
        {"across": "mean"},
        {"labels": ("a", "a")},
        {"labels": ("0",)},
        {"samples": {("a", "b"): 1}},
        {"samples": {("a",): Distribution()}},
        {"kind": "histogram", "samples": {("a",): 1}},
        {"samples": {(str(n),): n for n in range(1001)}},
    ],
)
def test_a_bent_metric_is_refused(bent):
    good = {"name": "chatgate_songs", "help": "Songs", "kind": "counter", "labels": ("kind",)}
    Metric(**good)
    with pytest.raises(ValueError):
        Metric(**{**good, **bent})


def test_processes_are_put_together():
    def process(n):
        took = Distribution((1, 2))
        took.add(n)
        return [
            Metric("chatgate_c", "c", "counter", ("x",), {("a",): n, (str(n),): 1}),
            Metric("chatgate_max", "m", "gauge", (), {(): n}, across="max"),
            Metric("chatgate_one", "o", "gauge", (), {(): 7}, across="one"),
            Metric.single("chatgate_took_seconds", "t", "histogram", took, "seconds"),
        ]

    sent = [[Metric.of_data(one.data()) for one in process(n)] for n in (1, 2)]
    c, most, one, took = joined_metrics(sent)
    assert c.samples == {("a",): 3, ("1",): 1, ("2",): 1}
    assert most.samples == {(): 2} and one.samples == {(): 7}
    assert took.samples[()].counts == [1, 1, 0] and took.samples[()].total == 3


def test_processes_of_two_versions_do_not_break_each_other():
    old = [Metric("chatgate_c", "c", "counter", ("x",), {("a",): 1})]
    new = [Metric("chatgate_c", "c", "counter", ("x", "y"), {("a", "b"): 1})]
    assert joined_metrics([old, new]) == old
    took, other = Distribution((1, 2)), Distribution((1, 3))
    both = [[Metric.single("chatgate_t", "t", "histogram", one)] for one in (took, other)]
    assert joined_metrics(both)[0].samples[()] is took


class Plugin:
    def __init__(self, gateway, options):
        pass


class Radio(Plugin):
    @hookimpl
    def chatgate_metrics(self, gateway):
        return [
            Metric.single("chatgate_radio_songs", "Songs", "counter", 3),
            Metric("chatgate_logins", "Not mine", "counter", ("service",), {("submissions",): 99}),
        ]

    @hookimpl
    def chatgate_filter(self, envelope):
        return Reply(550, "5.7.1", "No songs") if b"Subject: song" in envelope.content else None


def value(gateway, name, **labels):
    (metric,) = [one for one in gateway.measured() if one.name == name]
    wanted = set(labels.items())
    return sum(v for key, v in metric.samples.items() if wanted <= set(zip(metric.labels, key, strict=True)))


def test_the_core_and_its_plugins_answer(gateway_factory):
    gateway = gateway_factory("tls", "maildb", "accounts", "passwordless", "smtp", Radio)
    login = new_login(gateway)
    good = pgp_message(login[0], login[0])
    with smtp_client(gateway, login) as client:
        client.sendmail(login[0], [login[0]], good)
        with pytest.raises(Exception, match="No songs"):
            client.sendmail(login[0], [login[0]], good.replace(b"Subject: [...]", b"Subject: song"))
        assert value(gateway, "chatgate_connections", service="submissions", known="yes") == 1
    assert value(gateway, "chatgate_messages", origin="account", outcome="taken") == 1
    assert value(gateway, "chatgate_messages", origin="account", outcome="refused") == 1
    assert value(gateway, "chatgate_refusals", step="filter", plugin="radio", code="550", status="5.7.1") == 1
    assert value(gateway, "chatgate_copies", to="mailbox") == 1
    assert value(gateway, "chatgate_logins", service="submissions") == 1
    assert value(gateway, "chatgate_connections_accepted", service="submissions") == 1
    assert value(gateway, "chatgate_radio_songs") == 3
    assert value(gateway, "chatgate_hook_calls", plugin="radio", hook="filter") == 2
    assert value(gateway, "chatgate_process_resident_bytes", process="0") > 10**6
    took = {one.name: one.samples for one in gateway.measured()}["chatgate_delivery_seconds"][()]
    assert sum(took.counts) == 1 and took.total > 0
    text = str([one.data() for one in gateway.measured()])
    assert login[0] not in text and "127.0.0.1" not in text


def test_a_decision_that_crashes_is_counted_with_who_crashed(gateway_factory):
    class Bad(Plugin):
        @hookimpl
        def chatgate_connect(self, session):
            raise RuntimeError

    gateway = gateway_factory("tls", "maildb", Bad)
    gateway.hub.connect(session=session())
    assert gateway.hub.refusals.counts == {("connect", "bad", "451", "4.3.0"): 1}


def test_hostile_replies_of_plugins_make_no_labels(gateway_factory):
    class Bad(Plugin):
        @hookimpl
        def chatgate_connect(self, session):
            return Reply(550, "5.7.1 alice@example.org", "No, 192.0.2.1")

    gateway = gateway_factory("tls", "maildb", Bad)
    gateway.hub.connect(session=session())
    assert gateway.hub.refusals.counts == {("connect", "bad", "550", "5.0.0"): 1}
