"""A data split as a file: one comment line of facts in JSON, then a CSV with a line per picture."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from carsray.data.records import DataSplit, Row, SplitName
from carsray.errors import DataError
from carsray.files import write_text

HEADER = ["path", "label", "class", "split", "digest", "box"]


def write_split(split: DataSplit, path: Path) -> None:
    """Write a split; the file is complete or not there."""
    text = io.StringIO()
    # One file, not two: a header in a second file could belong to another version of the first.
    facts = {
        "pictures": {side: len(rows) for side, rows in _sides(split)},
        "test": split.test_kind,
        "fingerprint": split.fingerprint,
        "classes": split.classes,
    }
    text.write(f"# {json.dumps(facts)}\n")
    writer = csv.writer(text)  # its own line end, CRLF: with another it would not quote a CR within a path
    writer.writerow(HEADER)
    for side, rows in _sides(split):
        for row in rows:
            box = " ".join(map(str, row.box)) if row.box else ""
            writer.writerow([row.path, row.label, split.classes[row.label], side, row.digest, box])
    write_text(path, text.getvalue())


def read_split(path: Path) -> DataSplit:
    """The split that write_split wrote, exactly.

    Raises DataError for a file that is missing, damaged or incomplete.
    """
    sides: dict[SplitName, list[Row]] = {"train": [], "val": [], "test": []}
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            facts = json.loads(file.readline().removeprefix("# "))
            for side, row in _rows(csv.DictReader(file)):
                sides[side].append(row)
        if facts["pictures"] != {side: len(rows) for side, rows in sides.items()}:
            raise ValueError("lines are missing")
        train, val, test = (tuple(rows) for rows in sides.values())
        return DataSplit(tuple(facts["classes"]), train, val, test, facts["test"], facts["fingerprint"])
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise DataError(f"{path}: not a split that carsray wrote ({error}); delete it to have it made anew") from None


def _sides(split: DataSplit) -> tuple[tuple[SplitName, tuple[Row, ...]], ...]:
    return ("train", split.train), ("val", split.val), ("test", split.test)


def _rows(lines: Iterable[dict[str, str]]) -> Iterator[tuple[SplitName, Row]]:
    for line in lines:
        side: SplitName = line["split"]  # type: ignore[assignment]  # an unknown one is a KeyError to the caller
        box = tuple(int(number) for number in line["box"].split())
        yield side, Row(line["path"], int(line["label"]), line["digest"], box or None)  # type: ignore[arg-type]
