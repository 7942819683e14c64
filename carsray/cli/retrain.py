"""``carsray retrain``."""

import json
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carsray.cli.begun import address_of
from carsray.cli.sweep import ADDRESS, RESULTS, STORAGE
from carsray.cli.tracked import followed
from carsray.errors import SweepFailed

if TYPE_CHECKING:
    from carsray.final.retrain.retraining import Retrain
    from carsray.storage.watch import Watch


@click.command()
@click.argument("name")
@click.option(
    "--seeds", default=1, show_default=True, type=click.IntRange(1), help="Train so often; seed 0 is exported."
)
@click.option(
    "--ema",
    "decay",
    default=0.0,
    metavar="D",
    type=click.FloatRange(0, 1, max_open=True),
    help="Also average the weights, 1 / (1 - D) steps back or so; used if better on val.",
)
@click.option("--again", is_flag=True, help="Open test although it was opened before; it is counted.")
@click.option("--trial", type=click.IntRange(0), help="Retrain this trial, although nothing confirms it.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="GPUs (or processors) that share each batch; else as many as leave them 16 pictures.",
)
@ADDRESS
@click.option("--json", "as_json", is_flag=True, help="Print retrain.json instead of the summary.")
@STORAGE
@RESULTS
def retrain(
    name: str,
    seeds: int,
    decay: float,
    again: bool,
    trial: int | None,
    workers: int | None,
    address: str | None,
    as_json: bool,
    storage: str | None,
    results: Path,
) -> None:
    """Train the winner on train and val together, and open the test set: once, and on the record.

    Length and schedule are fixed beforehand. A twin trained on train alone fits the temperature on val, and shows what
    the merge has gained. The same command goes on where it was stopped, until test is open.

    \b
    carsray retrain cars-1
    carsray retrain cars-1 --seeds 3 --ema 0.999
    carsray retrain cars-1 --trial 17
    """
    from carsray.final.retrain.retraining import Request, prepare
    from carsray.storage.work import at_work

    with at_work(results, name, storage, partial(click.echo, err=True)) as (sweep, watch), followed(sweep):
        asked = prepare(sweep, Request(seeds, decay, trial, again, workers))
        _announce(asked)
        record = _run(asked, address_of(sweep, address), watch)
    if as_json:
        click.echo(json.dumps(record, indent=2))
    else:
        from carsray.cli.retrain_summary import print_retrain

        print_retrain(asked.folder, record)


def _run(asked: "Retrain", address: str | None, watch: "Watch") -> dict[str, Any]:
    """Train, then open test. Ctrl-C exits with 130 and the command that goes on."""
    from carsray.cluster.connect import connected
    from carsray.final.retrain.retraining import noted, open_and_record, train_all
    from carsray.tuning.signals import terminated_as_interrupted

    command = shlex.join(["carsray", *sys.argv[1:]])
    stopped, counts = f"Stopped. What is trained is kept, and test is closed; to go on: {command}", ""

    def note_opening() -> None:
        nonlocal stopped, counts
        watch.due.set()  # a mirror is to know of it at once
        again = "" if "--again" in sys.argv else " --again"
        counts = f"That opening of test counts; to open it once more: {command}{again}"
        stopped = f"Stopped while test was open. {counts}"

    try:
        with connected(address) as nodes, terminated_as_interrupted(), noted(asked.folder):
            judged = train_all(asked, nodes)
            return open_and_record(asked, judged, nodes, note_opening)
    except KeyboardInterrupt:
        click.echo(stopped, err=True)
        sys.exit(130)
    except SweepFailed as error:
        raise SweepFailed(f"{error}. {counts}") if counts else error from None


def _announce(asked: "Retrain") -> None:
    """What is going to be trained, and how little is known of it."""
    from carsray.final.confirm.record import gone_on

    *own, twin = asked.trainings
    first, chosen = own[0], asked.chosen
    what = "what winner.toml says" if chosen.trial is None else f"trial {chosen.trial}"
    what = "the winner" if chosen.confirmed else what
    times = "once" if len(own) == 1 else f"with {len(own)} seeds"
    click.echo(
        f"Retraining {what} {times} on train and val, {len(first.split.train):,} pictures, for {first.config.epochs} "
        f"epochs; and a twin on train alone, {len(twin.split.train):,}.",
        err=True,
    )
    if not chosen.confirmed:
        which = "winner.toml is not as confirm wrote it: it" if chosen.trial is None else f"trial {chosen.trial}"
        warning = f"{which} was never repeated on fresh pictures: its lead may be luck (carsray confirm)"
        click.echo(click.style("warning: ", fg="yellow") + warning, err=True)
    elif outdated := gone_on(asked.folder.sweep):
        click.echo(click.style("warning: ", fg="yellow") + outdated, err=True)
    if chosen.statement:
        click.echo(chosen.statement, err=True)
