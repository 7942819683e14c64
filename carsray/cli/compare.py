"""``carsray compare``."""

from pathlib import Path

import click

from carsray.cli.sweep import RESULTS


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME NAME...")
@click.option("--json", "as_json", is_flag=True, help="Print an object for each sweep instead of a table.")
@RESULTS
def compare(names: tuple[str, ...], as_json: bool, results: Path) -> None:
    """Set sweeps side by side: best trial, the winner repeated, test, cost; and say whether the numbers mean the same.

    \b
    carsray compare resnet50-1 densenet121-1
    carsray report  resnet50-1 densenet121-1    # the same with curves, as a page
    """
    import json

    if len(names) < 2:
        raise click.UsageError("Name at least two sweeps.")
    from carsray.report.comparing import compared
    from carsray.report.reading import read_sweep
    from carsray.results import open_sweep

    found = compared([read_sweep(open_sweep(results, name)) for name in names])
    assert found is not None
    if as_json:
        click.echo(json.dumps([dict(zip(found.table.head, row, strict=True)) for row in found.table.rows], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has no edge
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in found.table.head:
        table.add_column(head, justify="left" if head in ("sweep", "state") else "right", overflow="fold")
    for row in found.table.rows:
        table.add_row(*row)
    console.print(table)
    console.print(found.sentence)
