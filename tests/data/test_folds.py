from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carsray.data.folds import fold
from carsray.data.records import DataSplit, Row
from carsray.data.splits import as_split
from carsray.errors import DataError

CLASSES = ("a", "b", "c")
Copies = list[list[int]]
"""For each class, how many copies each of its pictures has."""


def rows(side: str, copies: Copies) -> list[Row]:
    return [
        Row(f"/{side}/{label}-{number}-{copy}.jpg", label, f"{side} {label} {number}")
        for label, pictures in enumerate(copies)
        for number, count in enumerate(pictures)
        for copy in range(count)
    ]


def split_of(train: Copies, val: Copies, more: list[Row] | None = None) -> DataSplit:
    sides = {"train": rows("train", train) + (more or []), "val": rows("val", val), "test": rows("test", [[1]] * 3)}
    return as_split(CLASSES, sides, "the official test")  # type: ignore[arg-type]


def plain(each: int, held: int) -> DataSplit:
    """As many pictures of every class in train, and in val."""
    return split_of([[1] * each] * 3, [[1] * held] * 3)


def paths(part: tuple[Row, ...]) -> set[str]:
    return {row.path for row in part}


pictures = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=12), min_size=3, max_size=3)


@given(pictures, pictures, st.integers(0, 6), st.integers(0, 3))
def test_a_fold_parts_the_same_pictures_anew_and_none_of_the_old_val_is_in_the_new(
    train: Copies, val: Copies, number: int, seed: int
) -> None:
    split = split_of(train, val)
    made = fold(split, number, seed)
    assert sorted(paths(made.train) | paths(made.val)) == sorted(paths(split.train) | paths(split.val))
    assert not paths(made.train) & paths(made.val)
    assert not paths(made.val) & paths(split.val)
    assert made.test == split.test
    assert {row.label for row in made.train} == {row.label for row in split.train} | {row.label for row in split.val}


@given(pictures, pictures, st.integers(0, 6))
def test_copies_of_a_picture_stay_on_one_side(train: Copies, val: Copies, number: int) -> None:
    made = fold(split_of(train, val), number, 0)
    assert not {row.digest for row in made.train} & {row.digest for row in made.val}


@given(st.integers(2, 20), st.integers(1, 20), st.integers(0, 5))
def test_without_copies_a_fold_has_as_many_of_a_class_as_val_or_all_there_are(
    each: int, held: int, number: int
) -> None:
    made = fold(plain(each, held), number, 0)
    assert Counter(row.label for row in made.val) == dict.fromkeys(range(3), min(each, held))


@given(st.integers(1, 8), st.integers(1, 4), st.integers(0, 3))
def test_folds_share_no_picture_while_train_lasts(held: int, folds: int, over: int) -> None:
    split = plain(held * folds + over % held, held)
    seen = [row.path for number in range(folds) for row in fold(split, number, 5).val]
    assert len(seen) == len(set(seen)) == 3 * held * folds


def test_when_train_is_used_up_a_class_is_drawn_again_otherwise() -> None:
    split = plain(12, 4)
    made = [paths(fold(split, number, 0).val) for number in range(6)]
    assert set().union(*made[:3]) == set().union(*made[3:]) == paths(split.train)
    assert made[3] not in made[:3]


def test_the_same_seed_and_number_give_the_same_fold_and_others_give_others() -> None:
    split = plain(20, 5)
    assert fold(split, 1, 7) == fold(split, 1, 7)
    marks = [fold(split, number, seed).fingerprint for number in (0, 1) for seed in (0, 1)]
    assert len({*marks, split.fingerprint}) == 5


def test_a_picture_with_a_copy_in_val_or_under_another_label_never_judges() -> None:
    known = rows("val", [[1], [], []])[0]
    copy, torn = Row("/train/copy.jpg", 0, known.digest), [Row(f"/train/torn-{n}.jpg", n, "torn") for n in (0, 1)]
    split = split_of([[1, 1, 1]] * 3, [[1]] * 3, more=[copy, *torn])
    judges = set().union(*(paths(fold(split, number, 0).val) for number in range(6)))
    assert judges == paths(split.train) - {copy.path, *paths(tuple(torn))}


def test_a_class_that_val_lacks_gives_nothing() -> None:
    split = split_of([[1] * 4] * 3, [[1], [1], []])
    assert {row.label for row in fold(split, 0, 0).val} == {0, 1}


@pytest.mark.parametrize("number", range(3))
def test_a_fold_does_not_depend_on_the_order_of_the_rows(number: int) -> None:
    split = plain(9, 3)
    turned = DataSplit(CLASSES, split.train[::-1], split.val[::-1], split.test, split.test_kind, split.fingerprint)
    assert fold(turned, number, 0) == fold(split, number, 0)


def test_a_train_of_copies_of_val_has_nothing_to_give() -> None:
    val = rows("val", [[1]] * 3)
    copies = [Row(f"/train/{row.label}.jpg", row.label, row.digest) for row in val]
    with pytest.raises(DataError, match="no fresh ones"):
        fold(split_of([[]] * 3, [[1]] * 3, more=copies), 0, 0)
