"""The benchmark against a whole gateway in a process of its own: nothing is lost, doubled or changed under load."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def bench(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "contrib.bench", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_quick_run_finds_no_fault(tmp_path):
    ran = bench("run", "--quick", "--json", str(tmp_path / "result.json"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "No faults" in ran.stdout
    results = {result["name"]: result for result in json.loads((tmp_path / "result.json").read_text())["results"]}
    assert list(results) == ["rest", "login", "new", "idle", "rate", "full", "burst"]
    assert all(result["checked"] for name, result in results.items() if name != "rest")
    measured = {key: value for result in results.values() for key, value in result["values"].items()}
    # So short a run may use less CPU than the 10 ms that the kernel counts in, and memory that was there.
    assert all(value > 0 for key, value in measured.items() if not key.endswith(("_cpu", "idle_memory")))
    compared = bench("compare", str(tmp_path / "result.json"), str(tmp_path / "result.json"))
    assert compared.returncode == 0 and "1.00" in compared.stdout


def test_a_server_that_is_not_there(tmp_path):
    ran = bench("run", "--host", "127.0.0.1", "--imap", "1", "--only", "burst")
    assert ran.returncode == 2 and ran.stderr.splitlines()[-1].startswith("bench: no accounts to measure with")


def test_an_unknown_scenario():
    ran = bench("run", "--only", "brst")
    assert ran.returncode == 2 and "no such scenario: brst" in ran.stderr


FAULTY = """
import sys
from contrib.bench import __main__ as bench, report

async def lossy(_):
    faults = report.Faults()
    faults.add("lost", "message 1")
    return report.Result("full", "Full", {}, faults, 1, 0.0, 0.0)

bench.SCENARIOS = {"full": lossy}
sys.exit(bench.main(["run", "--host", "127.0.0.1"]))
"""


def test_a_fault_is_the_exit_status():
    ran = subprocess.run([sys.executable, "-c", FAULTY], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1 and "FAULT: 1 lost" in ran.stdout


def test_too_few_open_files_are_said_before_anything_is_measured():
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300)); {FAULTY}".replace(
        "lossy}", "lossy, 'idle': lossy}"
    )
    ran = subprocess.run([sys.executable, "-c", limited], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2 and ran.stdout == ""
    assert "this program may open 300 files only, too few for 2000 idle connections" in ran.stderr
