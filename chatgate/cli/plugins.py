"""`chatgate plugins`: what is installed, what is enabled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chatgate.cli.folder import Folder
from chatgate.cli.init import summary, write_plugin
from chatgate.command import fail, json_option, show
from chatgate.hosting import confd, factories
from chatgate.hosting.reading import missing_in


@click.group("plugins")
def command() -> None:
    """List, enable and disable plugins.

    A file in conf.d enables a plugin, and those it cannot do without, from the next start of the gateway on.
    """


@command.command("list")
@json_option
@click.pass_obj
def list_(folder: Folder, as_json: bool) -> None:
    """List all installed plugins, and say what each does."""
    confd.is_gateway(folder.path)  # or files that nobody lets us see would all look "off"
    enabled = confd.files(folder.path)
    classes, trouble = _classes()
    needed = _needed(enabled, classes)
    rows = []
    for name in sorted({*classes, *trouble}):
        about = trouble[name] if name in trouble else summary(classes[name])
        path = enabled[name][0].name if name in enabled else None
        by = needed.get(name)
        rows.append({"name": name, "enabled": bool(path or by), "file": path, "needed_by": by, "about": about})
    show(rows, as_json, [_line(row) for row in rows])


def _line(row: dict[str, Any]) -> str:
    why = f"  (enabled, as {row['needed_by']} needs it)" if row["needed_by"] else ""
    return f"{'on ' if row['enabled'] else 'off'}  {row['name']:<14} {row['about']}{why}"


def _classes() -> tuple[dict[str, Any], dict[str, str]]:
    """All that is installed: what makes each plugin, or what is wrong with it."""
    classes, trouble = {}, {}
    for name, points in confd.installed().items():
        try:
            classes[name] = factories.load(points[0])
        except factories.Unusable as error:
            trouble[name] = str(error)
    return classes, trouble


def _needed(enabled: dict[str, list[Path]], classes: dict[str, Any]) -> dict[str, str]:
    """Plugins that are enabled without a file, or would be without theirs, and who needs them."""
    own = {name: classes[name] for name in enabled if name in classes}
    return {name: by for name, by, _ in factories.needed(own, lambda name, by: classes.get(name))}


@command.command()
@click.argument("name")
@click.pass_obj
def enable(folder: Folder, name: str) -> None:
    """Turn a plugin on.

    Its file in conf.d is written, with every setting explained, or the one that `disable` put aside gets its name back.
    """
    if not confd.is_gateway(folder.path):
        fail(confd.none_there(folder.path), 2)
    known = confd.installed()
    if name not in known:
        fail(f"no plugin '{name}' is installed; there are {', '.join(sorted(known))}", 1)
    if paths := confd.files(folder.path).get(name):
        fail(f"'{name}' is enabled already by {paths[0]}", 1)
    disabled = sorted((folder.path / "conf.d").glob(f"??-{name}.toml.off"))
    try:
        factory = factories.load(known[name][0])
        path = disabled[0].rename(disabled[0].with_suffix("")) if disabled else write_plugin(folder.path, name, factory)
    except factories.Unusable as error:
        fail(f"plugin '{name}' {error}", 1)
    except OSError as error:
        fail(f"cannot write {error.filename or folder.path / 'conf.d'}: {error.strerror}", 1)
    missing = missing_in(path, factory.Options)
    first = f"set {' and '.join(missing)} in it, then " if missing else ""
    click.echo(f"Enabled by {path}; {first}restart the gateway.")


@command.command()
@click.argument("name")
@click.pass_obj
def disable(folder: Folder, name: str) -> None:
    """Turn a plugin off, and keep its settings.

    Its file in conf.d gets another name, which ends with .off.
    """
    enabled = confd.files(folder.path)
    paths = enabled.pop(name, [])
    by = _needed(enabled, _classes()[0]).get(name)
    if by:
        fail(f"'{name}' cannot be disabled, as {by} needs it", 1)
    if not paths:
        fail(f"'{name}' is not enabled", 1)
    try:
        for path in paths:
            path.rename(path.with_name(path.name + ".off"))
    except OSError as error:
        fail(f"cannot rename {error.filename}: {error.strerror}", 1)
    click.echo(f"Disabled '{name}'; restart the gateway.")
