"""Each domain has its own rules for what is old."""

import json

import pytest
from chatgate_sweeper.parties import parties
from chatgate_sweeper.sweep import Sweep

from chatgate.api import OfDomains
from chatgate.hosting import confd
from chatgate.running.gateway import Gateway
from chatgate.testing import config
from tests.plugins.sweeper.conftest import DAY, NOW, People

LARGE = 230_000
DIFFERENT = {
    "brief.example": {"sweeper": {"days": 3, "large_days": 1, "account_days": 10}},
    "long.example": {"sweeper": {"days": 0, "large_days": 0, "account_days": 0}, "maildb": {"quota_bytes": 1_000_000}},
    "same.example": {"sweeper": {"days": 20}},
    "127.0.0.2": {"sweeper": {"days": 3, "large_days": 1, "account_days": 10}},
}
# Beside the first one: a domain whose file is gone.
BY_THE_GENERAL_RULES = "example.org", "same.example", "gone.example"
BRIEF = "brief.example", "[127.0.0.2]"


@pytest.fixture
def opened(tmp_path):
    """Makes gateways with these domains, each in its own folder."""
    made = []

    def opened(domains, **options):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        plugins = "maildb", "accounts", "sweeper"
        made.append(Gateway(config(folder, *plugins, domains=domains, sweeper=options)))
        return made[-1]

    yield opened
    for gateway in made:
        gateway.stop()


@pytest.fixture
def gateway(opened):
    return opened(DIFFERENT)


@pytest.fixture
def sweep(gateway, disk):
    def sweep(dry_run=False, now=NOW, gateway=gateway, **more):
        return Sweep(gateway, gateway.hub.plugin("sweeper").options, now, dry_run, **more)

    return sweep


@pytest.fixture
def at(gateway):
    return lambda domain: People(gateway, domain)


def counts(report):
    rules = {name: (c.accounts, c.messages, c.octets) for name, c in report.rules.items()}
    return {name: numbers for name, numbers in rules.items() if any(numbers)}


@pytest.fixture
def used(at):
    """Mail of every age in every domain; what is left of it after a sweep."""
    stays = {}
    for domain in (*BY_THE_GENERAL_RULES, *BRIEF, "long.example"):
        alice = at(domain).alice
        aged = {days: alice.mail(100, days, mailbox="Trash") for days in (2, 4, 21)}
        large = {days: alice.mail(LARGE, days, fetched=True) for days in (0.5, 1.5, 8)}
        young = aged[2], large[0.5]
        if domain in BRIEF:
            stays[alice.left] = {*young}
        elif domain == "long.example":
            stays[alice.left] = {*aged.values(), *large.values()}
        else:
            stays[alice.left] = {*young, aged[4], large[1.5]}
    return stays


# Of three domains one small and one large message each; of two also what is four and eight days old.
EXPECTED = {"old": (0, 3 + 2 * 3, 7 * 100 + 2 * LARGE), "large": (0, 3 + 2, 5 * LARGE)}


def test_each_domains_mail_goes_by_its_own_rules(gateway, used, sweep):
    assert counts(sweep(dry_run=True).everything()) == EXPECTED
    assert counts(sweep().everything()) == EXPECTED
    for left, stays in used.items():
        assert left() == stays
    assert counts(sweep().everything()) == {} and gateway.store.integrity() == []


def test_one_account_goes_by_the_rules_of_its_domain(at, sweep):
    brief, first = at("brief.example").alice, at("example.org").alice
    brief.mail(1, 4), first.mail(1, 4)
    assert counts(sweep().account(first.account)) == {}
    assert counts(sweep().account(brief.account)) == {"old": (0, 1, 1)}
    assert counts(sweep(now=NOW + 11 * DAY).account(first.account)) == {}
    assert counts(sweep(now=NOW + 11 * DAY).account(brief.account)) == {"idle": (1, 0, 0)}


