"""`chatgate import maddy.conf`: what each line becomes, and that a gateway serves with it."""

import tomllib
from pathlib import Path

import pytest
from chatgate_courier.options import CourierOptions
from chatgate_movein.maddyconf import writing
from chatgate_movein.maddyconf.files import MaddyError
from chatgate_movein.maddyconf.parser import parse
from chatgate_movein.maddyconf.translate import translate
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from chatgate.cli import cli
from chatgate.cli.init import PLUGINS, WITH_OTHERS
from chatgate.hosting import confd
from chatgate.running.gateway import Gateway
from chatgate.testing import imap_client, new_login, smtp_client
from tests.ports import free_port

CONFS = Path(__file__).parent / "confs"
ENVIRONMENT = {"REED_HOSTNAME": "mail.reed.example", "REED_DOMAIN": "reed.example"}
SECRET = "nobody-may-see-this-word"


def translated(path):
    return writing.texts(translate(parse(path, ENVIRONMENT)), str(path))


@pytest.fixture
def conf(tmp_path):
    """The files that a text becomes, and what stands in them."""

    def make(text):
        (tmp_path / "maddy.conf").write_text(text)
        return Made(translated(tmp_path / "maddy.conf"))

    return make


class Made:
    def __init__(self, texts):
        self.texts = texts
        self.settings = {name[3:-5]: tomllib.loads(text) for name, text in texts.items()}

    def __getitem__(self, plugin):
        return self.settings[plugin]

    def text(self, plugin):
        (text,) = (text for name, text in self.texts.items() if name.endswith(f"-{plugin}.toml"))
        return text


@pytest.fixture(params=["maddy", "maddy_chatmail", "madmail"])
def shipped(request):
    return Made(translated(CONFS / f"{request.param}.conf")), request.param


# -------------------------------------------------------------------------------- whole configurations


def test_a_maddy():
    made = Made(translated(CONFS / "maddy.conf"))
    assert made["chatgate"] == {
        "domain": "reed.example",
        "hostname": "mx.reed.example",
        "max_message_bytes": 30 << 20,
    }
    assert "domains/moss.example.toml" in made.texts
    assert made["tls"] == {
        "certificate": "/srv/keys/mx.reed.example/chain.pem",
        "key": "/srv/keys/mx.reed.example/key.pem",
    }
    smtp = {"mx": ["0.0.0.0:25"], "submissions": ["0.0.0.0:465"], "submission": ["*:587"], "max_hops": 30}
    assert made["smtp"] == smtp
    assert made["imap"] == {"imaps": ["0.0.0.0:993"], "imap": ["0.0.0.0:143"]}
    assert made["site"] == {"https": [], "http": []}, "no port that Maddy did not take"
    assert made["passwordless"] == {"registration": "closed"}
    assert made["maildb"] == {"quota_bytes": 0, "queue_days": 1.612}
    assert made["sweeper"] == {"days": 0, "large_days": 0, "account_days": 0}
    assert made["dkim"] == {"selector": "default"}
    assert made["courier"] == {"messages_per_domain": 7, "dane": True, "mta_sts": True}
    assert "/etc/maddy/aliases: there are no aliases" in made.text("accounts")
    assert "encrypted mail pass only" in made.text("gate")


def test_a_maddy_chatmail():
    made = Made(translated(CONFS / "maddy_chatmail.conf"))
    assert made["chatgate"] == {"domain": "reed.example", "hostname": "mail.reed.example"}
    assert made["site"] == {"http": ["0.0.0.0:80"], "https": ["0.0.0.0:443"], "url": "https://reed.example"}
    assert made["passwordless"] == {"registration": "open"}
    assert made["maildb"] == {"quota_bytes": 1 << 30}
    assert made["courier"] == {"dane": False, "mta_sts": False}
    assert "encrypted mail" not in made.text("gate")


