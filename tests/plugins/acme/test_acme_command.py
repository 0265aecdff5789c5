"""The plugin within a gateway that does not serve: its commands, checks, DNS records, and what it hands out."""

import json
import stat

import gevent
import pytest
from chatgate_acme import AcmeOptions, files, responder
from chatgate_acme.places import Places
from chatgate_acme.service import Renewing
from chatgate_acme.state import State
from click.testing import CliRunner

from chatgate.api import replace_file
from chatgate.cli import cli
from chatgate.running.gateway import Gateway
from chatgate.testing import config
from tests.plugins.tls.test_tls import issue


@pytest.fixture
def gateway(tmp_path):
    def make(domain="example.org", **options):
        made = config(tmp_path, "tls", "maildb", "acme", domain=domain, core={"hostname": ""}, acme=options)
        return Gateway(made)

    return make


def texts(gateway):
    return [problem.text for problem in gateway.check() if problem.text.startswith("acme")]


def pair(folder, name="example.org", **how):
    """A certificate as the plugin keeps it."""
    other = folder / "made"
    other.mkdir(exist_ok=True)
    issue(other, [name], **how)
    content = (other / "tls/key.pem").read_bytes() + (other / "tls/cert.pem").read_bytes()
    replace_file(folder / f"tls/acme/{name}.pem", content)
    return folder / f"tls/acme/{name}.pem"


def test_its_certificate_goes_before_the_self_signed_one(gateway, tmp_path):
    gw = gateway()
    assert gw.certificate().self_signed and gw.certificate().chain == tmp_path / "tls/cert.pem"
    path = pair(tmp_path)
    found = gw.certificate()
    assert found.chain == found.key == path and not found.self_signed
    State(staging=True).save(Places(tmp_path).state(gw.domains.first))
    assert gw.certificate().self_signed  # clients refuse it in the same way
    path.write_bytes(path.read_bytes()[:200])
    assert gw.certificate().chain == tmp_path / "tls/cert.pem"


def test_an_old_one_is_told_by_check(gateway, tmp_path):
    gw = gateway(agree_to_terms=True)
    path = pair(tmp_path, days=3)
    assert f"{path}: the certificate expires in 3 days" in [problem.text for problem in gw.check()]
    State(problem="no luck", retry_at=1.8e9).save(Places(tmp_path).state(gw.domains.first))
    site = "acme: the plugin site, which answers the authority, is not enabled"
    assert texts(gw) == [site, "acme: no new certificate for example.org: no luck; tried again at 2027-01-15 08:00 UTC"]
    assert "acme: agree_to_terms is not set: no certificate is fetched" in texts(gateway())


def test_the_dns_names_the_account(gateway, tmp_path):
    gw = gateway(agree_to_terms=True)
    assert [one.type for found in gw.hub.dns_records(gw.domains.first) for one in found] == []
    kept = {"uri": "https://a.example/acct/1", "caa": "a.example"}
    replace_file(Places(tmp_path).account(AcmeOptions().url) / "account.json", json.dumps(kept).encode())
    (record,) = [one for found in gw.hub.dns_records(gw.domains.first) for one in found]
    assert (record.name, record.type, record.required) == ("example.org", "CAA", False)
    assert record.value == '0 issue "a.example;accounturi=https://a.example/acct/1"'


def test_no_name_leads_out_of_the_folder(tmp_path):
    folder = tmp_path / "alpn"
    folder.mkdir()
    path = pair(tmp_path)
    (tmp_path / "key.pem").write_bytes(path.read_bytes())
    (folder / "chat.example.org.pem").write_bytes(path.read_bytes())
    assert responder.context(folder, "Chat.Example.org") is not None
    for name in ("../key", "..", "", "a/../../key", "\0", "x" * 300, "nobody.example", "chat.example.org."):
        assert responder.context(folder, name) is None


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"directory": "http://a.example"}, "https://"),
        ({"challenges": ("dns-01",)}, "challenges"),
        ({"challenges": ()}, "challenges"),
        ({"renew_at": 1.0}, "renew_at"),
        ({"retry_seconds": 0.0}, "retry_seconds"),
    ],
)
def test_options_that_make_no_sense(wrong, text):
    with pytest.raises(ValueError, match=text):
        AcmeOptions(**wrong)


def test_a_command_at_a_time(tmp_path):
    CliRunner().invoke(cli, ["--dir", str(tmp_path), "init", "--domain", "example.org", "--local"])
    CliRunner().invoke(cli, ["--dir", str(tmp_path), "plugins", "enable", "acme"])
    with files.alone(tmp_path / "data/acme/lock"):
        done = CliRunner().invoke(cli, ["--dir", str(tmp_path), "tls", "renew"])
        assert done.exit_code == 1 and "another process is fetching certificates" in done.output
        done = CliRunner().invoke(cli, ["--dir", str(tmp_path), "tls", "renew", "--due"])
        assert done.exit_code == 0 and done.output == ""
    done = CliRunner().invoke(cli, ["--dir", str(tmp_path), "tls", "renew", "other.example"])
    assert done.exit_code == 2 and "no domain of this gateway" in done.output


def test_a_process_that_does_not_end_is_ended(caplog, tmp_path):
    def renewing(script, limit=60.0):
        return Renewing(["sh", "-c", script], lambda: 0.0, 1.0, limit)

    renewing("exit 1").look()
    assert caplog.text == ""
    renewing("exit 3").look()
    assert "renewing failed exit=3" in caplog.text
    renewing("sleep 1000", 0.05).look()
    assert "renewing takes more than 0 seconds, ended" in caplog.text
    # Killed where it waits, as when its lease is lost, it takes the process along.
    mark = tmp_path / "pid"
    one = gevent.spawn(renewing(f"echo $$ >{mark}; exec sleep 1000").look)
    while not (mark.exists() and mark.read_text().strip()):
        gevent.sleep(0.01)
    one.kill()
    assert not (tmp_path / "proc").exists() and not _runs(int(mark.read_text()))


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_serving_loads_neither_the_library_nor_cryptography(tmp_path):
    import os
    import subprocess
    import sys

    pair(tmp_path)
    code = (
        "import sys, pathlib; from chatgate_acme import Acme, AcmeOptions\n"
        "from chatgate.hosting.confd import *; from chatgate.running.gateway import Gateway\n"
        "plugins = (Enabled('acme', Acme, AcmeOptions()),)\n"
        "config = Config(pathlib.Path(sys.argv[1]), CoreOptions('example.org'), plugins)\n"
        "assert not Gateway(config).certificate().self_signed\n"
        "assert not {'cryptography', 'acme', 'josepy', 'requests'} & set(sys.modules)"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env={**os.environ, "PYTHONPATH": path})


def test_files_are_private(tmp_path):
    replace_file(tmp_path / "a/b", b"x")
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


def test_init_turns_it_on_when_asked(tmp_path):
    for n, (domain, code) in enumerate((("example.org", 0), ("_try.example", 2))):
        folder = tmp_path / str(n)
        done = CliRunner().invoke(cli, ["--dir", str(folder), "init", "--domain", domain, "--acme"])
        assert done.exit_code == code, done.output
    assert "\nagree_to_terms = true\n" in (tmp_path / "0/conf.d/08-acme.toml").read_text()
    assert "no authority comes to look at _try.example" in done.output and not (tmp_path / "1/conf.d").exists()
