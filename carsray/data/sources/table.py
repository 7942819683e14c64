"""A CSV with the header path,label[,split]: one line a picture."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from carsray.data.records import Catalog, Picture, SplitName
from carsray.errors import DataError

NEEDED = ("path", "label")
SPLITS: tuple[str, ...] = get_args(SplitName)


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    path: str
    label: str
    split: str


def find(root: Path) -> Path | None:
    """The one CSV of a folder whose header names path and label.

    Raises DataError where several do, or where CSV files are all there is and none does.
    """
    files = sorted(p for p in root.iterdir() if p.suffix.lower() == ".csv" and not p.name.startswith("."))
    fitting = [path for path in files if set(NEEDED) <= set(_header(path))]
    if len(fitting) > 1:
        names = ", ".join(path.name for path in fitting)
        raise DataError(f"{root}: several CSV files list pictures ({names}); give the path of one of them")
    if files and not fitting and not any(path.is_dir() for path in root.iterdir()):
        _require_columns(files[0], _header(files[0]))
    return fitting[0] if fitting else None


def read(path: Path) -> Catalog:
    """Every line of a CSV; labels are names, or whole numbers in their own order. Paths are relative to the CSV.

    Raises DataError with the number of the line that is wrong.
    """
    lines = _lines(path)
    classes = tuple(_order({line.label for line in lines}))
    label = {name: number for number, name in enumerate(classes)}
    pictures = [
        Picture(path.parent / line.path, label[line.label], cast(SplitName, line.split) if line.split else None)
        for line in lines
    ]
    pictures.sort(key=lambda picture: picture.path)
    return Catalog("csv", path.parent, classes, tuple(pictures), official_test=False)


def _order(labels: set[str]) -> list[str]:
    """Numbers sort as numbers where every label is one."""
    numbers = all(label.isascii() and label.isdigit() for label in labels)
    return sorted(labels, key=lambda label: (int(label) if numbers else 0, label))


def _header(path: Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [name.strip().lower() for name in next(csv.reader(file), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 CSV ({error})") from None


def _require_columns(path: Path, header: list[str]) -> None:
    lacking = [name for name in NEEDED if name not in header]
    if lacking:
        found = ",".join(header) or "nothing"
        raise DataError(f"{path}: column {' and '.join(lacking)} missing; the header is {found}, path,label is needed")


def _lines(path: Path) -> list[_Line]:
    header = _header(path)
    _require_columns(path, header)
    lines: list[_Line] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            next(reader)
            lines.extend(_line(path, reader.line_num, header, row) for row in reader if row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 CSV ({error})") from None
    _check_whole(path, lines)
    return lines


def _line(path: Path, number: int, header: list[str], row: list[str]) -> _Line:
    if len(row) != len(header):
        raise DataError(f"{path}, line {number}: {len(row)} fields, the header has {len(header)}")
    cells = {name: cell.strip() for name, cell in zip(header, row, strict=True)}
    if not cells["path"] or not cells["label"]:
        raise DataError(f"{path}, line {number}: path and label must not be empty")
    split = cells.get("split", "").lower()
    if split and split not in SPLITS:
        raise DataError(f"{path}, line {number}: split {split!r}; {', '.join(SPLITS)} are allowed")
    return _Line(number, cells["path"], cells["label"], split)


def _check_whole(path: Path, lines: list[_Line]) -> None:
    if not lines:
        raise DataError(f"{path}: the table has no line below its header")
    if any(line.split for line in lines) and (bare := next((line for line in lines if not line.split), None)):
        raise DataError(f"{path}, line {bare.number}: split is empty; give every line a split, or none")
    seen: dict[Path, int] = {}
    for line in lines:
        before = seen.setdefault(Path(line.path), line.number)
        if before != line.number:
            raise DataError(f"{path}, line {line.number}: {line.path} is listed before, on line {before}")
