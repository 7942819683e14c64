"""What a retrieval sweep leaves behind and says at its end."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from carsray.data.decode import squash
from carsray.data.records import DataSplit, Row
from carsray.data.remote import copied
from carsray.files import write_bytes, write_json
from carsray.interval import wilson
from carsray.retrieval.evaluate import Embedded, Outcome
from carsray.retrieval.examples import Example, write_examples
from carsray.retrieval.grid import Grid
from carsray.retrieval.normalize import fit_normalize
from carsray.retrieval.pictures import SIDE, draw_accuracy, draw_neighbours
from carsray.retrieval.record import best_of, separable, write_record
from carsray.retrieval.search import nearest

SHOWN = 10
EXAMPLES, NEIGHBOURS = 8, 6
"""Queries and neighbours of each in the picture."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What a retrieval sweep is about, and where its files go."""

    folder: Path
    source: str
    gallery: Embedded
    queries: Embedded | None
    split: DataSplit | None = None
    """Of the sweep whose train and val these are; none for embeddings that a person brought."""
    cache: Path = Path()
    """Where its pictures lie if they come from a bucket."""
    alone: bool = False
    """Leave-one-out: each query is searched in the others."""

    @property
    def sides(self) -> tuple[Embedded, Embedded | None]:
        """What is searched, and for what; without queries, each row of the gallery in all the others."""
        return (self.queries or self.gallery, None) if self.alone else (self.gallery, self.queries)

    def file(self, ending: str) -> Path:
        """A file of this sweep; the two protocols have their own."""
        own = "-leave-one-out" if self.sides[1] is None else ""
        return self.folder / f"retrieval{own}{ending}"


def write_results(searched: Searched, outcomes: Sequence[Outcome], grid: Grid) -> None:
    """Write the table, the choice and both pictures."""
    gallery, queries = searched.sides
    for ending in (".index", "-index.json", "-neighbours.csv", "-neighbours.png"):  # of another search
        searched.file(ending).unlink(missing_ok=True)
    facts = {
        "source": searched.source,
        "protocol": "leave-one-out" if queries is None else "same-classes",
        "gallery": len(gallery.labels),
        "queries": len(outcomes[0].right),
        "dimensions": gallery.rows.shape[1],
    }
    write_record(searched.file(""), outcomes, grid, facts)
    draw_accuracy(outcomes, searched.file("-accuracy.png"))
    if searched.split is not None and queries is not None:
        examples = _examples(searched, best_of(outcomes))
        write_examples(searched.file("-neighbours.csv"), examples, searched.split)
        write_bytes(searched.file("-neighbours.png"), _drawn(searched, examples))


def _examples(searched: Searched, best: Outcome) -> list[Example]:
    """Queries spread evenly over val, with their neighbours in train under the chosen point."""
    assert searched.split is not None
    assert searched.queries is not None
    chosen = np.unique(np.linspace(0, len(searched.queries.labels) - 1, EXAMPLES).astype(int))
    change = fit_normalize(best.point.normalize, searched.gallery.rows)
    k = min(NEIGHBOURS, len(searched.gallery.labels))
    asked = change(searched.queries.rows[chosen])
    _, rows = nearest(change(searched.gallery.rows), asked, k, best.point.distance)
    return [
        Example(searched.split.val[at], tuple(searched.split.train[found] for found in near))
        for at, near in zip(chosen, rows, strict=True)
    ]


def _drawn(searched: Searched, examples: Sequence[Example]) -> bytes:
    found = [[(_picture(searched, row), row.label == each.query.label) for row in each.neighbours] for each in examples]
    return draw_neighbours([_picture(searched, each.query) for each in examples], found)


def _picture(searched: Searched, row: Row) -> np.ndarray:
    (here,) = copied([row], searched.cache)
    with Image.open(here.path) as file:
        return squash(file, SIDE)


def write_index(searched: Searched, kind: Literal["ivf", "hnsw"], outcomes: Sequence[Outcome]) -> None:
    """Build an approximate index for the chosen point, measure it, write retrieval.index and retrieval-index.json."""
    from carsray.retrieval.serving import build_index, measure_index, save_index

    point = best_of(outcomes).point
    gallery, queries = searched.sides[0], searched.sides[1] or searched.sides[0]
    own = np.arange(len(gallery.labels)) if searched.sides[1] is None else None
    change = fit_normalize(point.normalize, gallery.rows)
    rows, asked = change(gallery.rows), change(queries.rows)
    index = build_index(kind, rows, point.distance)
    served = measure_index(index, kind, rows, asked, point.k, point.distance, own)
    save_index(index, searched.file(".index"))
    facts = {"normalize": point.normalize, "distance": point.distance, "approximate": True}
    write_json(searched.file("-index.json"), facts | asdict(served))
    Console(highlight=False, soft_wrap=True).print(
        f"Approximate index ({kind}): finds {served.recall:.1%} of the exact {point.k} nearest, "
        f"{served.queries_per_second:,.0f} queries a second"
    )


def print_best(searched: Searched, outcomes: Sequence[Outcome], grid: Grid) -> None:
    """The best points, how sure they are, where everything is."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has no edge
    best = best_of(outcomes)
    shown = sorted(outcomes, key=lambda each: (-each.metrics["accuracy"], -each.metrics["f1_macro"], each.point.k))
    columns = ("accuracy", "f1_macro", "recall_at_k", "map_at_k", "map_at_r")
    table = Table(*("normalize", "distance", "vote", "k"), *columns, box=None)
    for each in shown[:SHOWN]:
        values = (f"{each.metrics[name]:.4f}" for name in columns)
        table.add_row(each.point.normalize, each.point.distance, each.point.vote, str(each.point.k), *values)
    console.print(table)
    low, high = wilson(int(best.right.sum()), len(best.right))
    level = sum(not separable(best, each) for each in outcomes)
    console.print(
        f"Best of {len(outcomes)} points: {best.metrics['accuracy']:.4f}, 95 % interval {low:.4f} to {high:.4f}; "
        f"{level - 1} others cannot be told from it. Ties go to the {grid.tie.replace('-', ' ')}."
    )
    for ending in (".csv", ".json", "-accuracy.png", "-neighbours.png", "-index.json"):
        if searched.file(ending).exists():
            console.print(f"  {searched.file(ending)}")
