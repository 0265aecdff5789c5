import pytest
from smtp_wire import ALICE, PASSWORD, b64, plain

from chatgate.api import UNAVAILABLE, Account, Reply


@pytest.mark.parametrize("verb", ["AUTH PLAIN", "auth plain", "Auth Plain", "AUTH  PLAIN"])
def test_plain_in_any_letter_case(wire, verb):
    client = wire().hello()
    assert client.ask(f"{verb} {plain(ALICE, PASSWORD)}") == "235 2.7.0 Logged in"
    assert client.ask(f"{verb} {plain(ALICE, PASSWORD)}") == "503 5.5.1 Already logged in"
    assert client.fake.logins == [ALICE]


def test_plain_with_a_challenge(wire):
    client = wire().hello()
    assert client.ask("AUTH PLAIN") == "334 "
    assert client.ask(plain(ALICE, PASSWORD)) == "235 2.7.0 Logged in"


@pytest.mark.parametrize("verb", ["AUTH LOGIN", "auth login"])
def test_login(wire, verb):
    client = wire().hello()
    assert client.ask(verb) == "334 " + b64("Username:")
    assert client.ask(b64(ALICE)) == "334 " + b64("Password:")
    assert client.ask(b64(PASSWORD)) == "235 2.7.0 Logged in"
    assert client.ask("MAIL FROM:<alice@example.org>") == "250 2.1.0 OK"


def test_login_with_an_initial_response(wire):
    client = wire().hello()
    assert client.ask("AUTH LOGIN " + b64(ALICE)) == "334 " + b64("Password:")
    assert client.ask(b64("wrong")) == "535 5.7.8 Wrong address or password"
    assert client.ask("MAIL FROM:<alice@example.org>").startswith("530 ")


@pytest.mark.parametrize(
    "lines, answer",
    [
        (["AUTH"], "501 5.5.4"),
        (["AUTH CRAM-MD5"], "504 5.5.4"),
        (["AUTH PLAIN a b"], "501 5.5.4"),
        (["AUTH PLAIN !!!"], "501 5.5.2"),
        (["AUTH PLAIN " + b64("no nul")], "501 5.5.2"),
        (["AUTH PLAIN ="], "501 5.5.2"),
        (["AUTH PLAIN", "*"], "501 5.7.0"),
        (["AUTH PLAIN", "!"], "501 5.5.2"),
        (["AUTH PLAIN", ""], "501 5.5.2"),
        (["AUTH LOGIN", "*"], "501 5.7.0"),
        (["AUTH LOGIN", b64(ALICE), "*"], "501 5.7.0"),
        (["AUTH LOGIN", "???"], "501 5.5.2"),
        (["AUTH LOGIN", "x" * 5000], "500 5.5.2"),
        (["AUTH PLAIN AP8A/w=="], "535 5.7.8"),  # not UTF-8
    ],
)
def test_refused_logins_leave_the_session_in_step(wire, lines, answer):
    client = wire().hello()
    for line in lines[:-1]:
        assert client.ask(line).startswith("334 ")
    assert client.ask(lines[-1]).startswith(answer + " ")
    assert client.alive()
    client.login()


def test_helo_cannot_log_in(wire):
    client = wire()
    assert client.ask("AUTH PLAIN " + plain(ALICE, PASSWORD)).startswith("503 5.5.1 ")
    client.ask("HELO x")
    assert client.ask("AUTH PLAIN " + plain(ALICE, PASSWORD)).startswith("503 5.5.1 ")


def test_three_wrong_passwords_are_enough(wire):
    client = wire().hello()
    for _ in range(3):
        assert client.ask("AUTH PLAIN " + plain(ALICE, "wrong")) == "535 5.7.8 Wrong address or password"
    assert client.alive()
    assert client.ask("AUTH PLAIN " + plain(ALICE, PASSWORD)).startswith("421 4.7.0 ")
    assert client.ended()
    assert client.fake.logins == []


@pytest.mark.parametrize(
    "reply, answer",
    [
        (UNAVAILABLE, "454 4.7.0 Temporary server problem, please try again later"),
        (Reply(450, "4.7.1", "Slowly"), "454 4.7.0 Slowly"),
        (Reply(550, "5.7.1", "This server is closed"), "535 5.7.1 This server is closed"),
        (Reply(535, "", "No"), "535 5.7.8 No"),
        (Reply(250), "454 4.7.0 Temporary server problem, please try again later"),  # no account, so no login
        (None, "535 5.7.8 Wrong address or password"),
    ],
)
def test_what_a_plugin_may_say(wire, reply, answer):
    client = wire().hello()
    client.fake.answers["authenticate"] = lambda credentials: reply
    assert client.ask("AUTH PLAIN " + plain(ALICE, PASSWORD)) == answer
    assert client.ask("MAIL FROM:<alice@example.org>").startswith("530 ")
    del client.fake.answers["authenticate"]
    client.login()


def test_a_broken_plugin_is_no_wrong_password(wire):
    client = wire(max_login_failures=1).hello()
    client.fake.answers["authenticate"] = lambda credentials: 1 / 0
    for _ in range(3):
        answer = client.ask("AUTH PLAIN " + plain(ALICE, PASSWORD))
        assert answer == "454 4.7.0 Temporary server problem, please try again later"
        assert "auth" not in answer.lower()  # Delta Chat counts that as a wrong password


def test_no_plugins_yes_comes_before_the_rules_for_senders(sender):
    client = sender()
    client.fake.answers["sender"] = lambda session, address: Reply(250)
    assert client.refused("bob@example.org").startswith("553 5.7.1 ")
    client.start_mail()


@pytest.mark.parametrize(
    ("now", "answer"),
    [
        (None, "550 5.7.1 This account does not exist any more"),
        (Account(1, ALICE), "550 5.7.1 This account does not exist any more"),  # the address is somebody else's by now
        (Account(sum(ALICE.encode()), ALICE, disabled="Ask the operator"), "550 5.7.1 Ask the operator"),
    ],
)
def test_an_open_connection_ends_to_send_with_its_account(sender, now, answer):
    client = sender()
    client.gateway.store.changed[ALICE] = now
    assert client.refused(ALICE) == answer


def test_nobody_acts_for_another(wire):
    """RFC 4616 §2. The right password is not asked for, and it counts as one failure."""
    client = wire(max_login_failures=2).hello()
    asked = []
    client.fake.answers["authenticate"] = lambda credentials: asked.append(credentials.address)
    for verb in ("AUTH PLAIN " + plain(ALICE, PASSWORD, "bob@example.org"), "AUTH PLAIN"):
        answer = client.ask(verb)
        if answer.startswith("334 "):
            answer = client.ask(plain(ALICE, PASSWORD, "bob@example.org"))
        assert answer == "535 5.7.8 Acting for another account is not possible"
    assert asked == []
    assert client.ask("AUTH PLAIN " + plain(ALICE, PASSWORD)).startswith("421 4.7.0 ")


def test_acting_for_oneself_is_logging_in(wire):
    client = wire().hello()
    assert client.ask("AUTH PLAIN " + plain(ALICE, PASSWORD, "Alice@example.org")) == "235 2.7.0 Logged in"


@pytest.mark.parametrize("answer", ["alice@example.org", 7, True, [], Reply(250), object()])
def test_an_answer_that_is_none_is_no_wrong_password(wire, answer):
    client = wire(max_login_failures=1).hello()
    client.fake.answers["authenticate"] = lambda credentials: answer
    for _ in range(3):
        assert client.ask("AUTH PLAIN " + plain(ALICE, PASSWORD)).startswith("454 4.7.0 Temporary ")
