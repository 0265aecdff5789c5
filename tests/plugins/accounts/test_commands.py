"""`chatgate accounts`: every command, with the shipped plugins and the real store."""

import json
import re
import stat
import time

import pytest
from chatgate_accounts import transfer
from chatgate_maildb.accounts import Accounts as StoredAccounts
from click.testing import CliRunner

from chatgate.api import Account, Credentials, NewAccount, Session, StoreError
from chatgate.cli import cli
from chatgate.cli.folder import Folder

DAY = int(time.time()) // 86400


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "gw"

    def invoke(*args, code=0, input=None, where=folder):
        result = CliRunner().invoke(cli, ["--dir", str(where), *args], input=input)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result.stdout if code == 0 else result.output

    invoke.folder = folder
    invoke("init", "--domain", "d.test")
    for plugin in folder.glob("conf.d/*-passwordless.toml"):
        plugin.write_text("scrypt_cost = 10\n")
    return invoke


class Beside:
    """What a running gateway on the same folder sees."""

    def __init__(self, folder):
        self.gateway = Folder(folder).gateway
        self.store = self.gateway.store

    def login(self, address, password):
        session = Session("imap", "127.0.0.1")
        return self.gateway.hub.authenticate(session=session, credentials=Credentials(address, password))

    def create(self, address, password="x" * 22, way="site"):
        return self.gateway.accounts.create(NewAccount(address, password, way, generated=True))


@pytest.fixture
def beside(run):
    made = Beside(run.folder)
    yield made
    made.store.close()


def made(run, name, *more):
    return json.loads(run("accounts", "create", name, "--json", *more))


def listed(run, *arguments):
    return [row["address"].partition("@")[0] for row in json.loads(run("accounts", "list", "--json", *arguments))]


# -------------------------------------------------------------------------------- list, show


def test_accounts_are_made_listed_shown_changed_and_deleted(run):
    made = json.loads(run("accounts", "create", "someuser1", "--json"))
    assert made["address"] == "someuser1@d.test" and len(made["password"]) == 22
    run("accounts", "create", "someuser2@d.test", "--password", "a good password")
    assert "someuser1@d.test" in run("accounts", "create", "someuser1", code=1)
    rows = json.loads(run("accounts", "list", "--json"))
    assert [row["address"] for row in rows] == ["someuser1@d.test", "someuser2@d.test"]
    assert rows[0]["last_login"] is None and rows[0]["messages"] == 0
    assert len(json.loads(run("accounts", "list", "--json", "--limit", "1"))) == 1
    assert json.loads(run("accounts", "list", "--json", "--after", "someuser1@d.test")) == rows[1:]
    assert "INBOX" in json.loads(run("accounts", "show", "someuser1", "--json"))["mailboxes"]
    assert json.loads(run("accounts", "passwd", "someuser1", "--json"))["password"] != made["password"]
    assert "9" in run("accounts", "passwd", "someuser1", "--password", "short", code=1)
    run("accounts", "delete", "someuser1", input="n\n", code=1)
    run("accounts", "delete", "someuser1", "--yes")
    assert "no account someuser1@d.test" in run("accounts", "show", "someuser1", code=1)


def test_a_password_comes_from_standard_input_too(run):
    made = json.loads(run("accounts", "create", "someuser1", "--password", "-", "--json", input="correct horse\r\n"))
    assert made["password"] == "correct horse"
    assert "another horse" in run("accounts", "passwd", "someuser1", "--password", "-", input="another horse")
    assert "standard input" in run("accounts", "passwd", "someuser1", "--password", "-", code=2)


def test_a_new_account_comes_with_a_link_and_a_qr_code(run, tmp_path):
    """From the plugin that answers chatgate_login_link."""
    where = tmp_path / "local"
    run("init", "--domain", "d.test", "--local", where=where)
    made = json.loads(run("accounts", "create", "someuser1", "--json", where=where))
    link = f"dclogin:someuser1@d.test?p={made['password']}&v=1&ih=127.0.0.1&ip=2993&is=ssl&"
    assert made["link"].startswith(link)
    lines = run("accounts", "create", "someuser2", where=where).splitlines()
    assert lines[0].startswith("someuser2@d.test ") and lines[1].startswith("dclogin:someuser2@") and len(lines) == 2
    assert "█" in run("accounts", "passwd", "someuser2", "--qr", where=where)
    run("plugins", "disable", "site", where=where)
    run("plugins", "disable", "selfservice", where=where)
    assert json.loads(run("accounts", "create", "someuser3", "--json", "--qr", where=where))["link"] is None


