"""``carsray sweep`` and ``carsray resume``."""

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from carsray.cli.checking import networks_checked
from carsray.cli.options import BUDGETS, Asked, decorated, first_config, sweep_options
from carsray.cli.tracked import tracking_of

if TYPE_CHECKING:
    from carsray.tracking.tracker import Tracker

RESULTS = click.option(
    "--results",
    default=Path("results"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder that holds the sweeps.",
)
ADDRESS = click.option(
    "--address", help="A running Ray cluster (auto, or HOST:PORT), or local: this machine; else as the sweep."
)
STORAGE = click.option(
    "--storage", metavar="URI", help="Where the record is mirrored; fetched from there if it is not here."
)


@click.command()
@sweep_options
@click.option("--name", help="Name of the results folder; else the space's name and a number.")
@click.option("--or-resume", is_flag=True, help="If the sweep NAME has begun, here or in the storage, go on with it.")
@RESULTS
def sweep(asked: Asked, name: str | None, or_resume: bool, results: Path) -> None:
    """Search a space: many trials under Ray Tune, spread at first, from the 25th on by Optuna, stopped early by ASHA.

    \b
    carsray sweep search_spaces/transfer_mobilenet_v2.toml --data ~/cars --name cars-1
    carsray sweep search_spaces/cnn.toml --data ~/cars --classes 20 --set image_size=96 --trials 40
    carsray sweep search_spaces/transfer_resnet50.toml --data /mnt/cars --address auto --gpus-per-trial 0.5
    """
    if or_resume and not name:
        raise click.UsageError("--or-resume needs the --name of the sweep that may have begun.")
    if or_resume and name and _has_begun(results, name, asked.settings.storage):
        _run(results, name, storage=asked.settings.storage, asked=asked)
    _checked_name(results, name, asked)  # and storage: what is wrong is told before pictures are inspected
    with ExitStack() as stack:
        stack.enter_context(_stoppable(_typed))
        tracker = stack.enter_context(tracking_of(asked.settings))  # it logs in while the checks run
        with networks_checked(asked.space) as checked:
            split = asked.split()  # before the imports below: a wrong path is told at once, not after Ray has loaded
            from carsray.cluster.connect import connected
            from carsray.results import create_sweep
            from carsray.tuning.resources import require_spent, share_out
            from carsray.tuning.sweep import begin_record

            nodes = stack.enter_context(connected(asked.settings.address))  # its processes start while the check runs
            # What no node can hold is refused before anything is written, and a limit that would not be one.
            require_spent(asked.settings.budget_gpu_hours, share_out(nodes, asked.settings))
            checked()
        tracker.check()
        # The first free name may have been taken meanwhile.
        folder = create_sweep(results, name or _checked_name(results, None, asked))
        begin_record(folder, asked.space, split, asked.settings, _typed())
        _run(results, folder.name, tracker=tracker)


@click.command()
@click.argument("name")
@STORAGE
@RESULTS
def resume(name: str, storage: str | None, results: Path) -> None:
    """Go on with a sweep that was interrupted: trials under way go on from their last snapshot, those that ended stay.

    \b
    carsray resume cars-1
    carsray resume cars-1 --storage s3://bucket/sweeps
    """
    _run(results, name, storage=storage)


@click.command()
@click.argument("name")
@click.option("--trials", type=click.IntRange(1), help="So many trials more.")
@decorated(BUDGETS)
@STORAGE
@RESULTS
def extend(
    name: str,
    results: Path,
    storage: str | None,
    trials: int | None,
    budget_hours: float | None,
    budget_gpu_hours: float | None,
    target: float | None,
) -> None:
    """Give a sweep more trials, or new limits, and go on with it; limits not named stay as they are.

    \b
    carsray extend cars-1 --trials 20
    carsray extend cars-1 --budget-hours 12
    """
    limits = {"budget_hours": budget_hours, "budget_gpu_hours": budget_gpu_hours, "target": target}
    changed = {key: value for key, value in limits.items() if value is not None}
    if not trials and not changed:
        raise click.UsageError("Say what the sweep is to have more of: --trials, --budget-hours, ...")
    _run(results, name, trials or 0, changed, storage)


def _has_begun(results: Path, name: str, storage: str | None) -> bool:
    """Whether there is a record of this name, here or in the storage."""
    from carsray.storage.work import is_in

    return (results / name / "sweep.json").is_file() or (storage is not None and is_in(storage, name))


def _checked_name(results: Path, name: str | None, asked: Asked) -> str:
    """The name that was given, or the next free one. Raises StorageError or ResultsError where it cannot be taken."""
    from carsray.results import free_folder, next_name

    storage = asked.settings.storage
    if name:
        free_folder(results, name)
    if storage is None:
        return name or next_name(results, asked.space.name)
    from carsray.storage.work import names_in, require_free

    name = name or next_name(results, asked.space.name, names_in(storage))
    require_free(storage, results, name)
    return name


def _run(
    results: Path,
    name: str,
    more: int = 0,
    limits: Mapping[str, float] | None = None,
    storage: str | None = None,
    tracker: "Tracker | None" = None,
    asked: Asked | None = None,
) -> NoReturn:
    """Run what the record of a sweep still lacks, or so many trials more under new limits, and say how it ended.

    Raises ConfigError where it is another sweep than ``asked``, which may name another cluster to go on.
    """
    from carsray.results import SweepFolder, open_sweep

    if storage is None:
        open_sweep(results, name)  # a wrong name is told before the imports below
    place, extends = SweepFolder(results / name), bool(more or limits)

    def go_on() -> str:
        return _typed() if extends or not place.settings.is_file() else f"carsray resume {place.arguments}"

    with ExitStack() as stack:
        stack.enter_context(_stoppable(go_on))
        from carsray.cli.begun import require_same
        from carsray.cli.summary import print_summary
        from carsray.cluster.connect import connected
        from carsray.data.pack import ensure_pack
        from carsray.leaderboard import read_rows
        from carsray.progress import bar
        from carsray.storage.work import at_work
        from carsray.tuning.resources import require_spent, share_out
        from carsray.tuning.same_weights import require_same_weights
        from carsray.tuning.sweep import extend_record, read_record, run_sweep

        folder, watch = stack.enter_context(at_work(results, name, storage, partial(click.echo, err=True)))
        space, split, settings = read_record(folder)
        if extends or sum(row.ended for row in read_rows(folder)) < settings.trials:
            require_same_weights(folder)
        if asked:
            require_same(folder, asked)
            settings = settings.model_copy(update={"address": asked.settings.address or settings.address})
        tracker = tracker or stack.enter_context(tracking_of(settings))
        for title, part in (("Packing train", split.train), ("Packing val", split.val)):
            with bar(title) as report:
                ensure_pack(part, first_config(space), settings.cache, report)
        tracker.check()
        if extends:
            nodes = stack.enter_context(connected(settings.address))
            share = share_out(nodes, settings)  # who is refused, and calls again, is not to get the trials twice
            require_spent((limits or {}).get("budget_gpu_hours"), share)
            extend_record(folder, more, limits or {})
            extends, settings = False, read_record(folder)[-1]
        tracker.follow(folder)
        rows = run_sweep(folder, space, split, settings, read_rows(folder), watch)
        tracker.end()
        code = print_summary(folder, space, split, settings, rows)
    sys.exit(code)


@contextmanager
def _stoppable(go_on: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the with-block as they end trials: with exit code 130, and the command that goes on."""
    from carsray.tuning.signals import terminated_as_interrupted

    try:
        with terminated_as_interrupted():
            yield
    except KeyboardInterrupt:
        click.echo(f"Stopped. What has ended is kept; to go on: {go_on()}", err=True)
        sys.exit(130)


def _typed() -> str:
    """The command line that this process was called with."""
    return shlex.join(["carsray", *sys.argv[1:]])