@pytest.mark.parametrize(("days", "left"), [(9, 6), (11, 4), (89, 4), (91, 1)])
def test_each_domains_accounts_go_by_its_own_rule(gateway, at, sweep, days, left):
    people = [at(domain).alice for domain in (*BY_THE_GENERAL_RULES, *BRIEF, "long.example")]
    for dry_run in (True, False):
        report = sweep(dry_run, now=NOW + days * DAY).everything()
        assert report.rules["idle"].accounts == len(people) - left
    assert gateway.store.count_accounts() == left
    assert gateway.store.account("alice@long.example")


def test_too_many_are_counted_in_all_domains(opened, disk):
    gateway = opened(DIFFERENT, few_idle_accounts=1, most_idle_percent=50)
    for domain in (*BRIEF, "example.org"):
        _ = People(gateway, domain).alice

    def sweep(force=False):
        own = gateway.hub.plugin("sweeper").options
        return Sweep(gateway, own, NOW + 11 * DAY, force=force).everything()

    report = sweep()
    assert report.held_back == 2 and gateway.store.count_accounts() == 3
    assert sweep(force=True).rules["idle"].accounts == 2 and gateway.store.account("alice@example.org")


def test_the_evictor_does_not_wait_for_the_rules_of_another_domain(gateway, at, sweep):
    """Mail of 30 days is due in the first domain alone: in this one it has to make room."""
    alice = at("long.example").alice
    for _ in range(8):
        last = alice.mail(100_000, 30)
    evictor = gateway.hub.plugin("sweeper").evictor
    evictor.crowded(alice.id, alice.address)
    evictor._make_room()
    assert len(alice.left()) == 7 and last in alice.left()


def test_for_want_of_space_the_oldest_of_all_domains_go(at, sweep, disk):
    long, first = at("long.example").alice, at("example.org").alice
    oldest, older = long.mail(LARGE, 50), first.mail(LARGE, 9)
    younger, youngest = long.mail(LARGE, 5), first.mail(LARGE, 4)
    disk.free = 500_000_000 - 2 * LARGE
    for dry_run in (True, False):
        assert counts(sweep(dry_run).everything()) == {"disk": (0, 2, 2 * LARGE)}
    assert oldest and older and long.left() == {younger} and first.left() == {youngest}


def asked(gateway, monkeypatch):
    """The statements of a sweep over some mail, with their parameters."""
    people = People(gateway)
    for days in (1, 10, 30):
        people.alice.mail(100, days), people.alice.mail(LARGE, days, fetched=True)
    reader, statements = gateway.store.reader, []
    rows = reader.rows
    monkeypatch.setattr(reader, "rows", lambda sql, given=(): statements.append((sql, (*given,))) or rows(sql, given))
    Sweep(gateway, gateway.hub.plugin("sweeper").options, NOW).everything()
    return statements


def test_with_the_same_rules_everywhere_nobody_asks_for_a_domain(opened, disk, monkeypatch):
    made = [asked(opened(domains), monkeypatch) for domains in ({}, {"same.example": {}}, DIFFERENT)]
    one, same, other = ([(sql, [p for p in given if not isinstance(p, bytes)]) for sql, given in m] for m in made)
    assert one == same and len(one) < len(other)
    assert not any("brief.example" in json.dumps(given) for _, given in one)
    assert any("brief.example" in json.dumps(given) for _, given in other)


def test_the_file_of_a_domain_sets_its_days_and_nothing_else(tmp_path):
    (tmp_path / "conf.d/domains").mkdir(parents=True)
    for name, text in {
        "00-chatgate": 'domain = "example.org"',
        "60-maildb": "",
        "85-sweeper": "days = 30",
        "domains/b.example": "[sweeper]\ndays = 3\naccount_days = 0",
    }.items():
        (tmp_path / f"conf.d/{name}.toml").write_text(text)
    gateway = Gateway(confd.load(tmp_path))
    general, own = parties(gateway.domains, gateway.hub.plugin("sweeper").options)
    gateway.stop()
    assert (general.options.days, general.options.account_days) == (30, 90)
    assert (own.options.days, own.options.account_days, own.only) == (3, 0, OfDomains(frozenset({"b.example"})))
    (tmp_path / "conf.d/domains/b.example.toml").write_text("[sweeper]\nevict_at_percent = 80")
    with pytest.raises(confd.ConfigError, match="evict_at_percent"):
        confd.load(tmp_path)
