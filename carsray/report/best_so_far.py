"""Best so far over time: what the search would have answered had it been stopped then; of one sweep or of several."""

from collections.abc import Sequence
from dataclasses import dataclass

from carsray.report.numbers import round_share
from carsray.report.plots import Axis, Dot, Key, Line, Plot, Table, Tick, axis, stepped, upward
from carsray.report.reading import Sweep
from carsray.report.scales import Scale, share_span, time_ticks
from carsray.results import BEST
from carsray.tuning.picture import duration

Step = tuple[float, float, int]
"""Seconds by the clock, score, trial."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The chart and the table of improvements."""

    plot: Plot
    table: Table


def improvements(sweep: Sweep) -> list[Step]:
    """Each epoch at which the best score rose."""
    epochs = sorted(
        (line["time"], line[BEST], trial)
        for trial, history in sweep.histories.items()
        for line in history
        if "time" in line
    )
    found: list[Step] = []
    for moment, score, trial in epochs:
        if not found or score > found[-1][1]:
            found.append((sweep.worked(moment), score, trial))
    return found


def best_so_far(sweep: Sweep) -> Progress | None:
    """The chart; None before the first epoch."""
    steps = improvements(sweep)
    if not steps:
        return None
    dots = [(sweep.worked(at), row) for row in sweep.scored if (at := _when_best(sweep, row.trial)) is not None]
    x, y = Scale(0, max(sweep.seconds, 1)), share_span([*(row.score for _, row in dots), steps[0][1]])
    plot = Plot(
        f"Best val accuracy so far: from {steps[0][1]:.4f} to {steps[-1][1]:.4f} in {duration(sweep.seconds)}",
        _time(x),
        upward(axis("val accuracy, best epoch", y, round_share)),
        lines=[_line(steps, x, y, "best", "")],
        dots=[Dot(x.at(at), 100 - y.at(row.score), f"state {row.state}", row.trial) for at, row in dots],
        keys=[Key("best", "best so far"), *states({row.state for _, row in dots})],
    )
    return Progress(plot, _table("Every improvement", [("", sweep, steps)]))


def compared_best(sweeps: Sequence[Sweep]) -> Progress | None:
    """Several sweeps in one chart; None where none has a score."""
    told = [(sweep.name, sweep, steps) for sweep in sweeps if (steps := improvements(sweep))]
    if not told:
        return None
    x = Scale(0, max(1.0, *(sweep.seconds for _, sweep, _ in told)))
    y = share_span(score for _, _, steps in told for _, score, _ in steps)
    styles = [f"series c{at % 8}" for at in range(len(told))]
    plot = Plot(
        "Best val accuracy so far over time of " + ", ".join(f"{name} (to {s[-1][1]:.4f})" for name, _, s in told),
        _time(x),
        upward(axis("val accuracy, best epoch", y, round_share)),
        lines=[
            _line(steps, x, y, style, name, sweep.seconds)
            for (name, sweep, steps), style in zip(told, styles, strict=True)
        ],
        keys=[Key(style, name) for (name, _, _), style in zip(told, styles, strict=True)],
    )
    return Progress(plot, _table("Every improvement", told))


def states(there: set[str]) -> list[Key]:
    """Legend entries of the states that occur."""
    return [
        Key(f"state {state}", state, shape="dot")
        for state in ("finished", "pruned", "paused", "running", "failed")
        if state in there
    ]


def _when_best(sweep: Sweep, trial: int) -> float | None:
    """When a trial's best epoch ended."""
    lines = [line for line in sweep.histories[trial] if "time" in line]
    return max(lines, key=lambda line: (line["val/accuracy"], -line["epoch"]))["time"] if lines else None


def _time(x: Scale) -> Axis:
    made = axis("time by the clock, breaks left out", x, _round_time, time_ticks(x))
    return Axis(made.title, made.ticks or [Tick(0, "0")])


def _round_time(seconds: float) -> str:
    """A round time along an axis."""
    if seconds < 60:
        return f"{seconds:g} s" if seconds else "0"
    if seconds < 3600:
        return f"{seconds / 60:g} min"
    return f"{seconds / 3600:g} h" if seconds < 2 * 86400 else f"{seconds / 86400:g} d"


def _line(steps: Sequence[Step], x: Scale, y: Scale, style: str, tip: str, until: float | None = None) -> Line:
    placed = [(x.at(seconds), 100 - y.at(score)) for seconds, score, _ in steps]
    return Line(stepped(placed, 100.0 if until is None else x.at(until)), style, tip=tip)


def _table(title: str, told: Sequence[tuple[str, Sweep, Sequence[Step]]]) -> Table:
    rows = [
        ([name] if len(told) > 1 else []) + [duration(seconds), f"{score:.4f}", str(trial)]
        for name, _, steps in told
        for seconds, score, trial in steps
    ]
    head = [*(["sweep"] if len(told) > 1 else []), "after", "best so far", "trial"]
    return Table(title, head, rows)
