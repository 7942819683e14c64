"""Parallel coordinates: a thread for each trial, through its score and all it was tried with.

The axes lie and the threads run downwards, so that names can be read, a phone is wide enough, and each axis is itself a
pair of sliders: the brush of a mouse, of a finger and of a keyboard is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from carsray.leaderboard import TrialRow
from carsray.report.plots import crowd
from carsray.report.reading import Sweep
from carsray.report.scales import Scale
from carsray.results import BEST
from carsray.space import Parameter
from carsray.tuning.picture import number

PITCH = 58
"""Pixels from one axis to the next."""
LINE = 38
"""Where in that the axis itself lies; above it is room for its name."""
KNOWN = 0.9
"""Share of an axis for values; the rest is for trials that have none, where there are such."""
SPREAD, GOLDEN = 0.28, 0.618034
"""Share of a choice's place that trials are spread over, by multiples of the golden ratio: evenly, however many."""
SHADES = 5
"""Of the threads, by rank."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A parameter, or the score."""

    name: str
    kind: Literal["range", "choice"]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    integer: bool = False
    low_text: str = ""
    high_text: str = ""
    choices: Sequence[str] = ()
    partial: bool = False
    """Whether some trials have no value."""

    def place(self, value: object) -> float | None:
        """Percent of the way from low to high, or the number of the choice; None for no value."""
        if value is None:
            return None
        if self.kind == "choice":
            return float(self.choices.index(str(value)))
        return Scale(self.low, self.high, self.log).at(float(value))  # type: ignore[arg-type]  # a range holds numbers

    def across(self, place: float | None, trial: int) -> float:
        """The same in percent of the whole width; trials that share a choice are spread over its place."""
        if place is None:
            return 100 * (1 + KNOWN) / 2
        width = KNOWN if self.partial else 1.0
        if self.kind == "range":
            return width * place
        return width * 100 * (place + 0.5 + SPREAD * ((trial * GOLDEN) % 1 - 0.5)) / len(self.choices)

    def middle(self, choice: int) -> float:
        """The middle of a choice's place, in percent of a whole width."""
        return 100 * (choice + 0.5) / len(self.choices)


@dataclass(frozen=True, slots=True)
class Thread:
    """A trial."""

    trial: int
    path: str
    """SVG path data, 1000 wide and as high as the axes take."""
    style: str


@dataclass(frozen=True, slots=True)
class Parallel:
    """The whole chart."""

    says: str
    axes: Sequence[Axis]
    threads: Sequence[Thread]
    """The best one last, on top."""
    places: Sequence[tuple[int, Sequence[float | None]]]
    """(trial, its place on each axis): what the brushes are compared with."""

    @property
    def crowd(self) -> str:
        """How thin the threads have to be."""
        return crowd(len(self.threads))

    @property
    def height(self) -> int:
        """In pixels."""
        return PITCH * len(self.axes)


def parallel(sweep: Sweep) -> Parallel | None:
    """All trials; None where there are none, or nothing was searched."""
    if not sweep.rows or not sweep.space.parameters:
        return None
    axes = [_score_axis(sweep), *(axis_of(parameter, sweep.rows) for parameter in sweep.space.parameters.values())]
    places = [
        (row.trial, [axis.place(value) for axis, value in zip(axes, values(sweep, row), strict=True)])
        for row in sweep.rows
    ]
    last = max(len(sweep.rows) - 1, 1)
    threads = [
        Thread(row.trial, _path(axes, places[at][1], row.trial), _style(row, at, last))
        for at, row in enumerate(sweep.rows)
    ]
    says = f"Parallel coordinates of {len(sweep.rows)} trials over val accuracy and {len(axes) - 1} searched parameters"
    return Parallel(says, axes, threads[::-1], places)


def values(sweep: Sweep, row: TrialRow) -> list[Any]:
    """What a trial has on each axis; None where it has nothing."""
    return [row.best.get(BEST), *(row.params.get(name) for name in sweep.space.parameters)]


def _score_axis(sweep: Sweep) -> Axis:
    scores = [row.score for row in sweep.scored] or [0.0, 1.0]
    low, high = min(scores), max(scores)
    partial = len(sweep.scored) < len(sweep.rows)
    return Axis(BEST, "range", low, high, low_text=f"{low:.4f}", high_text=f"{high:.4f}", partial=partial)


def axis_of(parameter: Parameter, rows: Sequence[TrialRow]) -> Axis:
    """The axis of a parameter that these trials fit on."""
    held = [row.params[parameter.name] for row in rows if parameter.name in row.params]
    partial = len(held) < len(rows)
    if parameter.choices:
        # A point of --from may lie outside of what is searched.
        choices = tuple(dict.fromkeys(map(str, (*parameter.choices, *held))))
        return Axis(parameter.name, "choice", choices=choices, partial=partial)
    low, high = min([parameter.low, *map(float, held)]), max([parameter.high, *map(float, held)])
    texts = number(int(low) if parameter.integer else low), number(int(high) if parameter.integer else high)
    return Axis(parameter.name, "range", low, high, parameter.log, parameter.integer, *texts, partial=partial)


def _path(axes: Sequence[Axis], places: Sequence[float | None], trial: int) -> str:
    """Smooth from axis to axis, upright where it meets them."""
    points = [
        (round(10 * axis.across(place, trial)), PITCH * at + LINE)
        for at, (axis, place) in enumerate(zip(axes, places, strict=True))
    ]
    (x, y), bend = points[0], PITCH // 3
    first, *others = (f"{across} {down - bend} {across} {down}" for across, down in points[1:])
    return f"M{x} {y}C{x} {y + bend} {first}" + "".join(f"S{each}" for each in others)


def _style(row: TrialRow, at: int, last: int) -> str:
    if row.state == "failed" or not row.best:
        return "thread none"
    return "thread best" if at == 0 else f"thread q{min(SHADES - 1, SHADES * at // (last + 1))}"
