import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_sources import Entry, imagined

from carsray.config import TrialConfig
from carsray.data.records import Box, Catalog, DataSplit, Row
from carsray.data.splits import fingerprint, make_split, merged
from carsray.errors import DataError


def sides(split: DataSplit) -> dict[str, tuple[Row, ...]]:
    return {"train": split.train, "val": split.val, "test": split.test}


def counts(split: DataSplit) -> tuple[int, int, int]:
    return len(split.train), len(split.val), len(split.test)


def many(counts: list[int], side: str | None = None, prefix: str = "") -> list[Entry]:
    """So many distinct pictures of each class."""
    return [(label, f"{prefix}{label}/{n}", side) for label, count in enumerate(counts) for n in range(count)]  # type: ignore[misc]


@st.composite
def sources(draw: st.DrawFn) -> tuple[list[Entry], TrialConfig]:
    """Classes of distinct pictures, some of them twice, a few under two labels; and a rule to split them by."""
    entries = many(draw(st.lists(st.integers(4, 30), min_size=2, max_size=5)))
    twice = draw(st.sets(st.sampled_from(entries), max_size=4))
    classes = max(label for label, _, _ in entries) + 1
    torn = draw(st.sets(st.sampled_from(sorted(set(entries) - twice)), max_size=1))
    entries += [*twice, *(((label + 1) % classes, content, side) for label, content, side in torn)]
    rule = draw(st.sampled_from(["official", "50/25/25", "70/15/15"]))
    config = TrialConfig(split=rule, holdout=draw(st.sampled_from([0.1, 0.2, 0.3])), split_seed=draw(st.integers(0, 9)))
    return entries, config


@settings(deadline=None)
@given(sources())
def test_copies_are_never_on_two_sides(source: tuple[list[Entry], TrialConfig]) -> None:
    entries, config = source
    split, notes = make_split(*imagined(entries), config)
    where: dict[str, set[str]] = {}
    for side, rows in sides(split).items():
        for row in rows:
            where.setdefault(row.digest, set()).add(side)
    assert all(len(found) == 1 for found in where.values())
    assert sum(counts(split)) == len(entries)
    assert notes == []


def test_folders_that_are_no_classes_are_named_three_at_most() -> None:
    catalog, inspection = imagined(many([8, 8]))
    _, notes = make_split(replace(catalog, empty=("a", "b", "c", "d")), inspection, TrialConfig())
    assert notes == ["no picture lies directly in a, b, c, ... (4 in all): not taken for a class"]


@settings(deadline=None)
@given(sources())
def test_every_class_is_on_every_side_with_its_share(source: tuple[list[Entry], TrialConfig]) -> None:
    entries, config = source
    split, _ = make_split(*imagined(entries), config)
    shares = {"50/25/25": (0.25, 0.25), "70/15/15": (0.15, 0.15)}.get(config.split, (config.holdout, config.holdout))
    contents = [content for _, content, _ in entries]
    for label, count in Counter(label for label, _, _ in entries).items():
        copied = any(contents.count(content) > 1 for of, content, _ in entries if of == label)
        for rows, share in zip((split.val, split.test), shares, strict=True):
            found = sum(row.label == label for row in rows)
            assert found >= 1
            # Copies stay together, so that a side may have to take two pictures for one.
            assert abs(found - count * share) <= (2 if copied else 1)
        assert any(row.label == label for row in split.train)


@settings(deadline=None)
@given(sources(), st.randoms(use_true_random=False))
def test_the_order_of_the_source_does_not_matter(
    source: tuple[list[Entry], TrialConfig], shuffler: random.Random
) -> None:
    entries, config = source
    catalog, inspection = imagined(entries)
    mixed = list(catalog.pictures)
    shuffler.shuffle(mixed)
    assert make_split(catalog, inspection, config) == make_split(
        replace(catalog, pictures=tuple(mixed)), inspection, config
    )


@settings(deadline=None)
@given(sources())
def test_copies_with_two_labels_go_to_train(source: tuple[list[Entry], TrialConfig]) -> None:
    entries, config = source
    split, _ = make_split(*imagined(entries), config)
    labels: dict[str, set[int]] = {}
    for row in [*split.train, *split.val, *split.test]:
        labels.setdefault(row.digest, set()).add(row.label)
    assert all(len(labels[row.digest]) == 1 for row in [*split.val, *split.test])


