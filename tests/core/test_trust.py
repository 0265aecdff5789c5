"""Which authorities are believed when this server goes to others."""

from types import SimpleNamespace

import certifi
import gevent.ssl
import pytest

from chatgate.api import verifying
from chatgate.network import trust


@pytest.fixture(autouse=True)
def nothing_is_known_yet():
    verifying.cache_clear()
    yield
    verifying.cache_clear()


def test_authorities_of_the_system_or_else_those_of_certifi(monkeypatch, tmp_path):
    loaded = []

    class Context(gevent.ssl.SSLContext):
        def load_default_certs(self, *purpose):
            loaded.append("system")

        def load_verify_locations(self, cafile=None, *more):
            loaded.append(cafile)

    def now(ca_file=""):
        verifying.cache_clear()
        verifying(ca_file)
        return loaded.pop()

    monkeypatch.setattr(trust.gevent.ssl, "SSLContext", Context)
    paths = SimpleNamespace(cafile=None, capath=None)
    monkeypatch.setattr(trust.ssl, "get_default_verify_paths", lambda: paths)
    assert now() == certifi.where()
    paths.capath = str(tmp_path)
    assert now() == certifi.where(), "an empty folder has none"
    (tmp_path / "x.pem").touch()
    assert now() == "system"
    assert now("own.pem") == "own.pem"


def test_one_context_for_all_who_ask_and_none_that_is_no_good():
    assert verifying() is verifying() and verifying().check_hostname
    assert verifying(certifi.where()) is not verifying()
    for _ in range(2):
        with pytest.raises(OSError):
            verifying("nothing/there.pem")