def test_filters(run, beside):
    for name, day in (("anna", 0), ("bert", DAY - 100), ("carl", DAY - 10), ("dora", DAY)):
        account = beside.create(f"{name}@d.test", way="operator")
        if day:
            beside.store.set_last_login(account.id, day)
    run("accounts", "disable", "carl")
    assert listed(run) == ["anna", "bert", "carl", "dora"]
    assert listed(run, "--match", "R") == ["bert", "carl", "dora"]
    assert listed(run, "--disabled") == ["carl"]
    assert listed(run, "--enabled") == ["anna", "bert", "dora"]
    assert listed(run, "--never") == ["anna"]
    assert listed(run, "--idle", "10") == ["bert", "carl"], "never logged in is not idle"
    assert listed(run, "--idle", "11", "--enabled") == ["bert"]
    assert listed(run, "--larger", "1k") == []
    assert listed(run, "--match", "r", "--limit", "2") == ["bert", "carl"]
    text = run("accounts", "list")
    assert re.search(r"^anna@d\.test +never +0 +0$", text, re.M)
    assert re.search(r"^carl@d\.test .* disabled$", text, re.M)
    assert "Invalid value" in run("accounts", "list", "--larger", "big", code=2)


def test_pages_are_stable_while_accounts_come_and_go(run, beside):
    names = [f"name{n:02}" for n in range(0, 20, 2)]
    for name in names:
        beside.create(f"{name}@d.test", way="operator")
    seen, after = [], ""
    while page := listed(run, "--limit", "3", "--after", after):
        seen += page
        after = f"{page[-1]}@d.test"
        if len(seen) == 6:
            run("accounts", "delete", seen[-1], "--yes")  # the very one that the next page begins behind
            run("accounts", "delete", seen[0], "--yes")
            beside.create("name01@d.test", way="operator")
    assert seen == names


def test_a_page_may_begin_behind_a_name(run, beside):
    for name in ("anna", "anna2", "bert"):
        beside.create(f"{name}@d.test", way="operator")
    assert listed(run, "--after", "Anna") == listed(run, "--after", "anna@d.test") == ["bert"]
    assert listed(run, "--after", "anna2", "--limit", "1") == ["anna"]


def test_a_list_is_shown_while_it_is_read(run, beside, monkeypatch):
    for name in ("anna", "bert"):
        beside.create(f"{name}@d.test", way="operator")
    usage, shown = StoredAccounts.usage, []
    monkeypatch.setattr(StoredAccounts, "usage", lambda *a: shown.append(len(printed)) or usage(*a))
    printed = []
    monkeypatch.setattr("click.echo", printed.append)
    run("accounts", "list")
    assert shown == [1, 2] and len(printed) == 3


def test_large_accounts(run, beside):
    account = beside.create("anna@d.test", way="operator")
    beside.create("bert@d.test", way="operator")
    from chatgate.api import Delivery

    inbox = beside.store.mailbox(account.id, "INBOX")
    content = b"Subject: x\r\n\r\n" + b"x" * 5000
    beside.store.store(content, [Delivery("anna@d.test", inbox.id, account.id)])
    assert listed(run, "--larger", "5k") == ["anna"] and listed(run, "--larger", "6K") == []
    (row, _) = json.loads(run("accounts", "list", "--json"))
    assert (row["messages"], row["octets"]) == (1, len(content))


def test_show(run):
    made(run, "anna")
    facts = json.loads(run("accounts", "show", "anna", "--json"))
    assert facts["created"] == time.strftime("%Y-%m-%d", time.gmtime()) and facts["last_login"] is None
    assert facts["disabled"] is None and "INBOX" in facts["mailboxes"]
    assert "secret" not in facts and "$" not in run("accounts", "show", "anna")


# -------------------------------------------------------------------------------- disable, enable


