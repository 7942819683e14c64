"""``carsray report``."""

from pathlib import Path

import click

from carsray.cli.sweep import RESULTS


@click.command()
@click.argument("name")
@click.argument("others", nargs=-1, metavar="[OTHER]...")
@click.option("--output", type=click.Path(path_type=Path), help="Where to; else report.html in the sweep's folder.")
@RESULTS
def report(name: str, others: tuple[str, ...], output: Path | None, results: Path) -> None:
    """Make one HTML page of a sweep: the answer, how it was found, what it cost, what it gets wrong.

    The page is a single file that needs no network and opens from disk. It works while the sweep is running, and after
    each of confirm, retrieval and retrain it has more to tell. Other sweeps that are named stand beside this one. Test
    pictures are only shown once retrain has opened them.

    \b
    carsray report cars-1
    carsray report cars-2 cars-1 --output both.html
    """
    from carsray.results import open_sweep

    folders = [open_sweep(results, each) for each in dict.fromkeys((name, *others))]
    from rich.filesize import decimal

    from carsray.files import write_text
    from carsray.progress import bar
    from carsray.report.page import render
    from carsray.report.reading import read_sweep

    sweeps = [read_sweep(folder) for folder in folders]
    with bar("Reading pictures") as progress:
        page = render(sweeps, progress)
    path = output or folders[0].root / "report.html"
    write_text(path, page)
    click.echo(f"{path}  {decimal(path.stat().st_size)}, one file that opens in any browser")
