"""conf.d: every mistake is one clear line with file, line and key."""

import dataclasses
import re
from dataclasses import dataclass

import pytest

from chatgate.hosting import confd
from chatgate.hosting.confd import ConfigError
from chatgate.hosting.options import CoreOptions, Secret, option, render, required
from chatgate.hosting.reading import read as read_options


@dataclass(frozen=True)
class Options:
    name: str = required("Who.")
    limit: int = option(3, "How many.")
    seconds: float = option(1.5, "How long.")
    on: bool = option(False, "Whether.")
    listen: tuple[str, ...] = option(("*:465",), "Where.")
    token: Secret = option(Secret(""), "What nobody may see.")


def read(tmp_path, text, environ=None):
    path = tmp_path / "20-thing.toml"
    path.write_text(text)
    problems = []
    options = read_options(path, Options, problems, environ or {})
    return options, [problem.replace(str(path), "F") for problem in problems]


def test_values_of_every_type(tmp_path):
    options, problems = read(
        tmp_path, 'name = "n"\nlimit = 7\nseconds = 2\non = true\nlisten = ["127.0.0.1:1"]\ntoken = "t"'
    )
    assert problems == []
    assert options == Options("n", 7, 2.0, True, ("127.0.0.1:1",), Secret("t"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.limit = 8


def test_secrets_come_from_the_environment_or_a_file_and_are_not_shown(tmp_path):
    (tmp_path / "token").write_text("hush\n")
    text = 'name = { env = "WHO" }\nlimit = { env = "N" }\ntoken = { file = "token" }'
    options, _ = read(tmp_path, text, {"WHO": "w", "N": "5"})
    assert (options.name, options.limit, options.token) == ("w", 5, "hush")
    assert "hush" not in repr(options)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('name = "n"\nlimitt = 1', "F:2: limitt: no such key; did you mean 'limit'?"),
        ('name = "n"\n\nlimit = "1"', "F:3: limit: must be a whole number"),
        ('name = "n"\nlimit = true', "F:2: limit: must be a whole number"),
        ('name = "n"\nlimit = -1', "F:2: limit: must be a finite number, zero or more"),
        ('name = "n"\nseconds = inf', "F:2: seconds: must be a finite number, zero or more"),
        ('name = "n"\nlisten = "x"', "F:2: listen: must be a list of strings"),
        ("limit = 1", "F: name: missing: Who."),
        ('name = { env = "NOPE" }', "F:1: name: the environment has no NOPE"),
        ('name = { file = "nope" }', "F:1: name: cannot read nope: FileNotFoundError"),
        ('name = { envv = "X" }', 'F:1: name: a table must be { env = "NAME" } or { file = "path" }'),
        ('name = { env = "A", file = "B" }', 'F:1: name: a table must be { env = "NAME" } or { file = "path" }'),
    ],
)
def test_each_mistake_is_one_line(tmp_path, text, problem):
    assert read(tmp_path, text) == (None, [problem])


def test_a_secret_of_the_wrong_type_is_not_repeated(tmp_path):
    _, problems = read(tmp_path, 'name = "n"\nlimit = { env = "N" }', {"N": "hush"})
    assert problems == ["F:2: limit: what it refers to is not a whole number"]


def test_broken_toml_names_the_line(tmp_path):
    for text, what in (
        (b'name = "n"\nlimit 3', "not TOML: expected '=' after a key in a key/value pair"),
        (b'name = "n"\nname = "m"', "not TOML: a key that is set already"),
        (b'name = "n"\nlimit = 3 # \xff', "not UTF-8"),
    ):
        (tmp_path / "F").write_bytes(text)
        problems = []
        assert read_options(tmp_path / "F", Options, problems, {}) is None
        assert problems == [f"{tmp_path / 'F'}:2: {what}"]


def folder(tmp_path, **files):
    (tmp_path / "conf.d").mkdir()
    for name, text in files.items():
        (tmp_path / "conf.d" / (name.replace("_", "-", 1).lstrip("n") + ".toml")).write_text(text)
    return tmp_path