def test_disabling_is_told_and_can_be_undone(run, beside):
    anna = made(run, "anna")
    login = anna["address"], anna["password"]
    assert isinstance(beside.login(*login), Account)
    run("accounts", "disable", "anna", "--reason", "Too many complaints, write to help@d.test")
    answer = beside.login(*login)
    assert (answer.code, answer.enhanced, answer.imap) == (525, "5.7.13", "CONTACTADMIN")
    assert answer.text == "Too many complaints, write to help@d.test"
    assert beside.login(login[0], "a wrong password").code == 535, "only the owner gets to know"
    assert json.loads(run("accounts", "show", "anna", "--json"))["disabled"] == answer.text
    run("accounts", "enable", "anna")
    assert isinstance(beside.login(*login), Account)


@pytest.mark.parametrize("reason", ["", "two\nlines", "große Worte", "x" * 201, "Authentication withdrawn"])
def test_reasons_that_no_client_could_show(run, reason):
    made(run, "anna")
    assert "--reason" in run("accounts", "disable", "anna", "--reason", reason, code=2)


# -------------------------------------------------------------------------------- quota


def test_quotas(run, beside):
    made(run, "anna", "--quota", "1.5G")
    facts = json.loads(run("accounts", "quota", "anna", "--json"))
    assert facts["quota_octets"] == 1_500_000_000 and facts["own_quota"]
    assert "0 octets of 20000000 octets" in run("accounts", "quota", "anna", "20MB")
    assert beside.store.usage(beside.store.account("anna@d.test").id).limit == 20_000_000
    assert "no limit" in run("accounts", "quota", "anna", "none")
    assert beside.store.usage(beside.store.account("anna@d.test").id).limit == 0
    assert "the default of its domain" in run("accounts", "quota", "anna", "default")
    made(run, "bert")
    everybody = beside.store.usage(beside.store.account("bert@d.test").id).limit
    assert beside.store.usage(beside.store.account("anna@d.test").id).limit == everybody
    for size in ("much", "-1", "1e400", "nan", "12Q"):
        assert "Invalid value" in run("accounts", "quota", "--", "anna", size, code=2)


# -------------------------------------------------------------------------------- delete, tombstones


def test_nobody_else_gets_a_deleted_address(run, beside):
    anna = made(run, "annanames")
    run("accounts", "delete", "annanames", "--yes")
    assert beside.login(anna["address"], "the password of a thief").code == 535
    assert beside.create(anna["address"]).imap == "ALREADYEXISTS"
    assert "not given away again" in run("accounts", "create", "annanames", code=1)
    assert listed(run) == []
    assert isinstance(beside.login(anna["address"], anna["password"]), Account)
    assert beside.login(anna["address"], "the password of a thief").code == 535


def test_an_address_can_be_given_free(run, beside):
    made(run, "annanames")
    run("accounts", "delete", "annanames", "--yes", "--free")
    assert isinstance(beside.login("annanames@d.test", "the password of a heir"), Account)


def test_a_final_deletion_keeps_the_owner_out_too(run, beside):
    anna = made(run, "annanames")
    export = run("accounts", "export")
    assert "not both" in run("accounts", "delete", "annanames", "--yes", "--free", "--final", code=2)
    assert isinstance(beside.login(anna["address"], anna["password"]), Account)
    run("accounts", "delete", "annanames", "--yes", "--final")
    assert beside.login(anna["address"], anna["password"]).code == 535
    assert "not given away again" in run("accounts", "create", "annanames", code=1)
    assert run("accounts", "import", "--replace", input=export) == "1 removed here\n"
    assert listed(run) == []
    run("accounts", "delete", "annanames", "--free", "--yes")
    assert isinstance(beside.login(anna["address"], "the password of a heir"), Account)


def test_the_address_of_an_account_that_is_gone_can_be_given_free(run, beside):
    made(run, "annanames", "--password", "the password of anna")
    run("accounts", "delete", "annanames", "--yes")
    assert "Give annanames@d.test free?" in run("accounts", "delete", "annanames", "--free", code=1, input="n\n")
    assert listed(run) == [] and beside.login("annanames@d.test", "the password of a heir").code == 535
    run("accounts", "delete", "annanames", "--free", input="y\n")
    assert listed(run) == []
    assert isinstance(beside.login("annanames@d.test", "the password of a heir"), Account)
    assert "no account nobody@d.test" in run("accounts", "delete", "nobody", "--free", code=1)


