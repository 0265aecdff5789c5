"""Debian's Prometheus scrapes a gateway that serves: every name in the rules and the dashboard is one that it exports,
and every alert fires and is over again.
"""

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from chatgate.api import Trouble, hookimpl
from chatgate.cli.init import PLUGINS, WITH_OTHERS
from chatgate.running.stall import StallWatch
from chatgate.testing import imap_client, new_login, pgp_message, port, smtp_client, until
from tests.ports import free_port

FOLDER = Path(__file__).parents[3] / "contrib/grafana"
DOCS = (FOLDER.parents[1] / "docs/operate/metrics.md").read_text()
DASHBOARD, RULES = json.loads((FOLDER / "dashboard.json").read_text()), FOLDER / "rules.yml"
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
TESTS = [FOLDER / "rules_test.yml", FOLDER / "rules_slow_test.yml"]
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text())

pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="prometheus is not installed")


class Odd:
    """So that every kind of series is there."""

    def __init__(self, gateway, options):
        pass

    @hookimpl
    def chatgate_troubles(self):
        return [Trouble("radio", "it is silent", 0, "wait")]


class Prometheus:
    def __init__(self, folder, target):
        self.port = free_port()
        (folder / "prometheus.yml").write_text(
            f"""
            global: {{scrape_interval: 1s, evaluation_interval: 1s}}
            rule_files: ['{RULES}']
            scrape_configs:
              - job_name: chatgate
                static_configs: [{{targets: ['127.0.0.1:{target}']}}]
            """
        )
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, path, **query):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)["data"]

    def target(self):
        """The one target, once it was scraped."""
        try:
            (found,) = self.ask("targets")["activeTargets"]
        except (OSError, ValueError):
            return None
        return found if found["health"] != "unknown" else None

    def end(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def gateway(gateway_factory):
    settings = {"metrics": {"listen": ("127.0.0.1:0",)}, "turn": {"host": "127.0.0.1"}, "backup": {"every_hours": 0.0}}
    gateway = gateway_factory(*PLUGINS, *WITH_OTHERS, "acme", "backup", "turn", Odd, **settings)
    gateway.watch = StallWatch(gateway.hub, 60)  # `chatgate serve` has one
    login = new_login(gateway)
    with smtp_client(gateway, login) as client:
        client.sendmail(login[0], [login[0]], pgp_message(login[0], login[0]))
        with pytest.raises(Exception, match="Encryption Needed"):
            client.sendmail(login[0], [login[0]], f"From: {login[0]}\r\n\r\nhello\r\n")
    imap_client(gateway, login).logout()
    return gateway


def names(text):
    return set(re.findall(r"\bchatgate_[a-z_]+\b", text))


def test_prometheus_finds_all_that_rules_and_dashboard_ask_for(gateway, tmp_path):
    prometheus = Prometheus(tmp_path, port(gateway, "metrics"))
    try:
        target = until(prometheus.target)
        assert (target["health"], target["lastError"]) == ("up", "")
        there = set(prometheus.ask("label/__name__/values"))
        wanted = names(" ".join([RULES.read_text(), *QUERIES, *map(Path.read_text, TESTS)]))
        # What is counted only once it happened.
        seldom = {
            "chatgate_dkim_verified_total",
            "chatgate_resolver_questions_total",
            "chatgate_site_answers_total",
            "chatgate_courier_recipients_total",
            "chatgate_sweeper_removed_total",
        }
        assert wanted - there <= seldom and wanted & there
        declared = {one["metric"] for one in prometheus.ask("targets/metadata")}
        told = {name.removesuffix("_total") for name in names(DOCS)}
        assert told == {name.removesuffix("_total") for name in declared if name.startswith("chatgate_")}
        assert {name.removesuffix("_total") for name in seldom} <= {name.removesuffix("_total") for name in declared}
        for query in QUERIES:
            for variable, value in (("$instance", ".*"), ("$__rate_interval", "1m")):
                query = query.replace(variable, value)
            prometheus.ask("query", query=query)  # raises HTTPError where it is not understood
        (group,) = until(
            lambda: [g for g in prometheus.ask("rules")["groups"] if g["rules"][-1]["health"] != "unknown"]
        )
        assert [rule["name"] for rule in group["rules"]] == ALERTS
        assert {rule["health"] for rule in group["rules"]} == {"ok"}

        def alerts():
            return {one["labels"]["alertname"] for one in prometheus.ask("alerts")["alerts"]}

        until(lambda: "ChatgateTrouble" in alerts())
        assert "ChatgateDown" not in alerts()
        labels = json.dumps(prometheus.ask("series", **{"match[]": '{job="chatgate"}'}))
        assert "@" not in labels and "hello" not in labels
    finally:
        prometheus.end()


def test_every_alert_fires_and_is_over():
    subprocess.run(["promtool", "check", "rules", RULES], check=True, capture_output=True)
    done = subprocess.run(["promtool", "test", "rules", *TESTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    text = "\n".join(path.read_text() for path in TESTS)
    for name in ALERTS:
        cases = re.findall(rf"alertname: {name}\n +exp_alerts:(.*)", text)
        assert "" in cases and " []" in cases, name


def test_promtool_finds_the_names_good(gateway):
    from chatgate_metrics.exposition import text

    done = subprocess.run(["promtool", "check", "metrics"], input=text(gateway.measured())[1], capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_every_alert_says_what_to_type():
    assert len(re.findall(r"^ +do: '\S", RULES.read_text(), re.M)) == len(ALERTS) == len(set(ALERTS))