def test_another_seed_draws_another_split_of_the_same_size() -> None:
    source = imagined(many([40, 40]))
    first, _ = make_split(*source, TrialConfig(split_seed=0))
    second, _ = make_split(*source, TrialConfig(split_seed=1))
    assert first.fingerprint != second.fingerprint
    assert counts(first) == counts(second) == (48, 16, 16)


def test_the_split_follows_the_bytes_and_not_the_names() -> None:
    entries = many([20, 20])
    one, _ = make_split(*imagined(entries), TrialConfig())
    other, _ = make_split(*imagined(entries[::-1]), TrialConfig())
    assert one.fingerprint == other.fingerprint


def test_official_test_is_kept_and_val_taken_from_train() -> None:
    entries = many([10, 10], "train") + many([7, 7], "test", prefix="t")
    split, notes = make_split(*imagined(entries, official_test=True), TrialConfig())
    assert counts(split) == (16, 4, 14)
    assert split.test_kind == "the official test"
    assert notes == []


def test_train_pictures_that_are_in_the_official_test_are_left_out() -> None:
    entries = [*many([10, 10], "train"), *many([5, 5], "test", prefix="t"), (0, "t0/1", "train"), (1, "t0/2", "train")]
    split, notes = make_split(*imagined(entries, official_test=True), TrialConfig())
    assert counts(split) == (16, 4, 10)
    assert notes == ["2 train pictures are byte-identical to test pictures and are left out of train"]


def test_test_halved_leaves_train_whole() -> None:
    entries = many([10, 10], "train") + many([8, 9], "test", prefix="t")
    split, _ = make_split(*imagined(entries, official_test=True), TrialConfig(split="test-halved"))
    assert counts(split) == (20, 9, 8)
    assert {row.label for row in split.val} == {row.label for row in split.test} == {0, 1}
    assert split.test_kind == "half of the official test"


def test_test_halved_needs_a_test() -> None:
    with pytest.raises(DataError, match="no labelled test split"):
        make_split(*imagined(many([10, 10], "train")), TrialConfig(split="test-halved"))


@pytest.mark.parametrize("side", [None, "train"])
def test_without_a_test_both_val_and_test_are_held_out(side: str | None) -> None:
    split, _ = make_split(*imagined(many([10, 20], side)), TrialConfig(holdout=0.2))
    assert counts(split) == (18, 6, 6)
    assert split.test_kind == "held out, not the official test"


def test_a_pooled_split_ignores_what_the_source_states() -> None:
    entries = many([20, 20], "train") + many([20, 20], "test", prefix="t")
    split, _ = make_split(*imagined(entries, official_test=True), TrialConfig(split="70/15/15"))
    assert counts(split) == (56, 12, 12)
    assert split.test_kind == "held out, not the official test"


def test_a_stated_split_is_taken_as_it_is() -> None:
    entries = many([3, 3], "train") + many([1, 1], "val", prefix="v") + many([2, 2], "test", prefix="t")
    split, notes = make_split(*imagined(entries), TrialConfig())
    assert counts(split) == (6, 2, 4)
    assert split.test_kind == "as given"
    assert notes == []


def test_where_a_stated_split_has_no_test_that_is_said() -> None:
    entries = many([10, 10], "train") + many([3, 3], "val", prefix="v")
    split, notes = make_split(*imagined(entries), TrialConfig())
    assert counts(split) == (20, 6, 0)
    assert "`retrain` will have nothing to open" in notes[0]


def test_of_copies_across_a_stated_split_that_of_the_later_side_stays() -> None:
    entries = [*many([3, 3], "train"), *many([2, 2], "val", prefix="v"), *many([2, 2], "test", prefix="t")]
    copies = [(0, "v0/1", "train"), (1, "t0/0", "train"), (1, "t0/1", "val")]
    split, notes = make_split(*imagined([*entries, *copies]), TrialConfig())
    assert counts(split) == (6, 4, 4)
    assert notes == [
        "1 val pictures are byte-identical to test pictures and are left out of val",
        "2 train pictures are byte-identical to val or test pictures and are left out of train",
    ]


def test_a_class_without_val_pictures_in_a_stated_split_is_said() -> None:
    entries = [*many([3, 3], "train"), (1, "v", "val"), *many([1, 1], "test", prefix="t")]
    assert make_split(*imagined(entries), TrialConfig())[1] == ["1 classes have no val picture, 'class 0' first"]


def test_a_class_without_train_pictures_is_an_error() -> None:
    entries = [(0, "a", "train"), (0, "b", "val"), (1, "c", "val")]
    with pytest.raises(DataError, match="class 'class 1': 0 readable train pictures"):
        make_split(*imagined(entries), TrialConfig())