def test_mistakes_name_the_account(run):
    for arguments in (("show",), ("passwd",), ("disable",), ("enable",), ("quota",), ("delete", "--yes")):
        assert "no account nobody@d.test" in run("accounts", arguments[0], "nobody", *arguments[1:], code=1)


# -------------------------------------------------------------------------------- export, import


@pytest.fixture
def other(run, tmp_path):
    """Another folder for the same domain."""
    folder = tmp_path / "other"
    run("init", "--domain", "d.test", where=folder)
    return folder


def test_people_keep_their_passwords(run, beside, other, tmp_path):
    people = made(run, "anna"), made(run, "bert", "--password", "chosen by bert")
    logins = [(who["address"], who["password"]) for who in people]
    beside.store.set_last_login(beside.store.account("anna@d.test").id, DAY - 7)
    run("accounts", "quota", "anna", "3M")
    run("accounts", "disable", "bert")
    beside.store.create_account("carl@d.test", "$sha256$x$x", created=DAY - 30)
    file = tmp_path / "accounts.jsonl"
    run("accounts", "export", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(password in file.read_text() for _, password in logins)
    assert "File exists" in run("accounts", "export", str(file), code=1), "nothing is overwritten"
    assert run("accounts", "export") == file.read_text()
    assert run("accounts", "import", str(file), where=other) == "3 made\n"
    run("accounts", "enable", "bert", where=other)
    there = Beside(other)
    for address, password in logins:
        assert isinstance(there.login(address, password), Account)
        assert there.login(address, password + "?").code == 535
    anna = there.store.account("anna@d.test")
    assert (anna.created, anna.last_login, anna.quota) == (DAY, DAY - 7, 3_000_000)
    carl = there.store.account("carl@d.test")
    assert (carl.created, carl.last_login) == (DAY - 30, 0)
    assert [account.address for account in there.store.idle_accounts(DAY - 20)] == [carl.address]
    there.store.close()
    assert run("accounts", "import", str(file), where=other) == "3 there already\n"


def test_an_account_keeps_the_day_it_was_made_also_when_it_comes_back(run, beside):
    beside.store.create_account("anna@d.test", "$sha256$x$x", created=DAY - 30)
    export = run("accounts", "export")
    run("accounts", "delete", "anna", "--yes")
    assert run("accounts", "import", input=export) == "1 came back\n"
    assert beside.store.account("anna@d.test").created == DAY - 30


def test_an_export_that_does_not_tell_the_day(run, beside, other):
    """As this program wrote it until it did."""
    beside.store.create_account("anna@d.test", "$sha256$x$x", created=DAY - 30)
    header, line = run("accounts", "export").splitlines()
    row = json.loads(line)
    assert row.pop("created") == DAY - 30
    assert run("accounts", "import", where=other, input=f"{header}\n{json.dumps(row)}\n") == "1 made\n"
    there = Beside(other)
    assert there.store.account("anna@d.test").created == DAY
    there.store.close()


def test_import_of_what_is_there_already_or_was_removed(run, beside, other, tmp_path):
    for name in ("anna", "bert", "carl"):
        made(run, name)
    export = run("accounts", "export")
    run("accounts", "import", where=other, input=export)
    changed = json.loads(run("accounts", "passwd", "anna", "--json"))
    run("accounts", "delete", "bert", "--yes")
    run("accounts", "passwd", "carl")
    run("accounts", "delete", "carl", "--yes")
    assert run("accounts", "import", input=export) == "1 came back, 1 removed here, 1 there already\n"
    assert listed(run) == ["anna", "bert"]
    assert isinstance(beside.login("anna@d.test", changed["password"]), Account)
    assert "1 replaced" in run("accounts", "import", "--replace", input=run("accounts", "export").split("\n{", 1)[0]
                               + "\n" + next(line for line in export.splitlines() if "anna@" in line))  # fmt: skip
    assert beside.login("anna@d.test", changed["password"]).code == 535


def test_import_of_hashes_of_other_servers(run, other, beside):
    """They come along as they are, out again, too; of those that cannot be verified the operator hears."""
    good, dear = "$2b$12$" + "a" * 53, "$2b$31$" + "b" * 53
    for name, secret in {"anna": good, "bert": dear}.items():
        beside.store.create_account(f"{name}@d.test", secret)
    export = run("accounts", "export")
    told = CliRunner().invoke(cli, ["--dir", str(other), "accounts", "import"], input=export)
    assert told.stdout == "2 made\n"
    assert re.search(r"nobody can log in to 1 of them .*bcrypt.*imported_hash_seconds\n\Z", told.stderr)
    assert dear not in told.output and run("accounts", "export", where=other) == export


def test_import_of_a_file_that_an_editor_saved(run, other):
    made(run, "anna")
    export = "\ufeff" + run("accounts", "export").replace("\n", "\r\n")
    assert run("accounts", "import", where=other, input=export) == "1 made\n"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: "", "line 1: not a JSON object"),
        (lambda t: "x" + t, "line 1: not a JSON object"),
        (lambda t: t.replace("chatgate-accounts", "something"), "line 1: not an export"),
        (lambda t: t.replace('"version": 1', '"version": 2'), "line 1: version 2"),
        (lambda t: t.replace('"domain": "d.test"', '"domain": "e.test"'), "line 1: accounts of e.test"),
        (lambda t: t.replace("bert@d.test", "bert@e.test"), "line 3: address: not of an account of d.test"),
        (lambda t: t.replace("bert@d.test", "@d.test"), "line 3: address"),
        (lambda t: t.replace("bert@d.test", "bert@e.test@d.test"), "line 3: address"),
        (lambda t: t.replace("bert@d.test", "be rt@d.test"), "line 3: address"),
        (lambda t: t.replace("bert@d.test", r"bert\n@d.test"), "line 3: address"),
        (lambda t: t.replace("bert@d.test", r"\ud800bert@d.test"), "line 3: address"),
        (lambda t: t.replace("bert@d.test", "b" * 65 + "@d.test"), "line 3: address"),
        (lambda t: t.replace("$sha256$", r"\ud800", 1), "line 2: secret: not a password hash"),
        (lambda t: t.replace('"disabled": ""', r'"disabled": "a\r\n* BYE"'), "line 2: disabled: one line"),
        (lambda t: t.replace('"disabled": ""', '"disabled": "Authentication off"'), "line 2: disabled: not with"),
        (lambda t: t.replace('"quota": null', f'"quota": {2**63}'), "line 2: quota"),
        (lambda t: t.replace('"quota": null', '"quota": -1'), "line 2: quota"),
        (lambda t: t + "[" * 100000, "line 4: not a JSON object"),
        (lambda t: t.encode("utf-16"), "not UTF-8"),
        (lambda t: t + '{"address": "x@d.test"}\n', "line 4: secret: missing"),
        (lambda t: t.replace('"last_login": 0', '"last_login": "0"'), "line 2: last_login"),
        (lambda t: t.replace('"created": ', '"created": -'), "line 2: created: before 1970"),
        (lambda t: t.replace('"created": ', '"created": true, "x": '), "line 2: created"),
        (lambda t: t.replace('"created": ', '"created": 9'), "line 2: created: before 1970"),
        (lambda t: t.replace('"last_login": 0', '"last_login": -1'), "line 2: last_login: before 1970"),
        (lambda t: t.replace('"last_login": 0', f'"last_login": {DAY + 3}'), "line 2: last_login: before 1970"),
        (lambda t: t[:-20], "line 3: not a JSON object"),
    ],
)
def test_a_spoilt_file_changes_nothing(run, beside, other, spoil, message):
    for name in ("anna", "bert"):
        made(run, name)
    export = run("accounts", "export")
    output = run("accounts", "import", where=other, input=spoil(export), code=1)
    assert message in output and beside.store.account("anna@d.test").secret not in output
    assert listed(lambda *a: run(*a, where=other)) == []


