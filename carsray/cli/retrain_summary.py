"""What a retrain says at its end."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from carsray.files import read_csv
from carsray.final.retrain.folder import RetrainFolder
from carsray.tuning.picture import duration

ROWS = (
    ("accuracy", "accuracy"),
    ("top5", "top-5"),
    *((f"{name}_{average}", f"{name}, {average}") for average in ("macro", "weighted") for name in ("f1", "precision")),
    ("recall_macro", "recall, macro"),
    ("loss", "loss"),
    ("loss_scaled", "loss, calibrated"),
    ("ece", "calibration error"),
    ("ece_scaled", "calibration error, calibrated"),
)
"""Weighted recall is the accuracy."""
SHOWN = 3
"""Confused pairs, and weakest classes."""


def print_retrain(folder: RetrainFolder, record: dict[str, Any]) -> None:
    """Print the numbers on test, what they rest on, where everything is, and the next command."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has no edge
    console.print(_table(record))
    for line in (*_lines(record), *weakest(folder)):
        console.print(line)
    console.print()
    for path, what in (
        (folder.record, "all numbers"),
        (folder.answers, "every answer"),
        (folder.classes, "each class"),
        (folder.training("seed-0").checkpoint, "the weights to export"),
        (folder.ledger, "every opening of test"),
    ):
        console.print(f"  {path}  {what}", markup=False)
    name, where, place = folder.sweep.arguments.partition(" --results ")
    console.print(f"\nNext: carsray export {name} DIR{where}{place}", markup=False)


def _table(record: dict[str, Any]) -> Table:
    what = "winner.toml" if record["trial"] is None else f"trial {record['trial']}"
    what = "the winner" if record["confirmed"] else f"{what}, not confirmed"
    table = Table("on test", f"{what}, seed 0", "95 % interval", "twin, on train alone", box=None)
    for key, name in ROWS:
        interval = record["test"].get(f"{key}_interval")
        between = f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else ""
        table.add_row(name, f"{record['test'][key]:.4f}", between, f"{record['twin']['test'][key]:.4f}")
    return table


def _lines(record: dict[str, Any]) -> Iterator[str]:
    pictures, test, twin = record["pictures"], record["test"], record["twin"]
    count = record["opening"]
    opened = "opened for the first time" if count == 1 else f"[yellow]opened {count} times by now[/]"
    yield f"Test: {pictures['test']:,} pictures ({record['test_kind']}), {opened}."
    if record["mean_interval"]:
        low, high = record["mean_interval"]
        seeds = len(record["seeds"])
        yield f"Over {seeds} seeds: accuracy {record['mean']:.4f}, 95 % interval {low:.4f} to {high:.4f}."
    low, high = twin["gain_interval"]
    verdict = ", which is no more than chance may give" if low <= 0 <= high else ""
    yield (
        f"Training on val as well ({pictures['train']:,} pictures instead of {pictures['twin']:,}) gained "
        f"{100 * twin['gain']:+.1f} points, 95 % interval {100 * low:+.1f} to {100 * high:+.1f}{verdict}"
        f"{'' if record['mean_interval'] else '; for these seeds'}."
    )
    yield (
        f"Temperature {record['temperature']:.3g}, fitted to the twin's answers on val: calibration error "
        f"{test['ece']:.4f} before, {test['ece_scaled']:.4f} after."
    )
    if average := record["average"]:
        yield _of_average(average)
    yield from _of_retrieval(record)
    yield _of_cost(record["cost"])


def _of_average(average: dict[str, Any]) -> str:
    verdict = "is used" if average["used"] else "is not used: the weights of the last step are"
    return (
        f"Average of the weights (EMA {average['decay']:g}): val accuracy {average['val_accuracy']:.4f} in the twin, "
        f"{average['val_accuracy_last']:.4f} without; it {verdict}."
    )


def _of_retrieval(record: dict[str, Any]) -> Iterator[str]:
    if record["retrieval_problem"]:
        yield f"[yellow]warning:[/] no retrieval on test: {escape(record['retrieval_problem'])}"
    if found := record["retrieval"]:
        point, (low, high) = found["point"], found["accuracy_interval"]
        yield (
            f"Retrieval as chosen on val (k {point['k']}, {point['distance']}, normalisation {point['normalize']}, "
            f"{point['vote']} vote): accuracy {found['accuracy']:.4f}, 95 % interval {low:.4f} to {high:.4f}."
        )


def _of_cost(cost: dict[str, Any]) -> str:
    hours = "" if not cost["gpu_hours"] else f" ({cost['gpu_hours']:.2f} GPU-hours)"
    search = "" if not cost["search_gpu_hours"] else f" ({cost['search_gpu_hours']:.2f} GPU-hours)"
    return (
        f"Cost: {duration(cost['seconds'])}{hours} on {cost['device']}; "
        f"the search took {duration(cost['search_seconds'])}{search}."
    )


def weakest(folder: RetrainFolder) -> Iterator[str]:
    """The pairs confused most often, and the classes found worst."""
    pairs = read_csv(folder.root / "confused-test.csv", "replace")[:SHOWN]
    if pairs:
        told = (f"{row['true']} for {row['taken_for']} ({row['times']} of {row['of']})" for row in pairs)
        yield escape(f"Most often confused: {'; '.join(told)}")
    there = (row for row in read_csv(folder.classes, "replace") if int(row["pictures"]))
    told = (f"{row['class']} {float(row['f1']):.2f}" for row in sorted(there, key=lambda row: float(row["f1"]))[:SHOWN])
    yield escape(f"Weakest classes by F1: {'; '.join(told)}")