def test_a_stated_test_alone_has_nothing_to_train_on() -> None:
    with pytest.raises(DataError, match="no picture is marked train"):
        make_split(*imagined(many([3, 3], "test")), TrialConfig())


def test_a_small_class_is_named_with_its_count_and_what_is_needed() -> None:
    with pytest.raises(DataError, match=r"'class 1': 2 distinct pictures .* at least 3 are needed.*val, test, train"):
        make_split(*imagined(many([5, 2])), TrialConfig())


def test_copies_do_not_make_a_class_larger() -> None:
    with pytest.raises(DataError, match=r"'class 1': 1 distinct picture to share out"):
        make_split(*imagined([*many([5]), *[(1, "same", None)] * 9]), TrialConfig())


def test_half_for_val_and_half_for_test_leaves_no_train() -> None:
    with pytest.raises(DataError, match=r"holdout = 0\.5"):
        make_split(*imagined(many([8, 8])), TrialConfig(holdout=0.5))


def test_unreadable_pictures_are_left_out_and_listed() -> None:
    split, notes = make_split(*imagined(many([10, 10]), bad=(0, 3, 12, 13)), TrialConfig())
    assert sum(counts(split)) == 16
    (note,) = notes
    assert note.startswith("4 of 20 pictures cannot be read and are left out: /cars/0000.jpg (damaged); /cars/0003")
    assert note.endswith("; ...")


def test_first_classes_only() -> None:
    split, _ = make_split(*imagined(many([10, 10, 10])), TrialConfig(classes=2))
    assert split.classes == ("class 0", "class 1")
    assert {row.label for row in split.train} == {0, 1}


def boxed(catalog: Catalog, boxes: list[Box]) -> Catalog:
    pictures = [replace(picture, box=box) for picture, box in zip(catalog.pictures, boxes, strict=True)]
    return replace(catalog, pictures=tuple(pictures))


def test_a_stray_box_is_cut_to_its_picture() -> None:
    catalog, inspection = imagined(many([100, 100]))
    split, notes = make_split(
        boxed(catalog, [(1, 1, 21, 11), *[(1, 1, 20, 10)] * 199]), inspection, TrialConfig(crop_to_box=True)
    )
    assert {row.box for row in [*split.train, *split.val, *split.test]} == {(1, 1, 20, 10)}
    assert notes == []


def test_boxes_of_other_pictures_are_not_used_and_that_is_said_where_they_were_wanted() -> None:
    catalog, inspection = imagined(many([10, 10]))
    catalog = boxed(catalog, [(0, 0, 300, 200), (1, 1, 5, 5)] * 10)
    split, notes = make_split(catalog, inspection, TrialConfig(crop_to_box=True))
    assert {row.box for row in split.train} == {None}
    assert "10 of 20 boxes reach outside" in notes[0]
    assert make_split(catalog, inspection, TrialConfig())[1] == []


def test_the_fingerprint_knows_digest_label_and_side_and_no_order() -> None:
    entries = [("train", "a", 0), ("val", "b", 1)]
    assert fingerprint(entries) == fingerprint(entries[::-1])
    others = [[("test", "a", 0), entries[1]], [("train", "c", 0), entries[1]], [("train", "a", 1), entries[1]]]
    assert len({fingerprint(entries), *map(fingerprint, others)}) == 4


def test_paths_do_not_enter_the_fingerprint() -> None:
    catalog, inspection = imagined(many([10, 10]))
    moved = {Path("/moved") / path.name: look for path, look in inspection.items()}
    pictures = tuple(replace(picture, path=Path("/moved") / picture.path.name) for picture in catalog.pictures)
    one, _ = make_split(catalog, inspection, TrialConfig())
    two, _ = make_split(replace(catalog, pictures=pictures), moved, TrialConfig())
    assert one.fingerprint == two.fingerprint


def test_merged_val_is_in_train_and_the_pictures_are_another_data_set() -> None:
    split, _ = make_split(*imagined(many([20, 20])), TrialConfig())
    whole = merged(split)
    assert sorted(whole.train, key=lambda row: row.path) == sorted(split.train + split.val, key=lambda row: row.path)
    assert (whole.val, whole.test, whole.test_kind) == ((), split.test, split.test_kind)
    assert whole.fingerprint != split.fingerprint
    assert merged(replace(split, train=split.val, val=split.train)) == whole
