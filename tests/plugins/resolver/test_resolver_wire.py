"""Octets that a nameserver, or somebody in its place, may send."""

import dns.flags
import dns.message
import dns.name
import dns.rrset
import pytest
from chatgate_resolver import Answer, NoRecords, NoSuchName, ResolverOptions, Trouble, asking, readers
from chatgate_resolver.exchange import parsed
from chatgate_resolver.servers import nameserver
from dns.rdatatype import RdataType
from hypothesis import given
from hypothesis import strategies as st

NAME = dns.name.from_text("example.org")
RECORDS = {
    RdataType.MX: ["10 a.example.org.", "20 b.example.org."],
    RdataType.TXT: ['"v=spf1" " a ~all"'],
    RdataType.A: ["127.0.0.1"],
    RdataType.AAAA: ["::1"],
    RdataType.TLSA: ["3 1 1 " + "ab" * 32],
    RdataType.SRV: ["0 1 993 a.example.org."],
}
READERS = {RdataType.MX: readers.mx, RdataType.TXT: readers.txt, RdataType.TLSA: readers.tlsa}
READERS |= {RdataType.A: readers.address, RdataType.AAAA: readers.address}


def question(rdtype):
    return dns.message.make_query(NAME, rdtype, use_edns=0, id=1)


def answer(rdtype, *more):
    """As a nameserver would answer; more: rrsets that stand before the answer."""
    made = dns.message.make_response(question(rdtype))
    made.answer += [*more, dns.rrset.from_text(NAME, 60, "IN", rdtype, *RECORDS[rdtype])]
    return made


ALIAS = dns.rrset.from_text(NAME, 60, "IN", "CNAME", "example.org.")
WIRES = {rdtype: [answer(rdtype).to_wire(), answer(rdtype, ALIAS).to_wire()] for rdtype in RECORDS}


@st.composite
def spoilt(draw):
    """(type, an answer in which some octets were changed, taken out or put in)."""
    rdtype = draw(st.sampled_from(sorted(RECORDS)))
    wire = bytearray(draw(st.sampled_from(WIRES[rdtype])))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(2, len(wire)))
        wire[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return rdtype, bytes(wire)


@given(spoilt())
def test_whatever_octets_come_there_is_an_end(made):
    rdtype, wire = made

    def exchange(server, query, seconds, max_records):
        query.id = 1
        return parsed(wire, query, max_records)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "exchange", exchange)
        asker = asking.Asker(ResolverOptions(), lambda: 0.0)
        found = asker.ask("example.org", rdtype, READERS.get(rdtype, readers.text), [nameserver("127.0.0.1")])
    assert found.kind in (Answer, NoSuchName, NoRecords, Trouble)
    assert found.text.isprintable()
    assert found.until <= ResolverOptions().longest_ttl


@given(st.binary(max_size=200))
def test_what_is_no_message_is_trouble(wire):
    with pytest.raises(Trouble):
        parsed(wire, question(RdataType.MX), 200)


def test_more_records_than_the_limit_are_not_looked_at():
    made = dns.message.make_response(question(RdataType.A))
    made.answer.append(dns.rrset.from_text(NAME, 60, "IN", "A", *(f"10.0.{n // 250}.{n % 250}" for n in range(1000))))
    with pytest.raises(Trouble, match="more than 200"):
        parsed(made.to_wire(max_size=65535), question(RdataType.A), 200)
    assert parsed(made.to_wire(max_size=65535), question(RdataType.A), 1001).answer


@pytest.mark.parametrize("change", ["name", "type", "opcode", "question"])
def test_an_answer_to_another_question_is_none(change):
    made = answer(RdataType.A)
    if change == "question":
        made.question.clear()
    elif change == "opcode":
        made.set_opcode(4)
    else:
        other = {"name": ("b.example.org", "A"), "type": ("example.org", "MX")}[change]
        made.question = dns.message.make_query(*other).question
    with pytest.raises(Trouble):
        parsed(made.to_wire(), question(RdataType.A), 200)
