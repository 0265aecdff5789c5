"""Records are compared by what they mean."""

import base64

import pytest
from chatgate_doctor import texts
from chatgate_doctor.meaning import extras, judge
from hypothesis import given
from hypothesis import strategies as st

from chatgate.api import DnsRecord
from tests.dnsserver import text_record

KEY = base64.b64encode(bytes(range(256)) + b"\0" * 38).decode()
DKIM = f"v=DKIM1;k=rsa;p={KEY};s=email;t=s"
SPF = "v=spf1 a ~all"
DMARC = "v=DMARC1;p=reject;adkim=s;aspf=s"
STS = "v=STSv1; id=20261127"
ADSP = "dkim=discardable"


def wanted(kind, value, name="example.org"):
    return DnsRecord(name, kind, value, True, "")


RIGHT = [
    ("A", "192.0.2.1", ["192.0.2.1", "192.0.2.1"]),
    ("AAAA", "2001:db8::1", ["2001:DB8:0:0::1"]),
    ("A", "", ["192.0.2.9"]),  # any will do
    ("MX", "10 mail.example.org.", ["20 Mail.Example.ORG."]),
    ("SRV", "0 1 993 example.org.", ["5 0 993 Example.org."]),
    ("CNAME", "example.org.", ["EXAMPLE.org"]),
    ("CAA", '0 issue "letsencrypt.org"', ['0 issuewild ";"', '128 ISSUE "letsencrypt.org; accounturi=https://x/1"']),
    ("TXT", SPF, ["google-site-verification=x", "V=SPF1 a  ~ALL"]),
    ("TXT", SPF, ["v=spf1 mx include:_spf.example.net +a -all"]),
    ("TXT", SPF, [SPF, SPF]),
    ("TXT", SPF, ["v=spf1 mx ~all"]),
    ("TXT", SPF, ["v=spf1 ip4:192.0.2.0/28 ip4:x ~all"]),
    ("TXT", DKIM, [DKIM]),
    ("TXT", DKIM, [f"v=DKIM1; t=s; s=email; h=sha1:sha256; p={KEY[:100]} {KEY[100:]}"]),
    ("TXT", DKIM, [f"p={KEY}"]),  # RFC 6376 §3.6.1: all else has a default
    ("TXT", DMARC, ["v=DMARC1; p=REJECT; rua=mailto:x@example.org; aspf=s; adkim=s;"]),
    ("TXT", STS, ["v=STSv1;id=20261127;"]),
    ("TXT", ADSP, ["dkim = discardable"]),
    ("TXT", "something else", ["something else", "more"]),
]


@pytest.mark.parametrize(("kind", "value", "found"), RIGHT)
def test_the_same_in_other_words(kind, value, found):
    assert judge(wanted(kind, value), found, ["192.0.2.1"]) is None