def test_a_madmail():
    made = Made(translated(CONFS / "madmail.conf"))
    assert made["chatgate"] == {
        "domain": "reed.example",
        "hostname": "mail.reed.example",
        "log_level": "error",
        "max_message_bytes": 60 << 20,
    }
    assert made["tls"]["key"] == "/srv/madmail/certs/key.pem", "relative to state_dir"
    assert made["passwordless"] == {"registration": "open", "name_min_length": 6, "name_max_length": 20}
    assert made["sweeper"] == {"days": 2, "large_days": 0, "account_days": 0}, "30 hours"
    assert made["maildb"]["quota_bytes"] == 2 << 30
    assert made["turn"] == {"host": "192.0.2.7", "port": 3478, "secret": SECRET}
    assert made["iroh"] == {"url": "http://192.0.2.7:3340"}
    assert made["doctor"] == {"addresses": ["192.0.2.7"]}
    assert made["courier"] == {"mta_sts": True, "dane": False}
    assert made["acme"] == {"contact": ["keeper@reed.example"]} and "agree_to_terms" in made.text("acme")


def test_every_line_is_accounted_for(shipped):
    """Each directive that is not a block stands in a comment, by its line."""
    made, name = shipped
    everything = "\n".join(made.texts.values())
    nodes = parse(CONFS / f"{name}.conf", ENVIRONMENT).nodes

    def missing(node, block_told=False):
        told = block_told or f"{node.where}:" in everything
        if not node.block:
            return [] if told else [node.where]
        return [where for child in node.block for where in missing(child, told)]

    assert [where for node in nodes for where in missing(node)] == []


def test_secrets_stand_only_where_they_are_used(shipped):
    made, _ = shipped
    for name, text in made.texts.items():
        lines = [line for line in text.splitlines() if SECRET in line]
        assert lines == ([f'secret = "{SECRET}"'] if name.endswith("turn.toml") else [])


def test_check_calls_it_sound(shipped, tmp_path, monkeypatch):
    _, name = shipped
    for key, value in ENVIRONMENT.items():
        monkeypatch.setenv(key, value)
    run = CliRunner().invoke
    folder = tmp_path / "gateway"
    assert run(cli, ["--dir", str(folder), "init", "--domain", "old.example", "--local"]).exit_code == 0
    command = ["--dir", str(folder), "import", "maddy.conf", str(CONFS / f"{name}.conf")]
    printed = run(cli, [*command, "--dry-run"])
    assert printed.exit_code == 0 and not (folder / "conf.d.maddy").exists()
    written = run(cli, command)
    assert written.exit_code == 0 and "have no counterpart:" in written.stderr, written.output
    for path in (folder / "conf.d.maddy").rglob("*.toml"):
        assert path.stat().st_mode & 0o777 == 0o600 and path.read_text() in printed.stdout
    again = run(cli, command)
    assert again.exit_code == 1 and "is there already; nothing was changed" in again.output
    (folder / "conf.d").rename(tmp_path / "before")
    (folder / "conf.d.maddy").rename(folder / "conf.d")
    config = confd.load(folder)
    assert config.core.domain == "reed.example"
    assert {*PLUGINS, *WITH_OTHERS} <= {plugin.name for plugin in config.plugins}


def test_the_numbers_are_those_of_the_plugins():
    known = confd.installed()
    assert {*PLUGINS, *WITH_OTHERS, "chatgate"} <= set(writing.ORDER)
    for name, number in writing.ORDER.items():
        assert number == (0 if name == "chatgate" else getattr(known[name][0].load(), "order", 50)), name


