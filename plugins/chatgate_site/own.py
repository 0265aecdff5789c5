"""What the operator has changed: the files of the option `pages`, and whether they can be used."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import bottle
import click

from chatgate.api import Gateway, PluginError, fail
from chatgate_site import contents
from chatgate_site.places import SHIPPED, Place
from chatgate_site.rendering import Renderer, Visit, problem


def problems(gateway: Gateway, place: Place) -> Iterator[str]:
    """What is wrong with the templates in the folder of this site, one line each. Our own pages are made on trial from
    what is true at the moment; those of other plugins, which know themselves what they show, are translated only.
    """
    renderer = Renderer(gateway)
    for folder in place.own_folders:
        for path in sorted(folder.rglob("*.html")):
            try:
                template = bottle.SimpleTemplate(path.read_text("utf-8"))
                template.filename = str(path)
                template.co  # noqa: B018  # it is compiled
            except (SyntaxError, UnicodeDecodeError, bottle.TemplateError) as error:
                yield problem(error, place, path)
                continue
            language = path.parent.name if path.parent != folder else place.language
            try:
                _try(renderer, place, path.name, language)
            except PluginError:
                return  # there is no certificate; the plugin in charge of it reports that
            except Exception as error:
                yield problem(error, place, path)


def _try(renderer: Renderer, place: Place, name: str, language: str) -> None:
    """Make this page. What stands in every page, such as layout.html, is tried with the first one."""
    name = name if name in contents.FACTS else "landing.html"
    visit = Visit(language)
    told = renderer.told(place, visit)
    renderer.strictly(name, SHIPPED, place, visit, told, **contents.FACTS[name](place, told, ""))


def export(gateway: Gateway, folder: Path) -> list[Path]:
    """Copy all templates, the style sheet and the icon, to be changed there. Nothing is overwritten. Raises
    ClickException.
    """
    sources = {path.name: path for path in SHIPPED.iterdir() if path.suffix in (".html", ".css", ".svg")}
    # Other plugins have theirs beside their code.
    sources |= {path.name: path for package in gateway.folders for path in package.glob("*.html")}
    there = [name for name in sources if (folder / name).exists()]
    if there:
        fail(f"{folder} has {', '.join(sorted(there))}: nothing was written", 1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [Path(shutil.copyfile(path, folder / name)) for name, path in sorted(sources.items())]
    except OSError as error:
        raise click.ClickException(f"cannot write to {folder}: {error.strerror}") from error
