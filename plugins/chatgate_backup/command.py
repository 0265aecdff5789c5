"""`chatgate backup` and `chatgate restore`: commands of every folder, whether the plugin is enabled or not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from chatgate.api import Gateway, Interrupts, PluginError, Problem, fail, json_option, show
from chatgate_backup import placing, wrapping
from chatgate_backup.archive import Broken
from chatgate_backup.making import Made, Making, Roomy
from chatgate_backup.openpgp import Cipher
from chatgate_backup.restoring import Restored
from chatgate_backup.rooms import part, room

_ROOM = click.option(
    "--room",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="A folder on a disk with room for a copy of the databases, if the gateway's own has none.",
)
_PASSPHRASE = click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file with the passphrase of the key, where nobody can be asked for it.",
)


@click.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--to", default="", metavar="KEY", help="Encrypt it to this OpenPGP key: a file, or one of your keyring.")
@click.option("--without-mail", is_flag=True, help="Leave out all messages: accounts, keys and settings are small.")
@_ROOM
@json_option
@click.pass_obj
def backup(folder: Any, file: Path, to: str, without_mail: bool, room: Path | None, as_json: bool) -> None:
    """Write a backup of the gateway into FILE, or to "-".

    It works while the gateway runs, and holds everything as it is at one moment. The file appears under its name only
    when it is complete, and can be read by you alone. For a while the databases are on the disk twice.
    """
    gateway = Gateway.of(folder.path)
    with _told(file), Interrupts(), Cipher(to) as cipher, _progress() as progress:
        making = Making(gateway, not without_mail, room or folder.path, progress)
        made = written(making, file, cipher if to else None)
    if str(file) != "-":
        data = {"file": str(file), "files": made.files, "octets": file.stat().st_size, "counts": made.counts}
        show(data, as_json, [f"{file}: {_counted(made.counts)}{made.files} files, {file.stat().st_size / 1e6:.1f} MB"])


def written(making: Making, file: Path, cipher: Cipher | None) -> Made:
    """Write a backup and look whether it is whole on disk. Raises PluginError, FileExistsError, OSError."""
    if str(file) == "-":
        made = making.write(sys.stdout.buffer.write, cipher)
        sys.stdout.buffer.flush()
        return made
    with part(file) as descriptor:
        out = Roomy(descriptor, file.parent)
        made = making.write(out.write, cipher)
        out.close()
        os.fsync(descriptor)
        os.lseek(descriptor, 0, os.SEEK_SET)
        with open(descriptor, "rb", closefd=False) as again:
            if not wrapping.whole(again):
                raise PluginError(f"{file}: the disk does not give back what was written")
    return made


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--verify", is_flag=True, help="Only prove that it can be restored; nothing is left of it.")
@click.option("--key", default="", metavar="FILE", help="A file with the secret key, if it is not in your keyring.")
@_PASSPHRASE
@click.option("--no-dns", is_flag=True, help="Do not compare the keys for DKIM with the DNS.")
@click.option("--outside", is_flag=True, help="Also write what belongs outside the gateway's folder, as conf.d has it.")
@_ROOM
@json_option
@click.pass_obj
def restore(
    folder: Any,
    file: Path,
    verify: bool,
    key: str,
    passphrase_file: Path | None,
    no_dns: bool,
    outside: bool,
    room: Path | None,
    as_json: bool,
) -> None:
    """Restore a backup from FILE, or from "-", into an empty folder.

    Everything is proven before it gets its place: each file against its hash, the counts, the databases by their own
    checks, the keys for DKIM against the DNS. A backup that is cut off or changed in any place is refused, and nothing
    is left of it.
    """
    where = (
        _proving(room or (folder.path if folder.path.is_dir() else Path(".")))
        if verify
        else placing.emptied(folder.path)
    )
    with _told(file), Interrupts(), Cipher(key, passphrase_file) as cipher, where as inside:
        size = 0 if str(file) == "-" else file.stat().st_size
        with click.open_file(str(file), "rb") as source, _progress() as progress:
            restored = Restored(inside, lambda done: progress(source.tell() if size else done, size or done))
            restored.read(source, cipher)
        problems = restored.prove(dns=not no_dns)
        if wrong := [f"{file}: {problem.text}" for problem in problems if problem.level == "error"]:
            fail(wrong, 1)
        if not verify:
            _take_places(restored, outside)
    _tell(restored, problems, folder.path, verify, as_json)


def _take_places(restored: Restored, outside: bool) -> None:
    others = restored.outside()
    if others and not outside:
        fail([f"{place} belongs outside the folder: say --outside to have it written there" for _, place in others], 1)
    if there := [place for _, place in others if os.path.lexists(place)]:
        fail([f"{place} is there already" for place in there], 1)
    restored.resume()
    placing.place(restored.folder, others)


def _tell(restored: Restored, problems: list[Problem], folder: Path, verify: bool, as_json: bool) -> None:
    made = restored.beginning
    data = {
        "made": made.get("made"),
        "chatgate": made.get("chatgate"),
        "domains": made.get("domains"),
        "mail": made.get("mail"),
        "files": restored.files,
        "counts": restored.counts,
        "problems": [vars(problem) for problem in problems],
    }
    lines = [f"{problem.level}: {problem.text}" for problem in problems]
    what = f"{_counted(restored.counts)}{restored.files} files, as they were at {made.get('made')}"
    lines.append(f"The backup is whole: {what}" if verify else f"{folder}: {what}. Next: chatgate --dir {folder} check")
    show(data, as_json, lines)


def _counted(counts: dict[str, dict[str, int]]) -> str:
    return "".join(f"{number} {what}, " for each in counts.values() for what, number in each.items())


@contextmanager
def _proving(base: Path) -> Iterator[Path]:
    with room(base, "verify") as inside:
        yield inside


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """What is wrong with the backup, or keeps it from being written, in one line."""
    try:
        yield
    except Broken as error:
        fail(f"{file}: {error}", 1)
    except FileExistsError:
        fail(f"{file} is there already; nothing was changed", 1)
    except PluginError as error:
        fail(str(error), 1)
    except BrokenPipeError:
        raise
    except OSError as error:
        fail(f"{error.filename or file}: {error.strerror}", 1)
    except KeyboardInterrupt:
        raise click.Abort from None


@contextmanager
def _progress() -> Iterator[Callable[[int, int], object]]:
    """A bar on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, all: None
        return
    with click.progressbar(length=1, file=sys.stderr, width=0) as bar:

        def far(done: int, all: int) -> None:
            bar.length = max(all, done, 1)
            bar.update(done - bar.pos)

        yield far
