"""What is taken for what: the most confused pairs with example pictures, and each class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carsray.report.answers import Answers
from carsray.report.numbers import share
from carsray.report.plots import Table
from carsray.report.thumbnails import Thumbnail, Thumbnails
from carsray.training.answers import Confused, by_class, confusion, most_confused

PAIRS = 8
TAKEN, TRUE = 3, 2
"""Example pictures of each pair: those that were mistaken, and what they were mistaken for."""
HARDEST = 8


@dataclass(frozen=True, slots=True)
class Pair:
    """Two classes, with pictures of the first that were taken for the second, and pictures of the second."""

    pair: Confused
    mistaken: Sequence[Thumbnail]
    others: Sequence[Thumbnail]


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Pairs and classes."""

    about: str
    right: str
    pairs: Sequence[Pair]
    hardest: Sequence[tuple[str, str, float]]
    """(class, share of its pictures that are recognised in words, in percent), the worst first."""
    classes: Table


def mistakes(answers: Answers, classes: tuple[str, ...], pictures: Thumbnails) -> Mistakes:
    """From answers about pictures."""
    counts = confusion(answers.predicted, answers.labels, len(classes))
    right = int(np.diag(counts).sum())
    pairs = [_pair(pair, answers, classes, pictures) for pair in most_confused(counts, classes, PAIRS)]
    recalls = sorted((counts[at, at] / counts[at].sum(), at) for at in range(len(classes)) if counts[at].sum())
    return Mistakes(
        answers.about,
        f"{right:,} of {len(answers.rows):,} right ({share(right / len(answers.rows))})",
        pairs,
        [
            (classes[at], f"{counts[at, at]} of {counts[at].sum()}", round(100 * recall, 2))
            for recall, at in recalls[:HARDEST]
        ],
        _table(answers, classes),
    )


def _pair(pair: Confused, answers: Answers, classes: tuple[str, ...], pictures: Thumbnails) -> Pair:
    true, other = classes.index(pair.true), classes.index(pair.taken_for)
    asked = list(zip(answers.rows, answers.predicted, strict=True))
    mistaken = {row.path: row for row, guess in asked if row.label == true and guess == other}
    # Recognised ones first: they show what the class looks like to the network.
    of_other = sorted((row for row in answers.rows if row.label == other), key=lambda row: row.path)
    known = {row.path for row, guess in asked if row.label == other and guess == other}
    shown = {row.path: row for row in sorted(of_other, key=lambda row: row.path not in known)}
    return Pair(
        pair,
        [pictures.of(row) for row in list(mistaken.values())[:TAKEN]],
        [pictures.of(row) for row in list(shown.values())[:TRUE]],
    )


def _table(answers: Answers, classes: tuple[str, ...]) -> Table:
    told = by_class(answers.predicted, answers.labels, len(classes))
    rows = [
        [name, str(told["pictures"][at]), *(f"{told[measure][at]:.4f}" for measure in ("precision", "recall", "f1"))]
        for at, name in enumerate(classes)
        if told["pictures"][at] or at in answers.predicted
    ]
    return Table("Every class", ["class", "pictures", "precision", "recall", "F1"], rows)
