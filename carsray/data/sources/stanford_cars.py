"""Stanford Cars as published (Krause et al., 3D Object Representations for Fine-Grained Categorization, 2013)."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from carsray.data.records import Box, Catalog, Picture, SplitName
from carsray.errors import DataError

TRAIN_LABELS = "devkit/cars_train_annos.mat"
TEST_LABELS = ("cars_test_annos_withlabels.mat", "devkit/cars_test_annos_withlabels.mat")
NAMES = "devkit/cars_meta.mat"


def recognise(root: Path) -> bool:
    """True where the devkit or the folder of training pictures lies."""
    return (root / TRAIN_LABELS).is_file() or (root / NAMES).is_file() or (root / "cars_train").is_dir()


def read(root: Path) -> Catalog:
    """The labelled pictures: train, and test where both its pictures and its labels are there."""
    classes = tuple(str(name) for name in np.atleast_1d(_load(root / NAMES, "class_names")))
    pictures = _part(root, root / TRAIN_LABELS, "train", len(classes))
    labels = next((root / name for name in TEST_LABELS if (root / name).is_file()), None)
    # Without the labels file the test pictures are of no use here, and without pictures its labels are not.
    has_test = labels is not None and (root / "cars_test").is_dir()
    if labels is not None and has_test:
        pictures += _part(root, labels, "test", len(classes))
    return Catalog("stanford_cars", root, classes, tuple(pictures), official_test=has_test)


def _part(root: Path, labels: Path, split: SplitName, classes: int) -> list[Picture]:
    rows = np.atleast_1d(_load(labels, "annotations"))
    needed = ("fname", "class", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")
    lacking = [name for name in needed if name not in (rows.dtype.names or ())]
    if lacking:
        raise DataError(f"{labels}: fields {', '.join(lacking)} are missing; is this the labelled file?")
    pictures = [_picture(root / f"cars_{split}", split, row) for row in rows]
    if wrong := [picture for picture in pictures if not 0 <= picture.label < classes]:
        first = wrong[0]
        raise DataError(f"{labels}: class {first.label + 1} of {first.path.name} is outside 1 to {classes}")
    return sorted(pictures, key=lambda picture: picture.path)


def _picture(folder: Path, split: SplitName, row: Any) -> Picture:
    return Picture(folder / str(row["fname"]), int(row["class"]) - 1, split, _box(row))


def _box(row: Any) -> Box:
    # MATLAB counts from 1 and includes both ends; we count from 0 and leave out the right and bottom.
    return int(row["bbox_x1"]) - 1, int(row["bbox_y1"]) - 1, int(row["bbox_x2"]), int(row["bbox_y2"])


def _load(path: Path, name: str) -> Any:
    if not path.is_file():
        raise DataError(f"{path}: missing; a Stanford Cars folder needs {TRAIN_LABELS} and {NAMES}")
    from scipy.io import loadmat  # here: every training process imports this module, and hardly any reads such a file

    try:
        return loadmat(str(path), squeeze_me=True)[name]
    except (ValueError, TypeError, KeyError, NotImplementedError, OSError, zlib.error) as error:
        raise DataError(f"{path}: not a MATLAB file with {name} ({error}); fetch the devkit again") from None
