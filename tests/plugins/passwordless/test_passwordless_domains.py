"""Each domain has its own rules for new accounts."""

import pytest

from chatgate.api import Account, Credentials
from chatgate.testing import session

PASSWORD = "a-long-password"


@pytest.fixture
def gateway(gateway_factory):
    further = {
        "closed.example": {"passwordless": {"registration": "closed"}},
        "short.example": {"passwordless": {"name_min_length": 2, "name_max_length": 4, "password_min_length": 12}},
        "frozen.example": {"passwordless": {"freeze_file": "no-more"}},
        "127.0.0.2": {},
    }
    return gateway_factory("maildb", "tls", "passwordless", domains=further, passwordless={"scrypt_cost": 10})


@pytest.fixture
def login(gateway):
    def login(address, password=PASSWORD):
        return gateway.hub.authenticate(session=session(), credentials=Credentials(address, password))

    return login


@pytest.mark.parametrize(
    "address",
    ["ninechars@example.org", "ab@short.example", "ninechars@[127.0.0.2]", "ninechars@frozen.example"],
)
def test_accounts_come_into_being_by_the_rules_of_their_domain(login, address):
    made = login(address)
    assert isinstance(made, Account) and made.address == address
    assert login(address).id == made.id
    assert login(address, PASSWORD + "!").code == 535


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("ab@example.org", "Names of new accounts have 9 characters of a-z 0-9 . _ -"),
        ("ninechars@short.example", "Names of new accounts have 2 to 4 characters of a-z 0-9 . _ -"),
        ("ninechars@closed.example", "This server takes no new accounts"),
        ("ninechars@other.example", "This server has no addresses of that domain"),
    ],
)
def test_and_the_refusal_tells_those_of_the_domain(login, address, hint):
    assert login(address).text == f"Authentication failed: wrong address or password. {hint}"


def test_a_file_stops_new_accounts_of_one_domain(gateway, login):
    gateway.path("no-more").touch()
    assert "takes no new accounts at the moment" in login("ninechars@frozen.example").text
    assert isinstance(login("ninechars@example.org"), Account)
    texts = [problem.text for problem in gateway.hub.plugin("passwordless").chatgate_check()]
    assert texts == [
        "names of 9 characters are refused; those are what Delta Chat invents for new accounts",
        f"passwordless: no new accounts are made as long as {gateway.path('no-more')} is there",
    ]


def test_a_new_password_goes_by_the_rules_of_the_domain(gateway, login):
    account = login("ab@short.example")
    assert gateway.hub.set_password(account=account, password="123456789").text == (
        "Passwords have 12 to 1024 characters"
    )
    assert gateway.hub.set_password(account=login("ninechars@example.org"), password="123456789") is True


def test_the_same_name_at_two_domains_is_two_accounts(login):
    one, other = login("ninechars@example.org"), login("ninechars@[127.0.0.2]", "another-password")
    assert one.id != other.id
    assert login("ninechars@example.org", "another-password").code == 535
