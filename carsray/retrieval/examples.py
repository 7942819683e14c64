"""Some queries with the neighbours that the chosen point finds, as a table: retrieval-neighbours.csv."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from carsray.data.records import DataSplit, Row
from carsray.errors import ResultsError
from carsray.files import write_text

HEADER = ("query", "class", "rank", "neighbour", "neighbour_class")


@dataclass(frozen=True, slots=True)
class Example:
    """A picture of val, and what lies nearest to it in train."""

    query: Row
    neighbours: tuple[Row, ...]
    """Nearest first."""


def write_examples(path: Path, examples: Sequence[Example], split: DataSplit) -> None:
    """One line a neighbour."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(HEADER)
    for each in examples:
        for rank, row in enumerate(each.neighbours, start=1):
            names = split.classes[each.query.label], split.classes[row.label]
            table.writerow([each.query.path, names[0], rank, row.path, names[1]])
    write_text(path, text.getvalue())


def read_examples(path: Path, split: DataSplit) -> list[Example]:
    """What write_examples wrote; none where there is no file. Raises ResultsError for one that is not of this split."""
    if not path.exists():
        return []
    known = {row.path: row for row in (*split.train, *split.val)}
    found: dict[str, list[Row]] = {}
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            for line in csv.DictReader(file):
                found.setdefault(line["query"], []).append(known[line["neighbour"]])
        return [Example(known[query], tuple(near)) for query, near in found.items()]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise ResultsError(
            f"{path}: has no neighbours of this sweep ({error!r}). Run carsray retrieval again, or delete it"
        ) from None
