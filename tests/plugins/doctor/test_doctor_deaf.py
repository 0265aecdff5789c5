"""A look at the DNS does not wait for the same silence again and again."""

import pytest
from chatgate_doctor.deaf import DeafResolver
from chatgate_resolver import Answer, NoSuchName, Trouble


class Told:
    """A resolver that notes what it is asked. said: what it answers or raises, by name; else what `other` is."""

    def __init__(self, other, **said):
        self.other, self.said, self.asked = other, said, []

    def records(self, name, rdtype, servers=()):
        self.asked.append((name, rdtype, servers))
        said = self.said.get(name, self.other)
        if isinstance(said, Exception):
            raise said
        return Answer((said,), 60.0, False)

    def addresses(self, host):
        return self.records(host, "A")


def test_when_nothing_answers_two_questions_are_asked_and_no_more():
    told = Told(Trouble("nameserver 192.0.2.1: no answer in time"))
    resolver = DeafResolver(told)
    with pytest.raises(Trouble, match="no answer in time"):
        resolver.addresses("gmail.com")
    for ask in (lambda: resolver.addresses("example.org"), lambda: resolver.records("example.org", "NS")):
        with pytest.raises(Trouble, match="example.org: not asked, as no nameserver answers this machine"):
            ask()
    assert told.asked == [("gmail.com", "A", ()), ("com", "NS", ())]


@pytest.mark.parametrize("com", ("a.gtld-servers.net.", NoSuchName("com: there is no such name")))
def test_one_zone_that_is_silent_keeps_no_other_from_being_asked(com):
    told = Told("198.51.100.7", com=com, broken=Trouble("nameserver 192.0.2.1: SERVFAIL"))
    resolver = DeafResolver(told)
    for _ in range(2):
        with pytest.raises(Trouble, match="SERVFAIL"):
            resolver.addresses("broken")
    assert resolver.addresses("example.org").values == ("198.51.100.7",)
    assert [name for name, *_ in told.asked].count("com") == 1


def test_nameservers_of_a_zone_are_asked_all_the_same():
    told = Told(Trouble("no answer in time"))
    resolver = DeafResolver(told)
    with pytest.raises(Trouble):
        resolver.records("example.org", "NS")
    told.other = "ns1.example.org."
    assert resolver.records("example.org", "NS", ("198.51.100.1",)).values == ("ns1.example.org.",)
