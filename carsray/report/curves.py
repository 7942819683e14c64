"""Learning curves: every trial's, with the rungs at which trials were compared, and the best one's losses."""

from collections.abc import Sequence
from dataclasses import dataclass

from carsray.report.best_so_far import states
from carsray.report.numbers import round_share
from carsray.report.plots import Dot, Key, Line, Plot, Rule, Table, axis, joined, upward
from carsray.report.reading import Sweep
from carsray.report.scales import Scale, share_span, span, whole_ticks

LOSSES = {"train/loss": "c0", "val/loss": "c1"}
"""Of the best trial, with the style of each."""


@dataclass(frozen=True, slots=True)
class Curves:
    """The chart of all, the chart of the best, and the table of accuracies."""

    accuracy: Plot
    losses: Plot | None
    best: int
    table: Table


def curves(sweep: Sweep) -> Curves | None:
    """None before the first epoch."""
    if sweep.best is None:
        return None
    return Curves(_accuracies(sweep), _losses(sweep, sweep.best.trial), sweep.best.trial, _table(sweep))


def _accuracies(sweep: Sweep) -> Plot:
    x = Scale(1, max(sweep.space.epochs, 2))
    told = {
        row.trial: [(line["epoch"], line["val/accuracy"]) for line in sweep.histories[row.trial]]
        for row in sweep.scored
    }
    y = share_span(value for points in told.values() for _, value in points)
    lines, dots = [], []
    for at, row in enumerate(sweep.scored):
        placed = [(x.at(epoch), 100 - y.at(value)) for epoch, value in told[row.trial]]
        style = "best" if at == 0 else f"q{min(4, 5 * at // len(sweep.scored))}"
        lines.append(Line(joined(placed), f"curve {style}", row.trial))
        dots.append(Dot(*placed[-1], f"state {row.state}" + (" best" if at == 0 else ""), row.trial))
    rungs = sweep.space.rungs
    says = f"Val accuracy by epoch of {len(lines)} trials; rungs at epochs {', '.join(map(str, rungs)) or 'none'}"
    return Plot(
        says,
        axis("epoch", x, lambda value: f"{value:g}", whole_ticks(x)),
        upward(axis("val accuracy", y, round_share)),
        lines[::-1],
        dots[::-1],
        [Rule(x.at(rung), f"rung {rung}") for rung in rungs],
        [
            Key("curve best", "the best"),
            Key("curve q0", "better"),
            Key("curve q4", "worse"),
            *states({row.state for row in sweep.scored}),
        ],
    )


def _losses(sweep: Sweep, trial: int) -> Plot | None:
    history = sweep.histories[trial]
    told = {name: [(line["epoch"], line[name]) for line in history if name in line] for name in LOSSES}
    if not all(told.values()):
        return None
    x, y = Scale(1, max(len(history), 2)), span(value for points in told.values() for _, value in points)
    lines = [
        Line(joined((x.at(epoch), 100 - y.at(value)) for epoch, value in points), f"series {LOSSES[name]}", tip=name)
        for name, points in told.items()
    ]
    last = ", ".join(f"{name} {points[-1][1]:.3f}" for name, points in told.items())
    return Plot(
        f"Losses of trial {trial} by epoch, in the end: {last}",
        axis("epoch", x, lambda value: f"{value:g}", whole_ticks(x)),
        upward(axis("loss", y, lambda value: f"{value:.3g}")),
        lines,
        keys=[Key(f"series {style}", name) for name, style in LOSSES.items()],
    )


def _table(sweep: Sweep) -> Table:
    epochs = range(1, max(len(sweep.histories[row.trial]) for row in sweep.scored) + 1)
    rows: list[Sequence[str]] = []
    for row in sweep.scored:
        held = {line["epoch"]: f"{line['val/accuracy']:.4f}" for line in sweep.histories[row.trial]}
        rows.append([str(row.trial), *(held.get(epoch, "") for epoch in epochs)])
    rungs = sweep.space.rungs
    return Table(
        "Val accuracy by epoch",
        ["trial", *(f"{epoch} (rung)" if epoch in rungs else str(epoch) for epoch in epochs)],
        rows,
    )
