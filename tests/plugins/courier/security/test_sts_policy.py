"""What a domain may publish for MTA-STS."""

import pytest
from chatgate_courier.security.sts_policy import LONGEST_AGE, StsPolicy, parse, record_id
from hypothesis import example, given
from hypothesis import strategies as st

# That of RFC 8461 §3.2.
RFC = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\n"
RFC += b"mx: backupmx.example.com\r\nmax_age: 604800\r\n"


def policy(**fields):
    lines = {"version": "STSv1", "mode": "enforce", "mx": "mx.example.com", "max_age": "86400"} | fields
    return "".join(f"{name}: {value}\n" for name, value in lines.items() if value is not None).encode()


def test_the_example_of_the_standard():
    found = parse(RFC)
    assert found == ("enforce", ("mail.example.com", "*.example.net", "backupmx.example.com"), 604800)
    assert found.enforced and str(found).encode() == RFC


@pytest.mark.parametrize(
    "document",
    [
        RFC.replace(b"\r\n", b"\n"),
        RFC.rstrip(),
        RFC + b"\r\n\n",
        RFC.replace(b": ", b":"),
        RFC.replace(b": ", b" :\t "),
        RFC.replace(b"mode", b"new-field: what\xc3\xa9ver: else\r\nmode"),
        RFC + b"mode: none\r\nmax_age: 1\r\nversion: STSv2\r\n",  # the first of each counts
        RFC.replace(b"mail.example", b"MAIL.Example"),
        RFC + b"mx: mail.example.com\r\n",
    ],
)
def test_the_same_in_other_words(document):
    assert parse(document) == parse(RFC)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "version"),
        (b"\xff\xfe", "no text"),
        (b"<!DOCTYPE html>\n<html>", "form"),
        (policy(version="STSv2"), "version"),
        (policy(version="stsv1"), "version"),
        (policy(mode="Enforce"), "mode"),
        (policy(mode=None), "mode"),
        (policy(max_age=None), "max_age"),
        (policy(max_age="-1"), "max_age"),
        (policy(max_age="1d"), "max_age"),
        (policy(max_age="١"), "max_age"),
        (policy(mx=None), "names no mx"),
        (policy(mx=""), "no host name"),
        (policy(mx=".example.com"), "no host name"),
        (policy(mx="*"), "no host name"),
        (policy(mx="a.*.example.com"), "no host name"),
        (policy(mx="mx\u00e9.example.com"), "no host name"),
        (policy() + b"mx: a.example\n" * 201, "more than 200"),
        (policy().replace(b"\n", b"\r"), "version"),
    ],
)
def test_what_is_no_policy(document, why):
    with pytest.raises(ValueError, match=why):
        parse(document)


def test_without_demands_no_host_need_be_named():
    assert parse(policy(mode="none", mx=None)) == StsPolicy("none", (), 86400)


def test_no_policy_holds_for_longer_than_a_year():
    assert parse(policy(max_age="9999999999")).max_age == LONGEST_AGE


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("mail.example.com", True),
        ("MAIL.EXAMPLE.COM.", True),
        ("a.example.net", True),
        ("example.net", False),
        ("b.a.example.net", False),
        ("x.mail.example.com", False),
        ("example.com", False),
        ("", False),
        ("*.example.net", True),  # no host has such a name
    ],
)
def test_which_hosts_it_allows(host, allowed):
    assert parse(RFC).allows(host) is allowed


label = st.sampled_from(["a", "mx", "example", "xn--mller-kva", "1", "a-b", "x" * 63])
name = st.lists(label, min_size=1, max_size=3).map(".".join)
pattern = st.tuples(st.booleans(), name).map(lambda parts: ("*." if parts[0] else "") + parts[1])
policies = st.builds(
    StsPolicy,
    st.sampled_from(["enforce", "testing", "none"]),
    st.lists(pattern, min_size=1, max_size=20, unique=True).map(tuple),
    st.integers(0, LONGEST_AGE),
)


@given(policies)
def test_what_is_published_is_read_back(found):
    assert parse(str(found).encode()) == found


@given(policies, name)
def test_a_pattern_stands_for_one_label(found, host):
    first, _, rest = host.partition(".")
    expected = any(one == host or (one.startswith("*.") and rest and one[2:] == rest) for one in found.mx)
    assert found.allows(host) is bool(expected)


@given(st.one_of(st.binary(), st.text().map(str.encode), st.lists(st.sampled_from(RFC.splitlines())).map(b"\n".join)))
@example(b"version: STSv1\nmode: enforce\nmx: a\nmax_age: 0")
def test_any_octets_are_a_policy_or_none(document):
    try:
        found = parse(document)
    except ValueError as error:
        assert str(error).isprintable()
    else:
        assert parse(str(found).encode()) == found


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([b"v=STSv1; id=20160831085700Z;"], "20160831085700Z"),  # RFC 8461 §3.1
        ([b"v=STSv1;id=1"], "1"),
        ([b"v=STSv1 ; new=field; id = 1 "], "1"),
        ([b"v=spf1 -all", b"v=STSv1; id=1", b"v=STSv10; id=3"], "1"),
        ([b"v=STSv1; id=1; id=2"], "1"),
        ([b"v=STSv1; id=1", b"v=STSv1; id=2"], ""),
        ([b"v=STSv1"], ""),
        ([b"v=STSv1;"], ""),
        ([b"v=STSv1; id=" + b"1" * 33], ""),
        ([b"v=STSv1; id=a-b"], ""),
        ([b"v=stsv1; id=1"], ""),
        ([b"id=1; v=STSv1"], ""),
        ([], ""),
    ],
)
def test_the_record(records, found):
    assert record_id(records) == found


@given(st.lists(st.binary(), max_size=3))
def test_any_records_have_an_id_or_none(records):
    found = record_id(records)
    assert found == "" or (found.isalnum() and len(found) <= 32)