def problems_of(tmp_path):
    with pytest.raises(ConfigError) as caught:
        confd.load(tmp_path, {})
    return [line.replace(f"{tmp_path}/conf.d/", "") for line in caught.value.problems]


def test_an_unknown_plugin_two_files_for_one_and_a_bad_name(tmp_path):
    folder(tmp_path, n00_chatgate='domain = "d.test"', n10_tls="", n20_tls="", n30_smpt="", nhello="")
    found = problems_of(tmp_path)
    assert "hello.toml: not a name like 20-smtp.toml" in found[0]
    assert "20-tls.toml: plugin 'tls' has another file, 10-tls.toml" in found
    assert "30-smpt.toml: no plugin 'smpt' is installed; did you mean 'smtp'?" in found
    assert len(found) == 3


def test_the_core_file_must_be_there(tmp_path):
    assert problems_of(folder(tmp_path))[0].startswith("00-chatgate.toml: missing")


def test_the_environment_overrides_domain_and_hostname(tmp_path):
    folder(tmp_path, n00_chatgate='domain = "d.test"')
    core = confd.load(tmp_path, {"CHATGATE_DOMAIN": "e.test", "CHATGATE_HOSTNAME": "mx.e.test"}).core
    assert (core.domain, core.hostname) == ("e.test", "mx.e.test")


def test_plugins_are_ordered_by_the_number_of_their_file(tmp_path):
    folder(tmp_path, n00_chatgate='domain = "d.test"', n80_tls="", n20_ping="")
    assert [(p.order, p.name) for p in confd.load(tmp_path, {}).plugins] == [(20, "ping"), (80, "tls")]


def test_what_is_rendered_can_be_read_back(tmp_path):
    text = render(Options, "A thing.", {"name": "n", "listen": ("[::1]:25",)})
    options, problems = read(tmp_path, text)
    assert problems == [] and options == Options("n", listen=("[::1]:25",))
    uncommented = "".join(line.removeprefix("# ") + "\n" for line in text.splitlines() if " = " in line)
    assert read(tmp_path, uncommented)[0] == options.__class__("n", listen=("[::1]:25",))


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ('log_level = "verbose"', "2: log_level: must be debug, info, warning or error"),
        ('proxy_protocol_from = ["10.0.0.1/8"]', "2: proxy_protocol_from: 10.0.0.1/8 has host bits set"),
    ],
)
def test_wrong_settings_of_the_core_are_one_line_too(tmp_path, setting, problem):
    folder(tmp_path, n00_chatgate=f'domain = "d.test"\n{setting}')
    assert problems_of(tmp_path) == [f"00-chatgate.toml:{problem}"]


@pytest.mark.parametrize("plugin", ["smtp", "imap"])
def test_a_setting_that_moved_says_where_it_is_now(tmp_path, plugin):
    path, problems = tmp_path / f"20-{plugin}.toml", []
    path.write_text("\nmax_message_bytes = 1000000\n")
    options = confd.installed()[plugin][0].load().Options
    assert read_options(path, options, problems, {}) is None
    assert problems == [f"{path}:2: max_message_bytes: has moved: it is max_message_bytes of 00-chatgate.toml now"]


