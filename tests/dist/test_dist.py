"""The one file, the wheel and the sdist: each serves, where nothing else of chatgate is."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest
from serving import run, serve_and_ping

ROOT = Path(__file__).parents[2]
# The Python that the environment of the tests is made with, without any packages (-S).
BARE = [sys._base_executable, "-S"]


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory):
    """Where the one file unpacks itself."""
    return tmp_path_factory.mktemp("unpacked")


@pytest.fixture
def bare(dist, unpacked):
    """How the one file is started by who has no home, and the environment for that."""
    assert subprocess.run([*BARE, "-c", "import gevent"], capture_output=True).returncode, "this Python has packages"
    environ = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "SHIV_ROOT": str(unpacked)}
    return [*BARE, str(dist / "chatgate")], environ


def test_several_that_begin_at_once_unpack_it_once(bare, unpacked):
    program, environ = bare
    running = [subprocess.Popen([*program, "--version"], env=environ, stdout=subprocess.PIPE) for _ in range(4)]
    said = {one.communicate(timeout=120)[0] for one in running}
    assert {one.returncode for one in running} == {0} and len(said) == 1
    assert len([path for path in unpacked.iterdir() if path.is_dir()]) == 1


def test_one_file_serves_on_a_python_without_packages(bare, tmp_path):
    serve_and_ping(*bare, tmp_path / "gateway")


def test_a_plugin_of_others_lies_beside_the_one_file(bare, tmp_path):
    program, environ = bare
    copy = shutil.copytree(ROOT / "contrib/plugin-template", tmp_path / "source")  # as building leaves files behind
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(tmp_path / "plugins"), str(copy)], check=True, timeout=120)
    environ["PYTHONPATH"] = str(tmp_path / "plugins")
    run(program, environ, "--dir", str(tmp_path / "gateway"), "init", "--domain", "127.0.0.1", "--local")
    run(program, environ, "--dir", str(tmp_path / "gateway"), "plugins", "enable", "example")
    assert "on   example" in run(program, environ, "--dir", str(tmp_path / "gateway"), "plugins", "list")


def test_with_another_python_it_says_which_one_it_is_for(bare):
    program, environ = bare
    begin = "sys.version_info = (3, 99, 0); sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    said = run([*BARE, "-c", f"import runpy, sys; {begin}", program[-1]], environ, "--version", code=1)
    version = "{}.{}".format(*sys.version_info)
    assert said.splitlines()[-1].startswith(f"chatgate: this file is for Python {version}, and this is 3.99: ")


@pytest.mark.parametrize("kind", ["chatgate-*.whl", "chatgate-*.tar.gz"])
def test_wheel_and_sdist_serve_from_an_environment_of_their_own(dist, kind, tmp_path):
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv/bin/python"
    (place,) = (tmp_path / "venv/lib").glob("python*/site-packages")
    # What chatgate needs is where it is for these tests; chatgate itself is found in the new place first.
    (place / "others.pth").write_text(f"{Path(os.__file__).parent}\n{_site_packages()}\n")
    (file,) = dist.glob(kind)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(place), str(file)], check=True, timeout=120)
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    where = run(
        [python, "-c", "import chatgate, chatgate_smtp; print(chatgate.__file__, chatgate_smtp.__file__)"], environ
    )
    assert where.count(str(place)) == 2, where
    serve_and_ping([python, "-m", "chatgate"], environ, tmp_path / "gateway")


def _site_packages() -> str:
    import gevent

    return str(Path(gevent.__file__).parents[1])


def test_the_sdist_has_what_the_tree_has(dist):
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("this is no git checkout")
    (file,) = dist.glob("chatgate-*.tar.gz")
    with tarfile.open(file) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    left_out = {name for name in tracked.stdout.split("\n") if name and name not in held}
    assert {name for name in left_out if not name.startswith((".ci/", ".git", ".pre-commit"))} == set()
