"""A path in, a Catalog out: recognises which of the four layouts lies there."""

from dataclasses import replace
from pathlib import Path

from carsray.data.records import Catalog
from carsray.data.sources import folders, stanford_cars, table
from carsray.errors import DataError

LAYOUTS = """carsray reads
  cars_train/, cars_test/, devkit/      Stanford Cars, as published
  <class>/picture.jpg                   a folder per class
  train/<class>/..., val/..., test/...  the same under split folders (val and test may be missing)
  labels.csv                            a header path,label or path,label,split, one line a picture"""


def open_catalog(path: Path) -> Catalog:
    """Every labelled picture at a folder or CSV file; picture paths are absolute, in an order free of the disk's.

    Raises DataError where nothing is there, the layout is unknown, listed files are missing, or one class is all.
    """
    root = path.expanduser().absolute()
    catalog = _read(root)
    if len(catalog.classes) < 2:
        found = f"one class only, {catalog.classes[0]!r}" if catalog.classes else "no class"
        raise DataError(f"{path}: {found}; at least two are needed - is this one folder too deep?")
    _require_files(catalog)
    return catalog


def first_classes(catalog: Catalog, classes: int | None) -> Catalog:
    """The catalog of the first so many classes; all where none is given.

    Raises DataError where there are fewer.
    """
    if classes is None:
        return catalog
    if not 2 <= classes <= len(catalog.classes):
        raise DataError(f"{catalog.root}: classes = {classes}; 2 to {len(catalog.classes)} are there")
    kept = tuple(picture for picture in catalog.pictures if picture.label < classes)
    return replace(catalog, classes=catalog.classes[:classes], pictures=kept)


def _read(root: Path) -> Catalog:
    if root.is_file():
        if root.suffix.lower() != ".csv":
            raise DataError(f"{root}: neither a folder nor a .csv file; {LAYOUTS}")
        return table.read(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder or file; check the path")
    if stanford_cars.recognise(root):
        return stanford_cars.read(root)
    if csv := table.find(root):
        return table.read(csv)
    if folders.recognise(root):
        return folders.read(root)
    if not any(root.iterdir()):
        raise DataError(f"{root}: the folder is empty; {LAYOUTS}")
    raise DataError(f"{root}: no layout that carsray knows; {LAYOUTS}")


def _require_files(catalog: Catalog) -> None:
    missing = [picture.path for picture in catalog.pictures if not picture.path.is_file()]
    if missing:
        names = ", ".join(str(path) for path in missing[:3]) + (", ..." if len(missing) > 3 else "")
        listed = len(catalog.pictures)
        raise DataError(f"{catalog.root}: {len(missing)} of {listed} listed pictures are missing: {names}")
