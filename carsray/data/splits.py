"""Which picture is for training, which for validation, which for the test: by rule, seed and content alone."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from carsray.config import TrialConfig
from carsray.data.boxes import fit_boxes
from carsray.data.inspect import Inspection
from carsray.data.records import Catalog, DataSplit, Picture, Row, SplitName, TestKind
from carsray.data.sources.catalog import first_classes
from carsray.data.stratify import Sides, stratify
from carsray.errors import DataError

POOLED: Mapping[str, Mapping[SplitName, float]] = {
    "50/25/25": {"val": 0.25, "test": 0.25},
    "70/15/15": {"val": 0.15, "test": 0.15},
}

SHOWN = 3
"""Names in a note."""


def make_split(catalog: Catalog, inspection: Inspection, config: TrialConfig) -> tuple[DataSplit, list[str]]:
    """Split by config.classes, split, holdout and split_seed; also what a person should know about it.

    Raises DataError where the source lacks what the rule needs, or a class has too few pictures.
    """
    catalog = first_classes(catalog, config.classes)
    classes = catalog.classes
    pictures = sorted(catalog.pictures, key=lambda picture: picture.path)
    readable, notes = _readable(pictures, inspection)
    if catalog.empty:
        names = _first_of(catalog.empty, ", ")
        notes.append(f"no picture lies directly in {names} ({len(catalog.empty)} in all): not taken for a class")
    boxes, misfit = fit_boxes(readable, inspection)
    if misfit and config.crop_to_box:
        notes.append(misfit)
    stated: defaultdict[SplitName | None, list[Row]] = defaultdict(list)
    for picture in readable:
        row = Row(
            picture.address or str(picture.path),
            picture.label,
            inspection[picture.path].digest,
            boxes.get(picture.path),
        )
        stated[picture.split].append(row)
    if config.split not in POOLED:
        notes += _drop_copies(stated)
    sides = _sides(stated, classes, config, catalog)
    notes += _remarks(sides, classes)
    return as_split(classes, sides, _test_kind(catalog, config, bool(stated.get("val") or stated.get("test")))), notes


def merged(split: DataSplit) -> DataSplit:
    """The same pictures with those of val in train: nothing is left to measure on before test."""
    sides: Sides = {"train": [*split.train, *split.val], "val": [], "test": list(split.test)}
    return as_split(split.classes, sides, split.test_kind)


def fingerprint(entries: Iterable[tuple[str, str, int]]) -> str:
    """SHA-256 over (split, digest, label) of all pictures, in an order of its own."""
    lines = sorted(f"{split} {digest} {label}\n" for split, digest, label in entries)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def as_split(classes: tuple[str, ...], sides: Sides, test_kind: TestKind) -> DataSplit:
    """The split with these sides, each in the order of its paths, and the fingerprint that goes with them."""
    ordered = {side: tuple(sorted(rows, key=lambda row: row.path)) for side, rows in sides.items()}
    mark = fingerprint((side, row.digest, row.label) for side, rows in ordered.items() for row in rows)
    return DataSplit(classes, ordered["train"], ordered["val"], ordered["test"], test_kind, mark)


def _readable(pictures: Sequence[Picture], inspection: Inspection) -> tuple[list[Picture], list[str]]:
    readable = [picture for picture in pictures if inspection[picture.path].problem is None]
    bad = [picture.path for picture in pictures if inspection[picture.path].problem is not None]
    if not bad:
        return readable, []
    reasons = _first_of([f"{path} ({inspection[path].problem})" for path in bad], "; ")
    return readable, [f"{len(bad)} of {len(pictures)} pictures cannot be read and are left out: {reasons}"]


def _first_of(names: Sequence[str], between: str) -> str:
    return between.join([*names[:SHOWN], *(["..."] if len(names) > SHOWN else [])])


def _drop_copies(stated: dict[SplitName | None, list[Row]]) -> list[str]:
    """Take out of train what val or test has, and out of val what test has; what has gone."""
    notes, later = [], {row.digest for row in stated["test"]}
    names = "test"
    for side in ("val", "train"):
        kept = [row for row in stated[side] if row.digest not in later]
        if gone := len(stated[side]) - len(kept):
            notes.append(f"{gone} {side} pictures are byte-identical to {names} pictures and are left out of {side}")
        stated[side] = kept
        later |= {row.digest for row in kept}
        names = "val or test" if kept else names
    return notes


def _sides(
    stated: Mapping[SplitName | None, list[Row]], classes: Sequence[str], config: TrialConfig, catalog: Catalog
) -> Sides:
    given: Sides = {side: stated.get(side, []) for side in ("train", "val", "test")}
    if config.split in POOLED:
        everything = [row for rows in stated.values() for row in rows]
        return stratify(everything, classes, POOLED[config.split], "train", config.split_seed)
    if config.split == "test-halved":
        return _halved(given, classes, config.split_seed, catalog)
    if given["train"] and given["val"]:
        return given
    if given["test"]:
        return _completed(given, classes, config, catalog)
    if config.holdout * 2 >= 1:
        raise DataError(f"holdout = {config.holdout}: val and test each take this share here; below 0.5 is allowed")
    shares: dict[SplitName, float] = {"val": config.holdout, "test": config.holdout}
    return stratify(given["train"] or stated.get(None, []), classes, shares, "train", config.split_seed)


def _completed(given: Sides, classes: Sequence[str], config: TrialConfig, catalog: Catalog) -> Sides:
    """The stated train and test, with val taken from train."""
    if not given["train"]:
        raise DataError(f"{catalog.root}: no picture is marked train; mark some, or use split = 70/15/15")
    made = stratify(given["train"], classes, {"val": config.holdout}, "train", config.split_seed)
    return {**made, "test": given["test"]}


def _halved(given: Sides, classes: Sequence[str], seed: int, catalog: Catalog) -> Sides:
    if not given["test"]:
        raise DataError(f"{catalog.root}: split = test-halved, but there is no labelled test split; use official")
    if given["val"]:
        raise DataError(f"{catalog.root}: split = test-halved, but the source has a val split already; use official")
    return {"train": given["train"], **stratify(given["test"], classes, {"val": 0.5}, "test", seed)}


def _remarks(sides: Sides, classes: Sequence[str]) -> list[str]:
    """What a stated split may lack; a made one is right by construction."""
    notes = []
    for side, rows in sides.items():
        lacking = sorted(set(range(len(classes))) - {row.label for row in rows})
        if lacking and side == "train":
            raise DataError(f"class {classes[lacking[0]]!r}: 0 readable train pictures; at least 1 is needed")
        if lacking and rows:
            notes.append(f"{len(lacking)} classes have no {side} picture, {classes[lacking[0]]!r} first")
    if not sides["test"]:
        notes.append(
            "train and val are stated, and no test: a sweep runs, but `retrain` will have nothing to open. Mark some "
            "pictures as test, or share all of them out anew with --set split=70/15/15"
        )
    return notes


def _test_kind(catalog: Catalog, config: TrialConfig, stated: bool) -> TestKind:
    if config.split in POOLED or not stated:
        return "held out, not the official test"
    if not catalog.official_test:
        return "as given"
    return "half of the official test" if config.split == "test-halved" else "the official test"
