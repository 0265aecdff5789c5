"""Which certificate each domain has."""

import pytest
from chatgate_tls.plugin import Tls, TlsOptions

from chatgate.domains import Domain
from chatgate.hosting.confd import Config, Enabled
from chatgate.hosting.options import CoreOptions
from chatgate.running.gateway import Gateway
from tests.plugins.tls.test_tls import check, issue, names


def gateway(folder, domains, hostname="", **options):
    """domains: (name, hostname, [tls] of its file)."""
    general = TlsOptions(**options)
    made = [Domain(name, host, own=[(general, TlsOptions(**said))]) for name, host, said in domains]
    core = CoreOptions(domain="example.org", hostname=hostname)
    return Gateway(Config(folder, core, (Enabled("tls", Tls, general),), domains=tuple(made)))


def shown(gw):
    """The files for each domain, below the gateway's folder."""
    found = {domain.name: gw.certificate(domain) for domain in gw.domains}
    return {name: str(one.chain.relative_to(gw.path())) for name, one in found.items()}


def test_each_has_a_self_signed_one_of_its_own(tmp_path):
    gw = gateway(tmp_path, [("_alice.example.org", "", {}), ("[127.0.0.2]", "", {}), ("[ipv6:2001:db8::1]", "", {})])
    assert shown(gw) == {
        "example.org": "tls/cert.pem",
        "_alice.example.org": "tls/_alice.example.org/cert.pem",
        "[127.0.0.2]": "tls/127.0.0.2/cert.pem",
        "[ipv6:2001:db8::1]": "tls/2001:db8::1/cert.pem",
    }
    assert "_alice.example.org" in str(list(names(tmp_path / "tls/_alice.example.org/cert.pem")))
    assert all(gw.certificate(domain).self_signed for domain in gw.domains)
    assert check(gw) == []
    assert shown(gw)["[127.0.0.2]"] == "tls/127.0.0.2/cert.pem"


def test_one_that_is_for_several_is_shared(tmp_path):
    issue(tmp_path, ["example.org", "b.example", "*.example.net"])
    gw = gateway(tmp_path, [("b.example", "", {}), ("a.example.net", "", {}), ("c.example", "", {})])
    assert shown(gw) == {
        "example.org": "tls/cert.pem",
        "b.example": "tls/cert.pem",
        "a.example.net": "tls/cert.pem",
        "c.example": "tls/c.example/cert.pem",
    }
    assert check(gw) == []


def test_so_is_that_of_a_host_which_domains_share(tmp_path):
    issue(tmp_path, ["example.org", "mail.example.org"])
    gw = gateway(tmp_path, [("b.example", "mail.example.org", {})], hostname="mail.example.org")
    assert shown(gw) == {"example.org": "tls/cert.pem", "b.example": "tls/cert.pem"}
    assert check(gw) == [("warning", f"{tmp_path}/tls/cert.pem: the certificate is not for b.example")]
    assert not (tmp_path / "tls/b.example").exists()


def test_a_domain_names_its_own(tmp_path):
    named = {"certificate": "b/cert.pem", "key": "b/key.pem"}
    gw = gateway(tmp_path, [("b.example", "", named)])
    gw.certificate()
    assert check(gw) == [
        (
            "error",
            f"{tmp_path}/b/cert.pem: No such file or directory; conf.d names it for plugin tls: correct that, or "
            "take it out to have a self-signed one made",
        )
    ]
    (tmp_path / "b").mkdir()
    (tmp_path / "other").mkdir()
    issue(tmp_path / "other", ["b.example"], days=5)
    for name in ("cert.pem", "key.pem"):
        (tmp_path / "b" / name).write_bytes((tmp_path / "other" / "tls" / name).read_bytes())
    (tmp_path / "b" / "key.pem").chmod(0o600)
    assert shown(gw)["b.example"] == "b/cert.pem"
    assert check(gw) == [("warning", f"{tmp_path}/b/cert.pem: the certificate expires in 5 days")]


def test_none_is_made_where_the_domain_says_so(tmp_path):
    gw = gateway(tmp_path, [("b.example", "", {"self_signed": False})])
    gw.certificate()
    with pytest.raises(Exception, match="tls/b.example/cert.pem: No such file or directory"):
        gw.certificate(gw.domains.named("b.example"))
