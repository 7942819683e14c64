"""Retrieval: accuracy over k for each distance, and some pictures with their neighbours."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carsray.errors import ResultsError
from carsray.report.numbers import bounds, round_share, share
from carsray.report.plots import Axis, Dot, Key, Line, Plot, Table, Tick, axis, joined, upward
from carsray.report.reading import Sweep
from carsray.report.scales import Scale, share_span
from carsray.report.thumbnails import Thumbnail, Thumbnails
from carsray.retrieval.examples import read_examples

DASHES = ("", " dashed", " dotted")
METRICS = ("accuracy", "f1_macro", "recall_at_k", "map_at_k", "map_at_r")
Point = Mapping[str, str]
"""A line of retrieval.csv."""


@dataclass(frozen=True, slots=True)
class Query:
    """A picture of val with the nearest ones of train."""

    picture: Thumbnail
    neighbours: Sequence[tuple[Thumbnail, bool]]
    """With each, whether it has the query's class."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The grid's outcome."""

    sentence: str
    plots: Sequence[Plot]
    keys: Sequence[Key]
    table: Table
    queries: Sequence[Query]


def retrieved(sweep: Sweep, pictures: Thumbnails) -> Retrieved | None:
    """None before `carsray retrieval`."""
    found = sweep.findings.retrieved
    if not found:
        return None
    points = _read(sweep)
    styles = _styles(points)
    y = share_span(float(point["accuracy"]) for point in points)
    distances = list(dict.fromkeys(point["distance"] for point in points))
    chosen, rivals = found["chosen"], len(found.get("not_separable_from_chosen", ()))
    sentence = (
        f"Best of {len(points)} points: k = {chosen['k']}, {chosen['distance']}, normalisation {chosen['normalize']}, "
        f"vote {chosen['vote']}: {share(found['metrics']['accuracy'])}, 95 % interval "
        f"{bounds(found['accuracy_interval'])}; {rivals} others cannot be told from it. "
        f"Chosen on {found['chosen_on']}: the number of the chosen one is flattered a little."
    )
    return Retrieved(
        sentence,
        [_plot(distance, points, styles, y, chosen) for distance in distances],
        [*(Key(style, name) for name, style in styles.items()), Key("point best", "the chosen point", shape="dot")],
        _table(points),
        _queries(sweep, pictures),
    )


def _read(sweep: Sweep) -> list[Point]:
    path = sweep.folder.root / "retrieval.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            points: list[Point] = list(csv.DictReader(file))
        for point in points:
            float(point["accuracy"]), int(point["k"])
        return points
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{path}: cannot be read ({error!r}). Run carsray retrieval {sweep.name} again") from None


def _name(point: Point) -> str:
    return f"{point['normalize']}, {point['vote']}"


def _styles(points: Sequence[Point]) -> dict[str, str]:
    """A colour for each normalisation, a dash for each vote."""
    normalizations = sorted({point["normalize"] for point in points}, key=str)
    votes = sorted({point["vote"] for point in points}, key=str)
    return {
        _name(point): f"series c{normalizations.index(point['normalize']) % 8}"
        + DASHES[votes.index(point["vote"]) % len(DASHES)]
        for point in sorted(points, key=_name)
    }


def _plot(
    distance: str, points: Sequence[Point], styles: Mapping[str, str], y: Scale, chosen: Mapping[str, object]
) -> Plot:
    ks = sorted({int(point["k"]) for point in points})
    x = Scale(ks[0], max(ks[-1], ks[0] + 1), log=ks[-1] > 10 * ks[0])
    lines: dict[str, list[tuple[float, float]]] = {}
    dots = []
    for point in sorted((each for each in points if each["distance"] == distance), key=lambda each: int(each["k"])):
        place = x.at(int(point["k"])), 100 - y.at(float(point["accuracy"]))
        lines.setdefault(_name(point), []).append(place)
        best = all(str(chosen[name]) == point[name] for name in ("k", "distance", "normalize", "vote"))
        tip = f"{distance}, {_name(point)}, k = {point['k']}: {float(point['accuracy']):.4f}"
        dots.append(Dot(*place, f"{styles[_name(point)]} point" + (" best" if best else ""), tip=tip))
    best_here = max(float(each["accuracy"]) for each in points if each["distance"] == distance)
    return Plot(
        f"Accuracy over k with distance {distance}, at best {share(best_here)}",
        Axis("k", [Tick(x.at(k), str(k)) for k in _few(ks)]),
        upward(axis("", y, round_share)),
        [Line(joined(places), styles[name], tip=name) for name, places in lines.items()],
        dots,
        small=True,
        title=distance,
    )


def _few(ks: Sequence[int]) -> list[int]:
    """At most five of them, both ends included."""
    steps = min(5, len(ks))
    return sorted({ks[round(at * (len(ks) - 1) / max(steps - 1, 1))] for at in range(steps)})


def _table(points: Sequence[Point]) -> Table:
    words = ("normalize", "distance", "vote")
    metrics = [name for name in METRICS if all(name in point for point in points)]
    rows = [
        [
            *(point[name] for name in words),
            point["k"],
            *(f"{float(point[name]):.4f}" if point[name] else "" for name in metrics),
            f"{float(point['accuracy_low']):.4f} to {float(point['accuracy_high']):.4f}",
            "yes" if point["separable_from_best"] == "True" else "no",
        ]
        for point in points
    ]
    head = [*words, "k", *metrics, "95 % interval of the accuracy", "can be told from the best"]
    return Table("Every point, best first", head, rows, frozenset({0, 1, 2, len(head) - 1}))


def _queries(sweep: Sweep, pictures: Thumbnails) -> list[Query]:
    path = sweep.folder.root / "retrieval-neighbours.csv"
    return [
        Query(
            pictures.of(example.query),
            [(pictures.of(row), row.label == example.query.label) for row in example.neighbours],
        )
        for example in read_examples(path, sweep.split)
    ]
