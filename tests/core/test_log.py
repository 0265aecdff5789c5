"""One event is one line, with a time of its own only where nobody else notes one."""

import errno
import os
import re
import subprocess
import sys

from chatgate.running import log

SCRIPT = """
from gevent import monkey; monkey.patch_all()
import gevent, logging, sys, threading, warnings
from chatgate.running import log
log.setup("warning", [])
logger = logging.getLogger("chatgate.test")
logger.error("two\\nlines %s", "a\\r\\nb\\x1b[0m")
logger.info("not at this level")
log.ANSWERS.info("asked for")
try:
    raise RuntimeError("what a client said")
except RuntimeError:
    logger.exception("caught")
gevent.spawn(lambda: 1 / 0).join()
try:
    gevent.get_hub().threadpool.apply(lambda: 1 / 0)
except ZeroDivisionError:
    pass  # expected, and of no interest to the operator
thread = threading.Thread(target=lambda: 1 / 0); thread.start(); thread.join()
warnings.warn("old\\nthing")
class Fragile:
    def __del__(self): 1 / 0
del_it = Fragile(); del del_it
raise ValueError("what a client said")
"""


def run(stream, **environ):
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)} | environ
    return subprocess.run([sys.executable, "-c", SCRIPT], stderr=stream, timeout=60, env=environ)


def test_everything_is_one_line_and_tells_nothing_that_a_client_said(tmp_path):
    with (tmp_path / "log").open("wb") as stream:
        assert run(stream).returncode == 1
    lines = (tmp_path / "log").read_text().splitlines()
    for line in lines:
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (ERROR|WARNING|INFO) [\w.]+ ", line), line
    assert len(lines) == 8, lines
    assert "two\\nlines a\\r\\nb\\x1b[0m" in lines[0] and "asked for" in lines[1]
    assert "client said" not in "".join(lines) and "Traceback" not in "".join(lines)


def test_the_journal_gets_priorities_and_no_second_time(tmp_path):
    with (tmp_path / "log").open("wb") as stream:
        there = os.fstat(stream.fileno())
        run(stream, JOURNAL_STREAM=f"{there.st_dev}:{there.st_ino}")
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line[:3] for line in lines] == ["<3>", "<6>", "<3>", "<3>", "<3>", "<4>", "<3>", "<3>"]
    assert lines[1] == "<6>INFO chatgate.answers asked for"


def test_what_ends_a_command_has_its_priority_too(tmp_path):
    with (tmp_path / "log").open("wb") as stream:
        there = os.fstat(stream.fileno())
        environ = os.environ | {"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"}
        subprocess.run(
            [sys.executable, "-m", "chatgate", "--dir", str(tmp_path), "check"], stderr=stream, env=environ, timeout=60
        )
    assert (tmp_path / "log").read_text().startswith("<3>chatgate: no gateway in")


def test_what_the_system_refuses_is_named_without_its_text():
    try:
        raise OSError(errno.EMFILE, "client said")
    except OSError:
        text = log._Formatter().formatException(sys.exc_info())
    assert text.startswith("error=OSError errno=EMFILE at=") and "client" not in text
