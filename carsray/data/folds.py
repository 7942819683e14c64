"""Fresh validation pictures for a split: fold after fold of what was trained on, so that no picture judges twice."""

from collections.abc import Sequence

import numpy as np

from carsray.data.records import DataSplit
from carsray.data.splits import as_split
from carsray.data.stratify import Unit, gather, take
from carsray.errors import DataError
from carsray.seed import derive


def fold(split: DataSplit, number: int, seed: int) -> DataSplit:
    """The split with other pictures as val, fold ``number`` (from 0) of its train; the rest of both is its train.

    Of each class as many as val has, or all where train has fewer. Folds share no picture as long as train lasts; then
    a class is drawn again from a new permutation. Copies of one picture stay together, and what has a copy in val or
    under another label is never drawn. Test stays as it is. Raises DataError where train has nothing to draw.
    """
    spent = {row.digest for row in split.val}
    units, _ = gather([row for row in split.train if row.digest not in spent])
    wanted = np.bincount([row.label for row in split.val], minlength=len(split.classes))
    val = [
        row
        for label in range(len(split.classes))
        for unit in _drawn(units[label], int(wanted[label]), number, derive(seed, "fold", label))
        for row in unit
    ]
    if not val:
        raise DataError(f"train has {len(split.train)} pictures and none that val does not have, too: no fresh ones")
    drawn = {row.digest for row in val}
    train = [row for row in (*split.train, *split.val) if row.digest not in drawn]
    return as_split(split.classes, {"train": train, "val": val, "test": list(split.test)}, split.test_kind)


def _drawn(units: Sequence[Unit], wanted: int, number: int, seed: int) -> list[Unit]:
    """What the class gives to fold ``number``."""
    taken: list[Unit] = []
    left: list[Unit] = []
    rounds = 0
    for _ in range(number + 1):
        if sum(map(len, left)) < wanted:
            left = [units[at] for at in np.random.default_rng(derive(seed, rounds)).permutation(len(units))]
            rounds += 1
        taken, left = take(left, wanted, len(left)) if wanted and left else ([], left)
    return taken
