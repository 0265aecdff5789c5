"""What the operator says about other domains: in the option, and in the file that commands write."""

import os

import pytest
from chatgate_courier import policy
from chatgate_courier.options import CourierOptions
from chatgate_courier.policy import DENIED, PLAIN, Policies, Policy
from hypothesis import given
from hypothesis import strategies as st

from chatgate.api import PluginError


@pytest.fixture
def policies(tmp_path):
    """Those of these lines; `policies.now` is its clock."""

    def make(*lines):
        made = Policies(lines, tmp_path / "data" / "policy.toml", lambda: make.now)
        made.load()
        return made

    make.now = 0.0
    return make


def test_a_narrower_rule_stands_above_a_wider_one_setting_by_setting(policies):
    made = policies(
        "* deny=only friends may have mail",
        "*.friends.example allow verify=no",
        "b.friends.example route=Relay.example:2525",
        "[*] verify=no",
        "[192.0.2.1] allow way=smtp",
        "_* tls=no",
    )
    assert made.of("x.example") == Policy(deny="only friends may have mail")
    assert made.of("friends.example").deny, "*.domain is all below the domain"
    assert made.of("a.friends.example") == Policy(verify=False)
    assert made.of("b.friends.example") == Policy(verify=False, route="relay.example:2525")
    assert made.of("c.b.friends.example") == Policy(verify=False)
    assert made.of("[192.0.2.1]") == Policy(verify=False, way="smtp")
    assert not made.of("[192.0.2.2]").verify and made.of("[192.0.2.2]").deny
    assert not made.of("_t.friends.example").tls
    assert policies().of("x.example") is PLAIN


def test_the_defaults_are_those_of_other_relays():
    made = Policies(CourierOptions().peers, __import__("pathlib").Path("/nonexistent"))
    assert made.of("[192.0.2.1]") == made.of("_cg1.test") == Policy(verify=False)
    assert made.of("nauta.cu") == Policy(tls=False) and made.of("example.org") == PLAIN


@pytest.mark.parametrize(
    "line",
    ["", "far.example", "far.example denied", "far.example tls", "far.example tls=perhaps", "a@b.example deny"]
    + ["far.example route=mx", "far.example route=mx:0", "far.example route=a b:25", "far.example proxy=http://x"]
    + [
        "far.example way=ftp",
        "[300.1.1.1] deny",
        "*.* deny",
        "far..example hold",
        "f deny=\u00fc",
        "f deny=authentication",
    ],
)
def test_what_is_no_rule_is_refused_with_the_words_that_are_wrong(line):
    with pytest.raises(ValueError, match="^rule "):
        CourierOptions(peers=(line,))


def test_the_file_stands_above_the_option_and_is_read_anew_when_it_changes(policies):
    made = policies("a.example deny=no", "b.example way=smtp")
    policy.write(made.path, {"a.example": policy.settings(["allow"]), "b.example": policy.settings(["hold"])})
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert made.of("a.example").deny == "no", "it is looked at once a second"
    policies.now = 2.0
    assert made.of("a.example") == PLAIN and made.of("b.example") == Policy(hold=True, way="smtp")
    assert made.rules() == [
        ("a.example", "conf.d", {"deny": "no"}),
        ("a.example", "command", {"deny": ""}),
        ("b.example", "conf.d", {"way": "smtp"}),
        ("b.example", "command", {"hold": True}),
    ]
    made.path.write_text("[oops")
    policies.now = 4.0
    assert made.of("b.example").hold, "as it was"
    made.path.unlink()
    policies.now = 6.0
    assert made.of("a.example").deny == "no"


def test_a_command_says_nothing_of_the_rules_it_reads_first_and_a_gateway_tells_of_changes(tmp_path, caplog):
    path, now = tmp_path / "policy.toml", [0.0]
    policy.write(path, {"a.example": policy.settings(["hold"])})
    made = Policies((), path, lambda: now[0])
    with caplog.at_level("DEBUG", "chatgate.courier"):
        assert made.of("a.example").hold
        assert not caplog.records
        policy.write(path, {"a.example": policy.settings(["deny"]), "b.example": policy.settings(["hold"])})
        now[0] = 2.0
        assert made.of("a.example").deny
    assert [record.getMessage() for record in caplog.records] == ["the rules of peers have changed rules=2"]
    assert caplog.records[0].levelname == "INFO"


@pytest.mark.parametrize(
    "text", ["[x", 'a = "b"', '["a@b"]\ndeny = ""', '["a.test"]\nroute = "x"', '["a.test"]\nx = 1']
)
def test_a_gateway_does_not_start_without_knowing_what_it_must_not_do(policies, text):
    made = policies()
    made.path.parent.mkdir(exist_ok=True)
    made.path.write_text(text)
    with pytest.raises(PluginError, match=r"policy\.toml"):
        made.load()


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "policy.toml"
    policy.write(path, {"a.example": {"hold": True}})
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        policy.write(path, {})
    assert path.read_bytes() == before


names = st.from_regex(r"[a-z_][a-z0-9_-]{0,8}[a-z0-9](\.[a-z]{2,5}){0,2}", fullmatch=True)
said = st.fixed_dictionaries(
    {},
    optional={
        "deny": st.just("") | st.from_regex(r"[!-`{-~]([ -`{-~]{0,20}[!-`{-~])?", fullmatch=True),
        "hold": st.booleans(),
        "tls": st.booleans(),
        "way": st.sampled_from(["", "https", "smtp"]),
    },
)


@given(st.dictionaries(names, said.filter(bool), max_size=4))
def test_what_is_written_is_read_back(tmp_path_factory, rules):
    path = tmp_path_factory.mktemp("policy") / "policy.toml"
    policy.write(path, rules)
    assert policy.read(path) == rules


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader(text):
    try:
        whom, _ = policy.rule(text)
    except ValueError:
        return
    assert policy.pattern(whom) == whom


def test_denied_without_words_says_something(policies):
    assert policies("a.example deny").of("a.example").deny == DENIED


@given(
    st.text(max_size=30), st.sampled_from(["socks5://{}", "socks5://{}:p@h:1", "socks5://u:{}@h:1", "socks5://{}:1"])
)
def test_a_proxy_that_is_taken_can_be_written_and_read(tmp_path_factory, text, form):
    """A file that cannot be read would keep the gateway from starting."""
    try:
        said = policy.settings([f"proxy={form.format(text)}"])
    except ValueError:
        return
    path = tmp_path_factory.mktemp("p") / "policy.toml"
    policy.write(path, {"far.example": said})
    assert policy.read(path) == {"far.example": said}
    proxy = said["proxy"]
    assert proxy.isascii() and proxy.isprintable() and 0 < int(proxy.rpartition(":")[2]) < 65536


@pytest.mark.parametrize(
    "proxy", ["socks5://host", "socks5://host:0", "socks5://host:99999", "socks5://u\U0001f600:p@h:1", "socks5://u@h:1"]
)
def test_what_is_no_proxy(proxy):
    with pytest.raises(ValueError, match="must be"):
        policy.settings([f"proxy={proxy}"])


@pytest.mark.parametrize("text", ["*.", ".", "_*.", "[*].", ""])
def test_everybody_is_meant_by_a_star_alone(text):
    with pytest.raises(ValueError, match="is no domain"):
        policy.pattern(text)