WRONG = [
    ("A", "192.0.2.1", [], "missing", ""),
    ("A", "192.0.2.1", ["192.0.2.2"], "wrong", ""),
    ("MX", "10 mail.example.org.", ["0 ."], "wrong", ""),
    ("SRV", "0 1 993 example.org.", ["0 1 143 example.org."], "wrong", ""),
    ("CAA", '0 issue "letsencrypt.org"', ['0 issue ";"'], "wrong", ""),
    ("CAA", '0 issue "letsencrypt.org"', ['0 issuewild "letsencrypt.org"'], "wrong", ""),
    ("TXT", SPF, ["google-site-verification=x"], "missing", ""),
    ("TXT", SPF, ["v=spf10 a ~all"], "missing", ""),
    ("TXT", SPF, [SPF, "v=spf1 mx -all"], "several", "always fails"),
    ("TXT", SPF, ["v=spf1 -all"], "wrong", "a is not in it"),
    ("TXT", SPF, ["v=spf1 ip4:192.0.2.9 ~all"], "wrong", "a is not in it"),
    ("TXT", SPF, ["v=spf1 -all a"], "wrong", "a is not in it"),
    ("TXT", SPF, ["v=spf1 a +all"], "wrong", "anybody"),
    ("TXT", DKIM, ["v=spf1 a ~all"], "wrong", "no key"),
    ("TXT", DKIM, [DKIM, "p="], "several", "any of them"),
    ("TXT", DKIM, ["v=DKIM1;k=rsa;p="], "wrong", "revoked"),
    ("TXT", DKIM, [f"v=DKIM1;k=ed25519;p={KEY}"], "wrong", "ed25519"),
    ("TXT", DKIM, [f"v=DKIM1;p={KEY[::-1]}"], "wrong", "another key"),
    ("TXT", DKIM, [f"v=DKIM1;p={KEY[:200]}"], "wrong", "cut off"),
    ("TXT", DKIM, [f"v=DKIM1;h=sha1;p={KEY}"], "wrong", "sha256"),
    ("TXT", DKIM, [f"v=DKIM1;s=tlsrpt;p={KEY}"], "wrong", "e-mail"),
    ("TXT", DKIM, [f"v=DKIM1;t=s:y;p={KEY}"], "wrong", "t=y"),
    ("TXT", DKIM, [f"v=DKIM2;p={KEY}"], "wrong", "DKIM2"),
    ("TXT", DMARC, ["v=DMARC1; p=none; adkim=s; aspf=s"], "wrong", "p=none"),
    ("TXT", DMARC, ["v=DMARC1; p=reject"], "wrong", "adkim=s is not in it"),
    ("TXT", DMARC, [DMARC, "v=DMARC1;p=none"], "several", "none counts"),
    ("TXT", STS, ["v=STSv1; id=20250101"], "wrong", "id=20250101"),
    ("TXT", "something", ["else"], "wrong", ""),
]


@pytest.mark.parametrize(("kind", "value", "found", "verdict", "why"), WRONG)
def test_something_else(kind, value, found, verdict, why):
    said = judge(wanted(kind, value), found, ["192.0.2.1"])
    assert said is not None and said.kind == verdict and why in said.why


@pytest.mark.parametrize(
    ("kind", "values", "found", "more"),
    [
        ("A", ["192.0.2.1"], ["192.0.2.1", "192.0.2.2"], ("192.0.2.2",)),
        ("A", ["192.0.2.1", "192.0.2.2"], ["192.0.2.1", "192.0.2.2"], ()),
        ("A", [""], ["192.0.2.1", "192.0.2.2"], ()),
        ("MX", ["10 mail.example.org."], ["10 mail.example.org.", "20 old.example.org."], ("20 old.example.org.",)),
        ("TXT", ["a"], ["a", "b"], ()),
    ],
)
def test_addresses_and_exchangers_that_are_not_ours(kind, values, found, more):
    assert extras([wanted(kind, value) for value in values], found) == more


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=600))
def test_a_text_is_the_same_in_a_zone_file(text):
    value = texts.quoted(text)
    assert texts.joined(value) == text
    assert value.isascii() and value == text_record(text).replace("\\034", '\\"').replace("\\092", "\\\\")


@given(st.sampled_from([value for kind, value, _ in RIGHT if kind == "TXT"]), st.text(max_size=80))
def test_no_text_of_others_is_too_much(value, found):
    judge(wanted("TXT", value), [found, value + found])


@given(st.sampled_from(["A", "AAAA", "MX", "SRV", "CAA", "CNAME", "TLSA"]), st.text(max_size=40))
def test_no_record_of_others_is_too_much(kind, found):
    judge(wanted(kind, "0 issue x"), [found])


@given(st.permutations(DKIM.split(";")), st.lists(st.sampled_from([" ", "\t", "  "]), min_size=12, max_size=12))
def test_the_tags_of_a_key_come_in_any_order_and_with_white_space(tags, blanks):
    rest = [tag for tag in tags if not tag.startswith("v=")]
    spaced = [blank + tag.replace("=", f" ={blank}", 1) for blank, tag in zip(blanks, ["v=DKIM1", *rest], strict=False)]
    assert judge(wanted("TXT", DKIM), [";".join(spaced)]) is None