def test_what_has_no_lines_is_not_read_to_its_end(run):
    """/dev/zero, for one, has none."""
    with open("/dev/zero") as endless, pytest.MonkeyPatch.context() as patched:
        read = []
        patched.setattr(transfer, "_object", lambda number, line: read.append(len(line)) or {})
        with pytest.raises(ValueError):
            list(transfer._rows(transfer._read(endless), "d.test", 0))
    assert read == [transfer._LONGEST]


def test_many_accounts(run, beside, other):
    beside.store.create_account("name00000@d.test", "$sha256$x$x")
    header, line = run("accounts", "export").splitlines()
    lines = [line.replace("name00000", f"name{n:05}") for n in range(2500)]
    assert run("accounts", "import", where=other, input="\n".join([header, *lines])) == "2500 made\n"
    assert run("accounts", "export", where=other).splitlines()[1:] == lines


def test_why_an_account_could_not_be_made(run, monkeypatch):
    run("accounts", "create", "annanames")
    run("accounts", "delete", "annanames", "--yes")
    refusal = run("accounts", "create", "annanames", code=1)
    assert refusal.endswith("; 'chatgate accounts delete --free annanames@d.test' gives it free\n")

    def full(*_, **__):
        raise StoreError("the disk is full")

    monkeypatch.setattr("chatgate_maildb.accounts.Accounts.create_account", full)
    assert run("accounts", "create", "othername", code=1) == "chatgate: the disk is full\n"


