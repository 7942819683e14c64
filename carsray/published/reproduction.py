"""A reproduction from the request to the report."""

from dataclasses import dataclass
from pathlib import Path

from carsray.commit import git_commit
from carsray.config import SweepSettings
from carsray.data.inspect import inspect
from carsray.data.remote import open_data
from carsray.errors import ConfigError, ResultsError
from carsray.files import unwritable, write_json, write_text
from carsray.progress import Report
from carsray.published.charts import draw_comparison, draw_curves
from carsray.published.experiments import Experiment, Experiments
from carsray.published.folder import ReproductionFolder
from carsray.published.numbers import load_numbers
from carsray.published.pins import check_pins, pin, without_effect
from carsray.published.plan import Plan, make_plan, with_sources
from carsray.published.report import About, markdown
from carsray.published.splits import Splits
from carsray.published.tables import Row, make_rows, to_csv
from carsray.space import Values


@dataclass(frozen=True, slots=True)
class Request:
    """What `carsray reproduce` was asked for."""

    experiments: Experiments
    chosen: tuple[str, ...]
    """Ids; none: all."""
    pins: Values
    seeds: int
    settings: SweepSettings
    command: str


def prepare(request: Request, report: Report) -> tuple[Plan, list[str]]:
    """The runs, and what a person should know before they start.

    Raises ConfigError for ids and settings that are wrong whatever the experiment, DataError for unusable pictures.
    """
    check_pins(request.pins)
    wanted = with_sources(request.experiments, request.chosen)
    if useless := without_effect(wanted, request.pins):
        raise ConfigError(f"--set {useless[0]}: none of {', '.join(e.id for e in wanted)} has a use for it")
    notes: list[str] = []
    pinned: list[Experiment] = []
    for experiment in wanted:
        changed, followed = pin(experiment, request.pins)
        pinned.append(changed)
        notes += followed
    catalog = open_data(request.settings.data, request.settings.cache, report)
    splits = Splits(catalog, inspect(catalog, request.settings.cache, report), notes.append)
    plan = make_plan(pinned, request.seeds, splits.of)
    return plan, list(dict.fromkeys(notes))


def open_folder(results: Path, name: str, request: Request) -> ReproductionFolder:
    """The folder of that name, made if need be. Raises ResultsError where something else has it."""
    if not name or name != Path(name).name or name.startswith("."):
        raise ResultsError(f"--name {name!r}: must be a plain folder name such as almog2025-1")
    folder = ReproductionFolder(results / name)
    if folder.root.exists() and not folder.settings.exists():
        raise ResultsError(f"{folder.root}: is there already and no reproduction. Choose another --name")
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder.root, error) from None
    write_text(folder.experiments, request.experiments.text)
    settings = request.settings.model_dump(mode="json", exclude={"trials", "seed"})
    asked = {"experiments": request.chosen, "pins": request.pins, "seeds": request.seeds, "settings": settings}
    write_json(folder.settings, {"command": request.command, "git_commit": git_commit(), **asked})
    return folder


def write_report(
    folder: ReproductionFolder, request: Request, plan: Plan, notes: list[str], impossible: dict[str, str]
) -> list[Row]:
    """table.csv, report.md, the curves and the comparison chart; the rows of the table."""
    name = request.experiments.name
    rows = make_rows(folder, plan.runs, load_numbers(), name)
    write_text(folder.table, to_csv(rows))
    curves = [drawn for run in plan.trainings if (drawn := draw_curves(folder, run))]
    comparison = draw_comparison(folder, rows, f"{name}: published and reproduced")
    about = _about(request, plan, notes, impossible)
    pictures = [path.relative_to(folder.root).as_posix() for path in (*curves, comparison) if path]
    write_text(folder.report, markdown(about, rows, pictures))
    return rows


def _about(request: Request, plan: Plan, notes: list[str], impossible: dict[str, str]) -> About:
    splits = {run.split.fingerprint: run.split for run in plan.runs}
    parts = (
        f"{len(s.classes)} classes, {len(s.train)} train, {len(s.val)} val, {len(s.test)} test" for s in splits.values()
    )
    return About(
        request.experiments.name,
        request.command,
        git_commit(),
        "; ".join(parts),
        tuple(splits),
        request.seeds,
        request.pins,
        tuple(notes),
        impossible,
    )
