"""A chart as data: what stands where, in percent of the plotted area. page/plot.html draws it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from carsray.report.scales import Scale, ticks


@dataclass(frozen=True, slots=True)
class Tick:
    """A value written along an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Axis:
    """What is measured, and the values written along it."""

    title: str
    ticks: Sequence[Tick] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A curve."""

    path: str
    """SVG path data in a box of 1000 by 1000."""
    style: str
    """CSS classes."""
    trial: int | None = None
    tip: str = ""
    """Said where it is pointed at; of a trial the script knows what to say."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A point."""

    x: float
    y: float
    style: str
    trial: int | None = None
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across the plot, with a word beside it."""

    at: float
    text: str
    across: bool = False
    """From left to right; else from top to bottom."""


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of a legend."""

    style: str
    text: str
    shape: Literal["line", "dot", "tick"] = "line"


@dataclass(frozen=True, slots=True)
class Table:
    """What stands behind a chart, in words and numbers."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: frozenset[int] = frozenset({0})
    """Columns of text; the others are numbers, and stand to the right."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart of lines and dots."""

    says: str
    """What it shows, for who cannot see it."""
    x: Axis
    y: Axis
    lines: Sequence[Line] = ()
    dots: Sequence[Dot] = ()
    rules: Sequence[Rule] = ()
    keys: Sequence[Key] = ()
    small: bool = False
    """One of several side by side."""
    title: str = ""

    @property
    def crowd(self) -> str:
        """How fine its marks have to be."""
        return crowd(len(self.dots))

    @property
    def dots_by_style(self) -> dict[str, list[Dot]]:
        """What is drawn last comes last: a style lies where its first dot does."""
        groups: dict[str, list[Dot]] = {}
        for dot in self.dots:
            groups.setdefault(dot.style, []).append(dot)
        return groups


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar."""

    at: float
    width: float
    style: str
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a bar chart, drawn from left to right."""

    label: str
    number: str
    parts: Sequence[Part]
    trial: int | None = None


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart of bars."""

    says: str
    bars: Sequence[Bar]
    keys: Sequence[Key] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A row of a chart of intervals."""

    label: str
    number: str
    at: float
    style: str
    low: float | None = None
    high: float | None = None
    """None: there is no interval."""
    beside: float | None = None
    """Another estimate of the same, drawn hollow."""
    spots: Sequence[float] = ()
    """What the estimate was made from."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """A chart of estimates with their intervals."""

    says: str
    axis: Axis
    rows: Sequence[Estimate]
    keys: Sequence[Key] = ()


def crowd(marks: int) -> str:
    """The CSS class of so many marks: the more, the finer."""
    return "crowd" if marks > 500 else "many-marks" if marks > 100 else ""


def axis(title: str, scale: Scale, text: Callable[[float], str], values: Sequence[float] | None = None) -> Axis:
    """An axis with round values, or with these."""
    shown = ticks(scale) if values is None else values
    return Axis(title, [Tick(scale.at(value), text(value)) for value in shown])


def upward(axis: Axis) -> Axis:
    """The same axis from bottom to top: SVG counts from the top."""
    return Axis(axis.title, [Tick(round(100 - tick.at, 2), tick.text) for tick in axis.ticks])


def joined(points: Iterable[tuple[float, float]]) -> str:
    """Path data through points in percent."""
    return "M" + "L".join(f"{10 * x:.0f} {10 * y:.0f}" for x, y in points)


def stepped(points: Sequence[tuple[float, float]], until: float) -> str:
    """Path data of a value that holds until the next point, the last one until a place in percent."""
    ends = [x for x, _ in points[1:]] + [until]
    return "M" + "L".join(
        f"{10 * x:.0f} {10 * y:.0f}L{10 * end:.0f} {10 * y:.0f}" for (x, y), end in zip(points, ends, strict=True)
    )
