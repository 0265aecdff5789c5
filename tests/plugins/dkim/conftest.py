import pytest

from tests.dnsserver import DnsServer


@pytest.fixture
def dns():
    with DnsServer({}) as server:
        yield server
