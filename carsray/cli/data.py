"""``carsray data``: look at a data set, fetch Stanford Cars, or draw cars to try things out with."""

from pathlib import Path

import click

from carsray.cli.options import DEFAULT_CACHE

FOLDER = click.Path(path_type=Path)


@click.group()
def data() -> None:
    """Look at pictures, or get some."""


@data.command(epilog="Example: carsray data info ~/stanford_cars --classes 40")
@click.argument("source", metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Everything, for a machine.")
@click.option("--verbose", "-v", is_flag=True, help="List every class, unreadable file and duplicate.")
@click.option("--classes", type=click.IntRange(min=2), metavar="K", help="The first K classes only.")
@click.option(
    "--cache",
    type=FOLDER,
    default=DEFAULT_CACHE,
    show_default=True,
    metavar="DIR",
    help="Where looks at pictures are remembered.",
)
def info(source: str, as_json: bool, verbose: bool, classes: int | None, cache: Path) -> None:
    """Say what is in DIR (or a .csv file, or s3://bucket/prefix): kind, counts, sizes, unreadable files, duplicates."""
    import json
    from dataclasses import asdict

    from carsray.data.describe import describe, render
    from carsray.data.inspect import inspect
    from carsray.data.remote import open_data
    from carsray.data.sources.catalog import first_classes
    from carsray.progress import bar

    with bar("Fetching pictures") as report:
        catalog = first_classes(open_data(source, cache, report), classes)
    with bar("Looking at pictures") as report:
        inspection = inspect(catalog, cache, report)
    description = describe(catalog, inspection)
    click.echo(json.dumps(asdict(description), indent=2) if as_json else render(description, verbose))


@data.command(epilog="Example: carsray data fetch ~/stanford_cars")
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--from", "source", metavar="URL", help="A zip or tar of the data set: a URL, or a file on this disk.")
def fetch(folder: Path, source: str | None) -> None:
    """Download Stanford Cars (2 GB; 16,185 pictures) into DIR; run again to resume."""
    from carsray.data.mirror.fetch import MIRRORS
    from carsray.data.mirror.fetch import fetch as fetch_cars
    from carsray.progress import bar

    with bar("Fetching") as report:
        warnings = fetch_cars(folder, [source] if source else MIRRORS, report)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{folder}: Stanford Cars is complete. For research use; cite Krause et al., 2013.")


@data.command(epilog="Example: carsray data draw /tmp/cars --models 8 --per-model 30")
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--models", type=click.IntRange(min=2), default=20, show_default=True, help="Classes.")
@click.option("--per-model", type=click.IntRange(min=3), default=60, show_default=True, help="Pictures of each.")
@click.option("--size", type=click.IntRange(16, 1024), default=96, show_default=True, help="Pixels on each side.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def draw(folder: Path, models: int, per_model: int, size: int, seed: int) -> None:
    """Draw cars into DIR, a folder per model: a data set in seconds, no download."""
    from carsray.data.drawn.folder import draw_cars
    from carsray.progress import bar

    with bar("Drawing") as report:
        draw_cars(folder, models, per_model, size, seed, report)
    click.echo(f"{folder}: {models} models, {per_model} pictures of each")