def test_a_gateway_serves_with_it(tmp_path):
    """People make accounts, as at the Maddy, and read what they send to each other."""
    ports = {name: free_port() for name in ("SMTP", "SUBMISSIONS", "SUBMISSION", "IMAPS", "IMAP", "HTTP")}
    text = (CONFS / "maddy_chatmail.conf").read_text()
    for before, after in {
        "tls file /srv/keys/chain.pem /srv/keys/key.pem": "tls off",
        "reed.example": "[127.0.0.1]",
        "mail.[127.0.0.1]": "127.0.0.1",
        "0.0.0.0:25 ": f"127.0.0.1:{ports['SMTP']} ",
        "0.0.0.0:465": f"127.0.0.1:{ports['SUBMISSIONS']}",
        "0.0.0.0:587": f"127.0.0.1:{ports['SUBMISSION']}",
        "0.0.0.0:993": f"127.0.0.1:{ports['IMAPS']}",
        "0.0.0.0:143": f"127.0.0.1:{ports['IMAP']}",
        "0.0.0.0:80": f"127.0.0.1:{ports['HTTP']}",
        "chatmail tls://0.0.0.0:443": "chatmail",
    }.items():
        assert before in text
        text = text.replace(before, after)
    (tmp_path / "maddy.conf").write_text(text)
    for name, content in translated(tmp_path / "maddy.conf").items():
        (tmp_path / "conf.d").mkdir(exist_ok=True)
        (tmp_path / "conf.d" / name).write_text(content)
    gateway = Gateway(confd.load(tmp_path))
    gateway.start()
    try:
        login = new_login(gateway)
        with smtp_client(gateway, login) as smtp:
            assert smtp.noop()[0] == 250
        with imap_client(gateway, login) as imap:
            assert imap.select()[0] == "OK"
    finally:
        gateway.stop()


# -------------------------------------------------------------------------------- single lines

PEERS = CourierOptions().peers
BASE = "$(primary_domain) = reed.example\n"


@pytest.mark.parametrize(
    ("text", "plugin", "settings"),
    [
        ("hostname mx.reed.example", "chatgate", {"domain": "reed.example", "hostname": "mx.reed.example"}),
        ("debug yes", "chatgate", {"domain": "reed.example", "log_level": "debug"}),
        ("log off", "chatgate", {"domain": "reed.example", "log_level": "error"}),
        ("tls cert.pem key.pem", "tls", {"certificate": "/var/lib/maddy/cert.pem", "key": "/var/lib/maddy/key.pem"}),
        ("tls {\n loader file /a /b\n protocols tls1.3\n}", "tls", {"certificate": "/a", "key": "/b"}),
        ("tls {\n protocols tls1.3\n}", "chatgate", {"domain": "reed.example", "modern_tls": True}),
        ("tls file /a /b /c /d", "tls", {"certificate": "/a", "key": "/b"}),
        ("tls &acme", "tls", {}),
        ("tls {\n loader acme {\n  email a@b.c\n  dns x {\n  }\n }\n}", "acme", {"contact": ["a@b.c"]}),
        ("tls.loader.acme local {\n agreed yes\n}", "acme", {"agree_to_terms": True}),
        ("tls.loader.acme local {\n ca https://ca.example/d\n}", "acme", {"directory": "https://ca.example/d"}),
        ("smtp unix://in.sock", "smtp", {"mx": ["unix:/run/maddy/in.sock"]}),
        ("smtp {\n read_timeout 1m 30s\n}", "smtp", {"command_seconds": 90.0}),
        ("imap tcp://[::1]:143 {\n insecure_auth yes\n}", "imap", {"imap": ["[::1]:143"], "plaintext_login": True}),
        ("imap tcp://:143 {\n insecure_auth no\n}", "imap", {"imap": ["*:143"]}),
        (
            "smtp tcp://:25 {\n proxy_protocol 192.0.2.1 {\n  trust 2001:db8::/32\n }\n}",
            "chatgate",
            {"domain": "reed.example", "proxy_protocol_from": ["192.0.2.1", "2001:db8::/32"]},
        ),
        ("target.smtp out {\n targets tcp://r.example:587\n}", "courier", {"peers": [*PEERS, "* route=r.example:587"]}),
        ("target.queue q {\n max_tries 1\n}", "maildb", {"quota_bytes": 0, "queue_days": 0.001}),
        ("target.queue q {\n max_tries 999999\n}", "maildb", {"quota_bytes": 0, "queue_days": 30.0}),
        ("modify.dkim d {\n selector s1\n domains a b\n}", "dkim", {"selector": "s1"}),
        ("storage.imapsql s {\n retention 0\n}", "sweeper", {"days": 0, "large_days": 0, "account_days": 0}),
        ("auth.pass_table t {\n auto_create no\n}\nchatmail tcp://:8 {\n}", "passwordless", {"registration": "closed"}),
        ("auth.ldap dir {\n urls ldap://a\n}", "passwordless", {"registration": "closed"}),
    ],
)  # fmt: skip
def test_lines(conf, text, plugin, settings):
    made = conf(BASE + text)[plugin]
    assert {key: value for key, value in made.items() if value != []} == settings


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("smtp tcp://0.0.0.0:25 {\n max_message_size 5X\n}", ":3: max_message_size: must be a size such as 32M"),
        ("smtp 0.0.0.0:25 {\n}", ":2: smtp: '0.0.0.0:25' must be an address such as"),
        ("smtp tcp://0.0.0.0:99999 {\n}", ":2: smtp: 'tcp://0.0.0.0:99999' must have an address and a port"),
        ("smtp tcp://:25 {\n read_timeout soon\n}", "must be a time"),
        ("smtp tcp://:25 {\n max_received many\n}", "must be a number"),
        ("debug maybe", ":2: debug: must be yes or no"),
        ("hostname {env:NOT_THERE}", ":2: hostname: is empty; NOT_THERE is not set in the environment"),
        ("hostname a b", "must have one value"),
        ('$(local_domains) = reed.example "../../etc"', "'../../etc' is no mail domain"),
        ("target.queue q {\n max_tries 3\n retry_time_scale 1e9\n}", "a number from 1 to 10"),
        (f"smtp {' '.join(f'tcp://:{n}' for n in range(1, 300))}", "more than 200 values"),
    ],
)  # fmt: skip
def test_mistakes(conf, text, error):
    with pytest.raises(MaddyError) as raised:
        conf(BASE + text)
    assert error in str(raised.value)


