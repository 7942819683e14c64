"""``carsray reproduce``."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from carsray.cli.options import DEFAULT_CACHE, data_source, pinned_values
from carsray.errors import SweepFailed

if TYPE_CHECKING:
    from carsray.published.reproduction import Request
    from carsray.published.tables import Row

FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("report")
@click.argument("experiments", nargs=-1)
@click.option("--data", required=True, help="Folder or CSV with the pictures, or s3://bucket/prefix.")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(1), help="Run each so often.")
@click.option("--classes", type=click.IntRange(2), help="Use the first K classes only.")
@click.option("--set", "pins", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be given often.")
@click.option("--name", help="Name of the results folder; else the report's. The same name goes on where it ended.")
@click.option("--address", help="A running Ray cluster (auto, or HOST:PORT); else this machine.")
@click.option("--gpus-per-trial", type=click.FloatRange(0), help="1, 2, ... or 0.5 for two experiments on a GPU.")
@click.option("--concurrent", type=click.IntRange(1), help="Experiments at a time; else as many as fit.")
@click.option("--cache", default=DEFAULT_CACHE, show_default=True, type=FOLDER, help="Folder for packed pictures.")
@click.option("--results", default=Path("results"), show_default=True, type=FOLDER, help="Folder of all results.")
def reproduce(
    report: str,
    experiments: tuple[str, ...],
    data: str,
    seeds: int,
    classes: int | None,
    pins: tuple[str, ...],
    name: str | None,
    address: str | None,
    gpus_per_trial: float | None,
    concurrent: int | None,
    cache: Path,
    results: Path,
) -> None:
    """Run published experiments and set their numbers beside the published ones.

    REPORT is almog2025, vizniuk2024, or an experiments file; EXPERIMENT... some of its experiments, else all. It opens
    the test split, and writes every opening to test_ledger.jsonl.

    \b
    carsray reproduce almog2025 --data ~/cars
    carsray reproduce vizniuk2024 cnn-2 --data ~/cars --seeds 3
    carsray reproduce almog2025 cnn-1 cnn-2 cnn-3 --data ~/cars --classes 20 --set image_size=96 --set epochs=2
    """
    from carsray.config import SweepSettings
    from carsray.published.experiments_file import find_experiments, load_experiments
    from carsray.published.reproduction import Request

    file = load_experiments(find_experiments(report))
    settings = SweepSettings(
        data=data_source(data),
        cache=cache.resolve(),
        concurrent=concurrent,
        gpus_per_trial=gpus_per_trial,
        address=address,
    )
    command = shlex.join(["carsray", *sys.argv[1:]])
    _run(Request(file, experiments, pinned_values(pins, None, classes), seeds, settings, command), results, name)


def _run(request: "Request", results: Path, name: str | None) -> None:
    """Run what the folder does not have yet, write the report, and show it."""
    from carsray.progress import bar
    from carsray.published.report import DEVIATING
    from carsray.published.reproduction import open_folder, prepare, write_report
    from carsray.published.runner import run_plan

    with bar("Inspecting pictures") as report:
        plan, notes = prepare(request, report)
    for note in notes:
        click.echo(click.style("note: ", fg="yellow") + note, err=True)
    folder = open_folder(results, name or request.experiments.name, request)
    try:
        failures = run_plan(folder, plan, request.settings)
    except KeyboardInterrupt:
        click.echo(f"Stopped. What has ended is kept; to go on: {request.command}", err=True)
        sys.exit(130)
    impossible = {**plan.impossible, **failures}
    rows = write_report(folder, request, plan, notes, impossible)
    _show(rows, impossible)
    if request.pins:
        pins = ", ".join(f"{key} = {value}" for key, value in request.pins.items())
        click.echo(f"{DEVIATING}: {pins}")
    if not rows:
        raise SweepFailed(f"{folder.root}: none of the experiments could run")
    click.echo(f"Report: {folder.report}; numbers: {folder.table}; test openings: {folder.ledger}")


def _show(rows: "Sequence[Row]", impossible: Mapping[str, str]) -> None:
    from rich.console import Console

    from carsray.published.report import terminal_tables

    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has no edge
    for table in terminal_tables(rows):
        console.print(table)
        console.print()
    for name, reason in impossible.items():
        click.echo(click.style("not run: ", fg="red") + f"{name}: {reason.splitlines()[0]}", err=True)