DOMAINS = [
    ("Chat.Example.ORG.", "chat.example.org"),
    ("203.0.113.7", "[203.0.113.7]"),
    ("[203.0.113.7]", "[203.0.113.7]"),
    ("2001:DB8:0::1", "[IPv6:2001:db8::1]"),
    ("[ipv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
    ("_test", "_test"),
]


@pytest.mark.parametrize("environment", (False, True))
@pytest.mark.parametrize(("given", "domain"), DOMAINS)
def test_a_domain_is_brought_to_one_form(tmp_path, environment, given, domain):
    folder(tmp_path, n00_chatgate=f'domain = "{"d.test" if environment else given}"')
    environ = {"CHATGATE_DOMAIN": given} if environment else {}
    assert confd.load(tmp_path, environ).core.domain == domain


NAMELESS = [
    "",
    " ",
    "a b",
    "x\r\nDATA",
    "chat.example.org\n",
    "x:25",
    "*",
    "me@x.test",
    "x..y",
    "-x",
    "x" * 64,
    "a." * 128,
]
NAMELESS += ["256.1.1.1", "1.2.3", "0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "fe80::1%eth0", "[203.0.113.7"]
NAMELESS += ["https://x/", "müller.example"]


@pytest.mark.parametrize("environment", (False, True))
@pytest.mark.parametrize("key", ("domain", "hostname"))
@pytest.mark.parametrize("given", NAMELESS)
def test_a_domain_or_hostname_that_is_none_is_one_line(tmp_path, environment, key, given):
    core = {"domain": "d.test"} | ({} if environment else {key: given})
    folder(tmp_path, n00_chatgate=render(CoreOptions, "", core))
    variable = f"CHATGATE_{key.upper()}"
    if key == "hostname" and not given:
        return  # means the domain
    with pytest.raises(ConfigError) as caught:
        confd.load(tmp_path, {variable: given} if environment else {})
    (line,) = caught.value.problems
    assert line.isprintable()
    place = rf"{variable}: " if environment else rf".*/00-chatgate.toml:[1-9]\d*: {key}: "
    assert re.match(place, line)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("müller.example", "xn--mller-kva.example"),
        ("https://chat.example.org/new", "all but the name: chat.example.org"),
        ("you@chat.example.org", "leave out the @"),
    ],
)
def test_what_was_meant_is_said(given, hint):
    with pytest.raises(ValueError, match=hint):
        CoreOptions(given)


@pytest.mark.parametrize(
    ("given", "listener"),
    [
        ("*:465", "*:465"),
        ("LocalHost:0465", "localhost:465"),
        ("[2001:DB8::1]:25", "[2001:db8::1]:25"),
        ("[fe80::1%eth0]:25", "[fe80::1%eth0]:25"),
        ("0.0.0.0:25", "0.0.0.0:25"),
        ("unix:/run/x", "unix:/run/x"),
    ],
)
def test_a_listener_is_brought_to_one_form(tmp_path, given, listener):
    options, problems = read(tmp_path, f'name = "n"\nlisten = ["{given}"]')
    assert (options.listen, problems) == ((listener,), [])


UNHEARD = [
    "465",
    ":465",
    "",
    "*",
    "*:",
    "*:65536",
    "*:-1",
    "*:²",
    "256.1.1.1:25",
    "::1:25",
    "[1.2.3.4]:25",
    "unix:x",
    "a b:1",
]


@pytest.mark.parametrize("given", UNHEARD)
def test_a_listener_that_is_none_is_one_line(tmp_path, given):
    options, (problem,) = read(tmp_path, f'name = "n"\nlisten = ["{given}"]')
    assert options is None and problem.startswith("F:2: listen: '")


@pytest.mark.parametrize(
    ("one", "other", "twice"),
    [
        ("*:993", "*:993", True),
        ("*:993", "127.0.0.1:993", True),
        ("*:993", "[::1]:993", True),
        ("0.0.0.0:993", "127.0.0.1:993", True),
        ("0.0.0.0:993", "[::]:993", False),
        ("[::]:993", "127.0.0.1:993", False),
        ("127.0.0.1:993", "127.0.0.2:993", False),
        ("*:993", "*:994", False),
        ("*:0", "*:0", False),
        ("unix:/a", "unix:/a", True),
        ("unix:/a", "unix:/b", False),
    ],
)
def test_one_port_twice_is_one_line_that_names_both(tmp_path, one, other, twice):
    smtp = f'submissions = ["{one}"]\nsubmission = []\nmx = []'
    folder(tmp_path, n00_chatgate='domain = "d.test"', n20_smtp=smtp, n25_imap=f'imaps = ["{other}"]\nimap = []')
    if not twice:
        assert confd.load(tmp_path, {})
        return
    (line,) = problems_of(tmp_path)
    assert line.startswith(f"25-imap.toml: imaps: {other} is taken by 20-smtp.toml: submissions: {one}")
