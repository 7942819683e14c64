"""``carsray confirm``."""

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from carsray.cli.begun import address_of
from carsray.cli.sweep import ADDRESS, RESULTS, STORAGE
from carsray.cli.tracked import followed

if TYPE_CHECKING:
    from carsray.final.confirm.verdict import Verdict
    from carsray.results import SweepFolder


@click.command()
@click.argument("name")
@click.option("--top", default=3, show_default=True, type=click.IntRange(1), help="Finalists.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Repetitions of each.")
@ADDRESS
@click.option("--json", "as_json", is_flag=True, help="Print what finalists.json says instead of a table.")
@STORAGE
@RESULTS
def confirm(
    name: str, top: int, seeds: int, address: str | None, as_json: bool, storage: str | None, results: Path
) -> None:
    """Repeat the best trials of a sweep with other seeds, on pictures that did not choose them, and name the winner.

    The finalists come from different regions of the space. Where they cannot be told apart, the one that is cheapest to
    train is named. Writes finalists.csv, finalists.json and winner.toml, which sweep and reproduce read, too. The same
    command goes on where it ended; the test stays sealed.

    \b
    carsray confirm cars-1
    carsray confirm cars-1 --top 5 --seeds 5 --address auto
    """
    from carsray.results import open_sweep

    if storage is None:
        open_sweep(results, name)  # a wrong name is told before the imports below
    from carsray.final.confirm.confirm import confirm as run
    from carsray.final.confirm.confirm import prepare
    from carsray.final.confirm.record import Asked, show_json
    from carsray.storage.work import at_work

    command = shlex.join(["carsray", *sys.argv[1:]])
    with at_work(results, name, storage, partial(click.echo, err=True)) as (folder, _), followed(folder):
        prepared = prepare(folder, top, seeds, address_of(folder, address))
        for note in prepared.notes:
            click.echo(click.style("note: ", fg="yellow") + note, err=True)
        try:
            verdict, found = run(prepared, Asked(command, top, seeds))
        except KeyboardInterrupt:
            click.echo(f"Stopped. What has ended is kept; to go on: {command}", err=True)
            sys.exit(130)
    for which, reason in found["failed"].items():
        click.echo(click.style("failed: ", fg="red") + f"{which}: {reason.splitlines()[0]}", err=True)
    if as_json:
        click.echo(show_json(found))
    else:
        _show(folder, verdict, found["statement"])


def _show(folder: "SweepFolder", verdict: "Verdict", statement: str) -> None:
    from rich.console import Console

    from carsray.final.confirm.table import finalists_table, settings_lines

    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has no edge
    console.print(finalists_table(verdict))
    for line in settings_lines(verdict):
        console.print(line, markup=False)
    console.print()
    console.print(statement, markup=False)
    console.print("Curse: by how many points the search said more, the luck of being picked.")
    for path, what in (
        (folder.winner, "the winner, for retrain, sweep --from and reproduce"),
        (folder.finalists, "all finalists"),
        (folder.finalists_json, "the same with every repetition, and how it was found"),
    ):
        console.print(f"  {path}  {what}", markup=False)
