"""``carsray wandb``: sync and dashboard."""

import os
import sys
from pathlib import Path

import click

from carsray.cli.sweep import RESULTS

PROJECT = click.option("--wandb-project", help="Where in W&B; else as the sweep says.")


@click.group()
def wandb() -> None:
    """What a sweep has in Weights & Biases."""


@wandb.command()
@click.argument("name")
@PROJECT
@RESULTS
def sync(name: str, wandb_project: str | None, results: Path) -> None:
    """Send a sweep to W&B from its record, or what W&B lacks of it.

    It may have run offline, without W&B, or while the network was away. What is there already is not sent twice.

    \b
    carsray wandb sync cars-1
    """
    from carsray.progress import bar
    from carsray.results import open_sweep

    folder = open_sweep(results, name)
    _prepare_sdk()
    from carsray.tracking.sync import sync as send

    with bar("Sending runs") as report:
        synced = send(folder, wandb_project or project_of(folder.read_settings()), report)
    for run, problem in list(synced.problems.items())[:3]:
        click.echo(click.style("failed: ", fg="red") + f"{run}: {problem}", err=True)
    sent = synced.runs - len(synced.problems)
    click.echo(f"W&B has {sent} of {synced.runs} runs: {synced.url}")
    sys.stdout.flush()
    os._exit(1 if synced.problems else 0)  # its SDK would wait at exit for runs that could not be sent


@wandb.command()
@click.argument("name")
@PROJECT
@RESULTS
def dashboard(name: str, wandb_project: str | None, results: Path) -> None:
    """Make a workspace and a report in W&B for a sweep whose runs are there, or bring both up to date.

    Best so far, what matters, learning curves with rungs, cost, failures, finalists, retrain, retrieval.

    
    carsray wandb dashboard cars-1
    """
    from carsray.results import open_sweep

    folder = open_sweep(results, name)
    _prepare_sdk()
    from carsray.tracking.dashboard.make import make_dashboard

    made = make_dashboard(folder, wandb_project or project_of(folder.read_settings()))
    click.echo(f"Workspace: {made.workspace}\nReport:    {made.report}")


def _prepare_sdk() -> None:
    """Before it is imported: it is to go online, and to leave the terminal to this command."""
    os.environ.pop("WANDB_MODE", None)
    os.environ.setdefault("WANDB_SILENT", "true")


def project_of(record: dict[str, object]) -> str:
    """The project that a sweep's settings name; earlier sweeps name none."""
    settings = record["settings"]
    assert isinstance(settings, dict)
    return str(settings.get("wandb_project", "carsray"))
