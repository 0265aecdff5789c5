"""A sweep over a real store."""

import pytest
from chatgate_sweeper import SweeperOptions
from chatgate_sweeper.sweep import Sweep

from chatgate.api import AddressGone, hookimpl
from tests.plugins.sweeper.conftest import DAY, NOW

LARGE = 250_000


@pytest.fixture
def sweep(gateway, disk):
    def sweep(dry_run=False, now=NOW, gateway=gateway, **options):
        return Sweep(gateway, SweeperOptions(**options), now, dry_run)

    return sweep


def counts(report):
    rules = {name: (c.accounts, c.messages, c.octets) for name, c in report.rules.items()}
    return {name: numbers for name, numbers in rules.items() if any(numbers)}


@pytest.fixture
def used(people):
    """Mail of every kind. Returns what stays after a sweep."""
    alice, bob = people.alice, people.bob
    alice.mail(100, 21), alice.mail(100, 25, mailbox="Trash"), bob.mail(LARGE, 40, fetched=True)
    alice.mail(LARGE, 8, fetched=True)
    return {alice.mail(100, 19), alice.mail(LARGE, 8), alice.mail(LARGE, 6, True), bob.mail(100, 8, True)}


EXPECTED = {"old": (0, 3, 200 + LARGE), "large": (0, 1, LARGE)}


def test_old_and_large_messages_go(gateway, people, used, sweep):
    assert counts(sweep().everything()) == EXPECTED
    assert people.alice.left() | people.bob.left() == used
    assert counts(sweep().everything()) == {}
    assert gateway.store.integrity() == []


def test_a_dry_run_counts_the_same_and_changes_nothing(people, used, sweep):
    before = people.alice.left() | people.bob.left()
    report = sweep(dry_run=True).everything()
    assert counts(report) == EXPECTED and report.messages == 4 and report.cleaned == {}
    assert people.alice.left() | people.bob.left() == before


def test_one_account(people, used, sweep):
    before = people.bob.left()
    assert counts(sweep().account(people.alice.account)) == {"old": (0, 2, 200), "large": (0, 1, LARGE)}
    assert people.bob.left() == before


def test_time_goes_on(people, used, sweep):
    assert counts(sweep(now=NOW + 2 * DAY).everything())["old"] == (0, 4, 300 + LARGE)
    assert counts(sweep(now=NOW + 21 * DAY).everything())["old"] == (0, 2, LARGE + 100)
    assert people.alice.left() == people.bob.left() == set()


def test_a_full_account_is_brought_down_to_the_lower_share(people, sweep):
    """Quota: a million octets."""
    alice = people.alice
    young = {alice.mail(100_000, 0.5) for _ in range(5)}
    read = [alice.mail(100_000, 0.1, fetched=True), alice.mail(100_000, 3, fetched=True)]
    large, older = alice.mail(LARGE, 2, mailbox="Sent"), alice.mail(50_000, 3)
    assert counts(sweep().everything()) == {"quota": (0, 3, 200_000 + LARGE)}
    assert alice.left() == young | {older} and read and large
    assert counts(sweep().everything()) == {}


def test_nothing_that_is_young_and_unfetched_is_evicted_even_when_full(gateway, people, sweep):
    young = {people.alice.mail(100_000, 0.9) for _ in range(10)}
    assert counts(sweep().everything()) == {} and people.alice.left() == young
    with pytest.raises(Exception, match="full"):
        people.alice.mail(1)
    assert counts(sweep(now=NOW + 3600 * 3).everything()) == {"quota": (0, 3, 300_000)}
    people.alice.mail(1)


def test_many_accounts_are_full(people, sweep):
    for name in ("a", "b", "c", "d"):
        for _ in range(8):
            getattr(people, name).mail(100_000, 2)
    assert counts(sweep().everything()) == {"quota": (0, 4, 400_000)}


class Watcher:
    def __init__(self):
        self.removed, self.asked = [], []

    @hookimpl
    def chatgate_account_removed(self, account):
        self.removed.append(account.address)

    @hookimpl
    def chatgate_expire(self, now):
        self.asked.append(now)
        return {"tokens": 2, "rows": 0}


@pytest.fixture
def watcher():
    return Watcher()


@pytest.fixture
def gateway(open_gateway, watcher):
    return open_gateway(watcher)


def test_an_idle_account_goes_and_its_address_is_kept(gateway, people, watcher, sweep):
    today = NOW // DAY
    people.alice.mail(100, 30), people.alice.mail(50, 1)
    for name, day in {"alice": today + 9, "bob": today + 10, "carol": 0}.items():
        gateway.store.set_last_login(getattr(people, name).id, day)
    later = NOW + 100 * DAY
    assert counts(sweep(True, later).everything()) == {"idle": (2, 2, 150)}
    assert counts(sweep(False, later).everything()) == {"idle": (2, 2, 150)}
    assert sorted(watcher.removed) == ["alice@example.org", "carol@example.org"]
    assert [account.address for account in gateway.store.accounts()] == ["bob@example.org"]
    with pytest.raises(AddressGone):
        gateway.store.create_account("alice@example.org", "")
    assert gateway.store.integrity() == []


def test_an_idle_account_alone(gateway, people, watcher, sweep):
    account, mail = people.alice.account, people.bob.mail(1, 30)
    report = sweep(now=NOW + 100 * DAY).account(account)
    assert counts(report) == {"idle": (1, 0, 0)} and watcher.removed == [account.address] and watcher.asked == []
    assert people.bob.left() == {mail}


def test_an_owner_who_comes_back_at_the_last_moment(gateway, people, watcher, sweep, monkeypatch):
    stale = people.alice.account
    gateway.store.set_last_login(stale.id, NOW // DAY + 100)
    sweeping = sweep(now=NOW + 100 * DAY)
    pages = [[stale], []]
    monkeypatch.setattr(gateway.store, "idle_accounts", lambda *_: pages.pop(0))
    assert counts(sweeping.everything()) == {} and gateway.store.account(stale.address)


def test_the_plugins_clean_up_too(sweep, watcher, people):
    assert sweep(now=NOW + 0.5).everything().cleaned == {"tokens": 2} and watcher.asked == [NOW + 0.5]


def test_low_on_disk_the_oldest_large_ones_go(people, sweep, disk):
    alice, bob = people.alice, people.bob
    two, one = alice.mail(LARGE, 2), bob.mail(LARGE, 5, mailbox="Sent")
    three, young, small = alice.mail(LARGE, 1.5), bob.mail(LARGE, 0.1), bob.mail(100, 9)
    disk.free = 500_000_000 - LARGE - 1
    assert counts(sweep().everything()) == {"disk": (0, 2, 2 * LARGE)}
    assert alice.left() == {three} and bob.left() == {young, small} and (one, two)
    disk.free = 0
    assert counts(sweep().everything()) == {"disk": (0, 1, LARGE)}
    assert bob.left() == {young, small}
