"""Small data sets on disk, and catalogs that need no disk at all."""

import csv
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from carsray.data.inspect import Inspection, Look
from carsray.data.records import Catalog, Picture, SplitName


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (12, 10)) -> Path:
    """A picture of noise: the same seed, the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def class_folders(root: Path, counts: dict[str, int], seed: int = 0) -> Path:
    for name, count in counts.items():
        for number in range(count):
            seed += 1
            picture(root / name / f"{number}.png", seed)
    return root


def table(path: Path, rows: list[tuple[str, ...]], header: str = "path,label") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        file.write(header + "\n")
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


def annotations(rows: list[tuple[str, int | None, tuple[int, int, int, int]]]) -> dict[str, np.ndarray]:
    """The struct array of the devkit; a class of None leaves the field out."""
    names = ["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname"]
    if rows[0][1] is None:
        names.remove("class")
    values = np.empty((1, len(rows)), dtype=[(name, "O") for name in names])
    for at, (fname, label, box) in enumerate(rows):
        fields = dict(zip(["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"], box, strict=True)) | {"fname": fname}
        values[0, at] = tuple((fields | {"class": label})[name] for name in names)
    return {"annotations": values}


def stanford_cars(
    root: Path, per_class: int = 4, classes: int = 3, labels_in: str | None = "", box: tuple[int, ...] = (1, 1, 12, 10)
) -> Path:
    """The official layout; labels_in: the folder of the labelled test file, or None for a test without labels."""
    (root / "devkit").mkdir(parents=True)
    names = np.empty((1, classes), dtype=object)
    names[0, :] = [f"Car {number}" for number in range(classes)]
    savemat(root / "devkit/cars_meta.mat", {"class_names": names})
    for split, first in (("train", 0), ("test", 1000)):
        rows = []
        for number in range(per_class * classes):
            picture(root / f"cars_{split}" / f"{number + 1:05}.jpg", first + number)
            rows.append((f"{number + 1:05}.jpg", number % classes + 1, box))
        if split == "test":
            savemat(root / "devkit/cars_test_annos.mat", annotations([(name, None, box) for name, _, box in rows]))
            if labels_in is not None:
                savemat(root / labels_in / "cars_test_annos_withlabels.mat", annotations(rows))
        else:
            savemat(root / "devkit/cars_train_annos.mat", annotations(rows))
    return root


Entry = tuple[int, str, SplitName | None]
"""Label, content, stated split: two entries of the same content are byte-identical pictures."""


def imagined(
    entries: list[Entry], classes: int | None = None, official_test: bool = False, bad: tuple[int, ...] = ()
) -> tuple[Catalog, Inspection]:
    """A catalog without files, and what a look at it would show; bad: positions of unreadable pictures."""
    names = tuple(f"class {label}" for label in range(classes or max(label for label, _, _ in entries) + 1))
    pictures = tuple(Picture(Path(f"/cars/{at:04}.jpg"), label, split) for at, (label, _, split) in enumerate(entries))
    inspection = {
        picture.path: Look(hashlib.sha256(content.encode()).hexdigest(), 20, 10, "damaged" if at in bad else None)
        for at, (picture, (_, content, _)) in enumerate(zip(pictures, entries, strict=True))
    }
    return Catalog(
        "stanford_cars" if official_test else "csv", Path("/cars"), names, pictures, official_test
    ), inspection
