"""What the rooms of data/ hand to each other: a picture as its source lists it, and a data set that has been split."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SplitName = Literal["train", "val", "test"]
TestKind = Literal["the official test", "half of the official test", "held out, not the official test", "as given"]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the stored file; right and bottom are exclusive."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as its source lists it."""

    path: Path
    label: int
    split: SplitName | None = None
    """What the source itself says, if anything."""
    box: Box | None = None
    address: str = ""
    """Where it comes from, if the path is that of a copy: s3://..."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every labelled picture of a source, before splitting."""

    kind: Literal["stanford_cars", "folders", "csv"]
    root: Path
    classes: tuple[str, ...]
    """Names; a label is an index into them."""
    pictures: tuple[Picture, ...]
    official_test: bool
    """True where the source's own pictures of split "test" are a published, labelled test set."""
    empty: tuple[str, ...] = ()
    """Names of folders that lie beside those of classes and hold no picture directly."""


@dataclass(frozen=True, slots=True)
class Row:
    """One readable picture of a split."""

    path: str
    """On this disk, or the address of a picture in a bucket: see remote.py."""
    label: int
    digest: str
    """SHA-256 of the file's bytes, in hex."""
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class DataSplit:
    """A data set ready for training: what every trial of a sweep shares."""

    classes: tuple[str, ...]
    train: tuple[Row, ...]
    val: tuple[Row, ...]
    test: tuple[Row, ...]
    test_kind: TestKind
    """Where the test rows come from; every table that shows a test number says it."""
    fingerprint: str
    """SHA-256 over digests, labels and split of all rows: the same data and split, the same fingerprint."""