def test_half_an_export_is_not_left_behind(run, tmp_path, monkeypatch):
    def lines(gateway, domain):
        yield "{}"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("chatgate_accounts.transfer._lines", lines)
    file = tmp_path / "accounts"
    assert run("accounts", "export", str(file), code=1) == f"chatgate: cannot write {file}: No space left on device\n"
    assert not file.exists()


def test_check_tells_of_accounts_of_another_domain(run):
    run("accounts", "create", "annanames")
    assert "another mail domain" not in run("check")
    (run.folder / "conf.d" / "00-chatgate.toml").write_text('domain = "other.test"\n')
    told = CliRunner().invoke(cli, ["--dir", str(run.folder), "check"]).output  # the certificate is another's, too
    assert "warning: maildb: 1 accounts are of another mail domain than other.test" in told


def test_no_limit_reads_well(run):
    run("accounts", "create", "annanames")
    assert run("accounts", "quota", "annanames", "none") == "annanames@d.test: 0 octets, no limit\n"


def test_cleartext_is_allowed_for_an_account_and_taken_back(run, beside):
    run("accounts", "create", "annanames")
    account = beside.store.account("annanames@d.test")
    assert run("accounts", "cleartext", "annanames") == "annanames@d.test gets encrypted mail only.\n"
    told = "annanames@d.test may get unencrypted mail from other servers.\n"
    assert run("accounts", "cleartext", "annanames", "on") == told == run("accounts", "cleartext", "annanames", "show")
    assert beside.store.annotations(account.id, "") == {"/private/vendor/chatgate/cleartext": b"on"}
    assert json.loads(run("accounts", "list", "--json"))[0]["cleartext"] is True
    assert "cleartext: True" in run("accounts", "show", "annanames").splitlines()
    assert run("accounts", "list").splitlines()[1].endswith(" cleartext")
    shown = json.loads(run("accounts", "cleartext", "annanames", "off", "--json"))
    assert shown == {"address": "annanames@d.test", "cleartext": False}
    assert beside.store.annotations(account.id, "") == {}
    run("accounts", "cleartext", "othername", "on", code=1)
    run("accounts", "cleartext", "annanames", "maybe", code=2)


def test_the_list_of_the_gate_says_where_it_has_gone(run):
    (file,) = run.folder.glob("conf.d/*-gate.toml")
    file.write_text('cleartext_recipients = ["postmaster@d.test"]\n')
    told = CliRunner().invoke(cli, ["--dir", str(run.folder), "check"]).output
    assert "cleartext_recipients: has moved: it is `chatgate accounts cleartext ADDRESS on` for each" in told


def test_who_may_get_cleartext_moves_along(run, other):
    run("accounts", "create", "annanames")
    run("accounts", "create", "berta-names")
    run("accounts", "cleartext", "annanames", "on")
    export = run("accounts", "export")
    assert export.count("cleartext") == 1
    assert run("accounts", "import", where=other, input=export) == "2 made\n"
    assert run("accounts", "export", where=other) == export
    run("accounts", "cleartext", "annanames", "off", where=other)
    run("accounts", "cleartext", "berta-names", "on", where=other)
    assert run("accounts", "import", "--replace", where=other, input=export) == "2 replaced\n"
    assert run("accounts", "export", where=other) == export
    spoilt = export.replace('"cleartext": true', '"cleartext": "on"')
    assert "line 2: cleartext: of the wrong type" in run("accounts", "import", where=other, input=spoilt, code=1)