def test_without_a_domain(conf):
    with pytest.raises(MaddyError, match="no mail domain"):
        conf("debug yes")
    with pytest.raises(MaddyError, match="no mail domain"):
        conf("")
    assert conf("submission tls://:465 {\n source reed.example {\n }\n}")["chatgate"]["domain"] == "reed.example"


def test_what_no_gateway_could_use_is_not_written(tmp_path):
    """The gateway itself looks at the files before they are put in their place."""
    (tmp_path / "maddy.conf").write_text(
        f"{BASE}chatmail tcp://:80 {{\n min_username_length 70\n}}\nimap tcp://:80 {{\n}}"
    )
    run = CliRunner().invoke
    folder = tmp_path / "gateway"
    run(cli, ["--dir", str(folder), "init", "--domain", "old.example", "--local"])
    failed = run(cli, ["--dir", str(folder), "import", "maddy.conf", str(tmp_path / "maddy.conf")])
    assert failed.exit_code == 1 and "50-passwordless.toml" in failed.output and "name_min_length" in failed.output
    assert sorted(path.name for path in folder.iterdir()) == ["conf.d", "data", "tls"]


_word = st.text(st.characters(exclude_categories=("Cs",), exclude_characters='\0"\\'), min_size=1, max_size=20)
_names = st.sampled_from(
    ["smtp", "chatmail", "imap", "tls", "target.queue", "storage.imapsql", "limits", "check", "source", "table.chain",
     "turn", "retention", "max_tries", "hostname", "modify", "dkim", "mx_auth", "local_policy", "step", "unknown.thing"]
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(_names, st.lists(_word, max_size=3), st.booleans()), max_size=12))
def test_any_directives_become_files_or_an_error(tmp_path_factory, directives):
    path = tmp_path_factory.getbasetemp() / "any.conf"
    lines, depth = [BASE], 0
    for name, args, opens in directives:
        quoted = " ".join(f'"{arg}"' for arg in args)
        lines.append(f"{name} {quoted} {'{' if opens else ''}\n")
        depth += opens
    path.write_text("".join(lines) + "}\n" * depth)
    try:
        texts = translated(path)
    except MaddyError:
        return
    for name, text in texts.items():
        tomllib.loads(text)
        assert ".." not in name


def test_comments_cannot_be_left(conf):
    made = conf(BASE + 'imap tcp://:143 {\n strange "a\nopen = true\n\x7f\x1b[0m"\n}\nhostname x.example')
    assert "open" not in made["imap"] and "\x1b" not in made.text("imap")
