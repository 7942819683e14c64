"""What mattered: importances, and each parameter against the score."""

from collections.abc import Sequence
from dataclasses import dataclass

from carsray.report import parallel
from carsray.report.best_so_far import states
from carsray.report.numbers import round_share
from carsray.report.plots import Axis, Bar, Bars, Dot, Key, Part, Plot, Tick, axis, upward
from carsray.report.reading import Sweep
from carsray.report.scales import Scale, share_span, ticks, whole_ticks
from carsray.space import Parameter
from carsray.tuning.importance import LEAST_TRIALS, Importances, measure_importances
from carsray.tuning.picture import number

MANY = 50
"""Trials from which on importances are more than a hint."""
FEW = 4
"""Values written along the axis of a small chart."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Importances, if enough trials tell of them, and a small chart a parameter."""

    importances: Bars | None
    measured: str
    plots: Sequence[Plot]
    keys: Sequence[Key]


def parameters(sweep: Sweep) -> Parameters | None:
    """None where no trial has a score, or nothing was searched."""
    if not sweep.scored or not sweep.space.parameters:
        return None
    found = measure_importances(sweep.folder, sweep.space, sweep.rows)
    found = found if found and found.shares else None
    y = share_span(row.score for row in sweep.scored)
    order = sorted(sweep.space.parameters.values(), key=lambda each: -found.shares.get(each.name, 0.0) if found else 0)
    return Parameters(
        _bars(found) if found else None,
        _measured(found),
        [_plot(sweep, parameter, y) for parameter in order],
        [Key("state best", "the best", shape="dot"), *states({row.state for row in sweep.scored})],
    )


def _measured(found: Importances | None) -> str:
    if found is None:
        return f"Too few trials to say which parameter mattered: {LEAST_TRIALS} have to reach the same rung."
    said = (
        f"How much each parameter explains of the score (PED-ANOVA), by the best up to epoch {found.epoch} of the "
        f"{found.trials} trials that reached it."
    )
    return said if found.trials >= MANY else f"{said} So few give a hint, not a measurement."


def _bars(found: Importances) -> Bars:
    longest = max(found.shares.values()) or 1.0
    bars = [
        Bar(name, f"{share:.0%}", [Part(0, round(100 * share / longest, 2), "plain")])
        for name, share in found.shares.items()
    ]
    said = ", ".join(f"{name} {share:.0%}" for name, share in found.shares.items())
    return Bars(f"Importance of each parameter: {said}", bars)


def _plot(sweep: Sweep, parameter: Parameter, y: Scale) -> Plot:
    rows = [row for row in sweep.scored if parameter.name in row.params]
    along = parallel.axis_of(parameter, rows)
    dots = [
        Dot(
            along.across(along.place(row.params[parameter.name]), row.trial),
            100 - y.at(row.score),
            f"state {row.state}" + (" best" if row is sweep.best else ""),
            row.trial,
        )
        for row in rows
    ]
    best = f"; the best of them has {number(rows[0].params[parameter.name])}" if rows else ""
    says = f"{parameter.name} against val accuracy, {len(rows)} trials{best}"
    x = Axis("log scale" if parameter.log else "", _ticks(along))
    return Plot(says, x, upward(axis("", y, round_share)), dots=dots[::-1], small=True, title=parameter.name)


def _ticks(along: parallel.Axis) -> list[Tick]:
    if along.kind == "choice":
        return [Tick(along.middle(at), text) for at, text in enumerate(along.choices)]
    scale = Scale(along.low, along.high, along.log)
    round_values = whole_ticks(scale, FEW) if along.integer else ticks(scale, FEW)
    return [Tick(scale.at(value), f"{value:.3g}") for value in round_values]
