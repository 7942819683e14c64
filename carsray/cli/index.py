"""``carsray index``: the gallery of an exported model."""

import json
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

import click

FOLDER = click.Path(path_type=Path)


@click.group()
def index() -> None:
    """The gallery that `carsray serve`, `search` and `predict` find neighbours in."""


@index.command()
@click.argument("package", metavar="DIR", type=FOLDER)
@click.argument("pictures", metavar="FOLDER", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def add(package: Path, pictures: Path, as_json: bool) -> None:
    """Add the pictures in and below FOLDER to the gallery of DIR, which `carsray export` wrote.

    The model stays as it is. Pictures that lie in a folder with the name of a class are of that class, the others of
    none. Those that the gallery has are left out, so that the same command adds what is new. A running `carsray serve`
    shows them within seconds. A picture that cannot be read is a line on stderr, and the exit code is 1.

    \b
    carsray index add cars-model photos/
    carsray index add cars-model photos/ --json
    """
    from carsray.final.package.growing import add_pictures
    from carsray.progress import bar

    # Pillow warns of large pictures and odd metadata.
    with warnings.catch_warnings(action="ignore"):
        added = add_pictures(package, pictures, bar)
    for problem in added.problems:
        click.echo(click.style("error: ", fg="red", bold=True) + problem, err=True)
    if as_json:
        click.echo(json.dumps(asdict(added)))
    else:
        known = f"; {added.known:,} were there before" if added.known else ""
        click.echo(
            f"Added {added.pictures:,} pictures, {added.labelled:,} of them with a class{known}. "
            f"The gallery has {added.gallery:,}."
        )
    if added.problems:
        sys.exit(1)
