"""Where the time went: of all trials together, and of each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carsray.report.numbers import gpu_hours
from carsray.report.plots import Bar, Bars, Key, Part, Table
from carsray.report.reading import Sweep
from carsray.tuning.picture import duration
from carsray.tuning.timing import PARTS, time_spent, timing_lines

MOST = 24
"""Trials with a bar; all are in the table."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What the terminal says at a sweep's end, and the same drawn."""

    sentences: Sequence[str]
    gpu_sentence: str
    total: Bars
    trials: Bars
    left_out: int
    """Trials without a bar."""
    table: Table


def spending(sweep: Sweep) -> Spending | None:
    """None where no epoch has ended."""
    by_trial = {row.trial: _parts(sweep.histories[row.trial]) for row in sweep.rows}
    by_trial = {trial: parts for trial, parts in by_trial.items() if parts}
    if not by_trial:
        return None
    total: Counter[str] = Counter()
    for parts in by_trial.values():
        total.update(parts)
    order = [part for part, _ in total.most_common()]
    styles = {part: f"c{at}" for at, part in enumerate(PARTS)}
    shown = sorted(by_trial, key=lambda trial: -sum(by_trial[trial].values()))[:MOST]
    longest = max(sum(parts.values()) for parts in by_trial.values())
    keys = [Key(styles[part], f"{PARTS[part]} {total[part] / total.total():.0%}", shape="dot") for part in order]
    bars = [_bar(f"trial {trial}", by_trial[trial], order, styles, longest, trial) for trial in shown]
    return Spending(
        timing_lines(time_spent(sweep.folder, len(sweep.split.train))),
        _gpus(sweep),
        Bars(
            "Where the time went: " + ", ".join(f"{PARTS[part]} {duration(total[part])}" for part in order),
            [_bar("all trials", total, order, styles, total.total())],
            keys,
        ),
        Bars(f"The same by trial, the {len(shown)} longest", bars),
        len(by_trial) - len(shown),
        _table(sweep, by_trial, order),
    )


def _parts(history: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    found = {part: sum(line.get(f"seconds/{part}", 0.0) for line in history) for part in PARTS}
    return {part: seconds for part, seconds in found.items() if seconds > 0}


def _bar(
    label: str,
    parts: Mapping[str, float],
    order: Sequence[str],
    styles: Mapping[str, str],
    longest: float,
    trial: int | None = None,
) -> Bar:
    drawn, at = [], 0.0
    for part in order:
        if seconds := parts.get(part, 0.0):
            width = 100 * seconds / longest
            drawn.append(
                Part(round(at, 3), round(width, 3), styles[part], f"{label}, {PARTS[part]}: {duration(seconds)}")
            )
            at += width
    return Bar(label, duration(sum(parts.values())), drawn, trial)


def _gpus(sweep: Sweep) -> str:
    seconds = sum(row.seconds for row in sweep.rows)
    slots = f"All trials together took {duration(seconds)} of their slots, in {duration(sweep.seconds)} by the clock"
    if sweep.gpu_share is None:
        return f"{slots}; how many GPUs each had is not recorded."
    if not sweep.gpu_hours:
        return f"{slots}; no GPU was used."
    at = "and lately at" if len({run["gpus_per_trial"] for run in sweep.runs if "gpus_per_trial" in run}) > 1 else "at"
    return f"{slots}: {gpu_hours(sweep.gpu_hours)} GPU-hours {at} {sweep.gpu_share:g} of a GPU a trial."


def _table(sweep: Sweep, by_trial: Mapping[int, Mapping[str, float]], order: Sequence[str]) -> Table:
    share = sweep.gpu_share
    head = ["trial", "epochs", *(PARTS[part] for part in order), "together", *(["GPU-hours"] if share else [])]
    rows = [
        [
            str(row.trial),
            str(row.epochs),
            *(duration(by_trial[row.trial].get(part, 0.0)) for part in order),
            duration(row.seconds),
            *([f"{row.seconds * share / 3600:.3f}"] if share else []),
        ]
        for row in sorted(sweep.rows, key=lambda row: row.trial)
        if row.trial in by_trial
    ]
    return Table("Time by trial", head, rows)
