"""`python -m contrib.bench`: measure a chatmail server, and find out whether it loses anything under load."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import connections, delivery, report
from .connection import Refused
from .probe import Probe, raise_open_files
from .run import QUICK, Bench, Plan
from .server import Server, ServerError, own_gateway

# In this order: idle connections before the heavy mail, as memory that a run has freed would be used again and not be
# counted as theirs.
SCENARIOS = {
    "rest": connections.rest,
    "login": connections.login,
    "new": connections.new,
    "idle": connections.idle,
    "rate": delivery.rate,
    "full": delivery.full,
    "burst": delivery.burst,
}

_SPARE_FILES = 200  # beside the idle connections: a server's database, logs, listeners


def _loops() -> Any:
    """uvloop where it is installed: a fifth less CPU for the generator."""
    try:
        return importlib.import_module("uvloop")
    except ImportError:
        return asyncio


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 all went right, 1 something was lost, doubled, changed or refused, 2 it could not be run.
    A missed target is shown, but no failure: on another machine it says nothing.
    """
    options = _parser().parse_args(arguments)
    try:
        if options.command == "compare":
            print(report.compare(*(json.loads(path.read_text("utf-8")) for path in (options.before, options.after))))
            return 0
        return _run(options)
    except (ServerError, OSError, TimeoutError, Refused, ValueError) as error:
        print(f"bench: {error or type(error).__name__}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    plan = QUICK if options.quick else Plan()
    if options.idle is not None:
        plan = Plan(**asdict(plan) | {"waits": options.idle})
    names = [name for name in SCENARIOS if not options.only or name in options.only.split(",")]
    if unknown := set(options.only.split(",") if options.only else ()) - set(SCENARIOS):
        raise ValueError(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    files = raise_open_files()
    with _server(options) as server:
        if "idle" in names:
            _check_open_files(files, "this program", plan.waits)
            _check_open_files(Probe(server.pid).open_files_limit(), "the server", plan.waits)
        with asyncio.Runner(loop_factory=_loops().new_event_loop) as runner:
            results = runner.run(_measure(Bench(server, plan, _status), names))
        _status("")
        print(report.table(results, judged=not options.quick))
        if options.json:
            options.json.write_text(json.dumps(_document(results, plan), indent=2) + "\n", "utf-8")
    return int(any(result.faults.counts for result in results))


async def _measure(bench: Bench, names: Sequence[str]) -> list[report.Result]:
    results = [await SCENARIOS[name](bench) for name in names]
    if not bench.server.pid:  # no process to look into: what needs one was not measured
        costs = [key for key in report.FIGURES if key.endswith(("_cpu", "_memory"))]
        for result in results:
            for key in costs:
                result.values.pop(key, None)
    return results


def _server(options: argparse.Namespace) -> contextlib.AbstractContextManager[Server]:
    if not options.host:
        return own_gateway()
    server = Server(
        options.host, options.domain or options.host, options.smtp, options.imap, options.https, options.pid
    )
    return contextlib.nullcontext(server)


def _check_open_files(limit: int, who: str, connections: int) -> None:
    if 0 < limit < connections + _SPARE_FILES:
        raise ValueError(
            f"{who} may open {limit} files only, too few for {connections} idle connections: "
            f"raise its hard limit (ulimit -Hn, LimitNOFILE=) or ask for less with --idle N"
        )


def _document(results: Sequence[report.Result], plan: Plan) -> dict[str, Any]:
    return {
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "plan": asdict(plan),
        "results": [asdict(result) for result in results],
    }


def _status(text: str) -> None:
    """One line on standard error: rewritten on a terminal, else one after the other."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(f"bench: {text}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m contrib.bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure (without --host: a gateway of this checkout, started for it)")
    run.add_argument("--quick", action="store_true", help="a small run that only asks whether everything is right")
    run.add_argument("--only", metavar="NAMES", help=f"some of: {','.join(SCENARIOS)}")
    run.add_argument("--idle", type=int, metavar="N", help="idle connections (2000)")
    run.add_argument("--json", type=Path, metavar="FILE", help="save the results, for compare")
    run.add_argument("--host", help="measure the server that runs there")
    run.add_argument("--domain", help="its mail domain, if that is not the host")
    for name, port in (("smtp", 465), ("imap", 993), ("https", 443)):
        run.add_argument(f"--{name}", type=int, default=port, metavar="PORT", help=f"its port with TLS ({port})")
    run.add_argument("--pid", type=int, default=0, help="its process on this machine, for CPU and memory")
    compare = commands.add_parser("compare", help="two saved results of one machine as ratios")
    compare.add_argument("before", type=Path)
    compare.add_argument("after", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main())
